//! The provider as Terraform sees it: rpcs against a store in memory.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails there"
)]

mod backend;
mod configuration;
mod failures;
mod key_sets;
mod keys;
mod life;
mod mistakes;
mod protocol;
mod references;
mod rotation;
mod samples;
mod schema;
mod terraform;
mod words;
