//! The threads that carry requests: one a core, each with its own runtime, listeners and connections.
//!
//! A request stays on the thread that accepted its connection, so that no other one has to be woken for it.

use std::io;

use tokio::runtime::{Builder, Handle};

/// The threads that carry requests.
#[derive(Debug, Clone)]
pub struct Workers(Vec<Handle>);

impl Workers {
    /// Starts that many. They end with the process.
    pub fn start(count: usize) -> io::Result<Self> {
        (0..count).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Where to spawn on each of them.
    pub fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter()
    }
}

fn start(number: usize) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
