//! Fuzzes [`tollgate_fuzz::conditions`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::conditions(bytes));
