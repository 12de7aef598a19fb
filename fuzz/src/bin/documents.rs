//! Fuzzes [`tollgate_fuzz::documents`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::documents(bytes));
