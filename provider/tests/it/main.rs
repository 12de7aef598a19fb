//! The provider as Terraform sees it: rpcs against a store in memory.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails there"
)]

mod asking;
mod backend;
mod claims;
mod configuration;
mod decisions;
mod ephemerals;
mod failures;
mod functions;
mod inventory;
mod key_set_trust;
mod key_sets;
mod key_trust;
mod keys;
mod life;
mod mistakes;
mod names;
mod policies;
mod protocol;
mod races;
mod references;
mod rotation;
mod samples;
mod schema;
mod sets;
mod terraform;
mod words;
