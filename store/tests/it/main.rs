//! Every backend against the promises of the trait, and each against what only it can get wrong.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has found something"
)]

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod calls;
mod conformance;
mod directory;
#[cfg(feature = "aws")]
mod fake;
mod memory;
mod sample;
