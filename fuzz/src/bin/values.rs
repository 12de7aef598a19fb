//! Fuzzes [`tollgate_fuzz::values`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::values(bytes));
