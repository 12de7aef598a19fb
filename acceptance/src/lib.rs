//! Runs the real things: terraform, the provider, the proxy, LocalStack. Each is a handle that ends what it started.
//!
//! The demo, the acceptance tests and the benchmark are built from the same handles; the first two go on the same
//! [`tour`].

mod background;
mod binaries;
mod browse;
mod chance;
pub mod clock;
mod counter;
mod endpoint;
mod failure;
pub mod interrupt;
mod leaks;
mod place;
mod process;
mod proxy;
mod relay;
mod terraform;
pub mod tour;
mod upstream;
mod usage;
mod victim;

pub use binaries::Binaries;
pub use browse::{Answer, Browser};
pub use chance::drawn;
pub use counter::{CountingEndpoint, Tally};
pub use endpoint::{Calls, Disturbance, Endpoint, Moment, Strike};
pub use failure::Failure;
pub use place::{LocalStack, Place, fresh_namespace};
pub use process::{Process, free_port};
pub use proxy::Proxy;
pub use terraform::{Finished, Terraform};
pub use upstream::SampleUpstream;
pub use usage::{Usage, UsageWatcher, resident_bytes};
pub use victim::Victim;
