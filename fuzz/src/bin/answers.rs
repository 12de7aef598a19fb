//! Fuzzes [`tollgate_fuzz::answers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::answers(bytes));
