//! Acceptance: real terraform, LocalStack, the built binaries.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on should panic"
)]

mod asking;
mod bad_input;
mod concurrency;
mod credentials;
mod decisions;
mod everything;
mod lifecycle;
mod moved;
mod plugin;
mod secrecy;
mod stores;
mod tour;
mod upgrade;
