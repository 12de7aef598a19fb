//! Fuzzes [`tollgate_fuzz::words`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::words(bytes));
