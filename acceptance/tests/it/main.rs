//! Acceptance: real terraform, LocalStack, the built binaries.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on should panic"
)]

mod asking;
mod authorization;
mod bad_identities;
mod bad_input;
#[cfg(target_os = "linux")]
mod bench_proxy;
mod concurrency;
#[cfg(target_os = "linux")]
mod conditions;
mod crash;
mod credentials;
mod decisions;
mod edge;
mod everything;
mod exchanged;
mod identities;
mod intact;
#[cfg(target_os = "linux")]
mod interrupted;
mod key_tokens;
mod lifecycle;
mod moved;
mod names;
#[cfg(target_os = "linux")]
mod operations;
mod plugin;
mod quotas;
mod scale;
mod secrecy;
mod signed;
mod stores;
mod throttled;
mod tour;
mod upgrade;
