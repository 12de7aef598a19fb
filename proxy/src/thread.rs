//! Which thread runs: what a thread keeps for itself has its number.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most threads that have a place of their own; those beyond share.
pub(crate) const PLACES: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % PLACES;
}

/// This thread's number, below [`PLACES`].
pub(crate) fn place() -> usize {
    THREAD.with(|thread| *thread)
}
