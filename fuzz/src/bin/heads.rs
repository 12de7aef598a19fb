//! Fuzzes [`tollgate_fuzz::heads`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::heads(bytes));
