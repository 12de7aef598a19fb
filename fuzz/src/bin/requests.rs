//! Fuzzes [`tollgate_fuzz::requests`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::requests(bytes));
