//! The engine as a proxy uses it: documents in, decisions out.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "documents are written where they are passed"
)]

mod advice;
mod anonymous;
mod authorize;
mod certificates;
mod conditions;
mod documents;
mod identify;
mod imported;
mod key_sets;
mod memory;
mod meter;
mod obedience;
mod principals;
mod quotas;
mod simulate;
mod snapshot;
mod target;
mod throttle;
mod tokens;
mod traversal;
