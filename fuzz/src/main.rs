//! Fuzzes one of [`tollgate_fuzz::TARGETS`]: all of them are one program, since to link one takes longest.
#![no_main]

use std::sync::LazyLock;

use tollgate_fuzz::{TARGETS, Target};

/// Names the target.
const VARIABLE: &str = "TOLLGATE_FUZZ_TARGET";

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let found = TARGETS.into_iter().find(|(name, _)| *name == wanted);
    let names = TARGETS.map(|(name, _)| name).join(", ");
    found
        .unwrap_or_else(|| panic!("{VARIABLE} is {wanted:?}, and should be one of {names}"))
        .1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
