//! What is told of a panic, which is a bug: where it was, and never what it says, since that may be what a client said.

use std::cell::RefCell;
use std::panic;
use std::sync::Arc;

use crate::metrics::Metrics;

thread_local! {
    /// Where this thread last panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Tells of every panic from now on by one line of the log, and counts it.
pub fn watch(metrics: &Arc<Metrics>) {
    let metrics = Arc::clone(metrics);
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        metrics.panics.inc();
        tracing::error!(place, thread, "a panic, which is a bug: please report it");
        PLACE.with(|last| *last.borrow_mut() = place);
    }));
}

/// Where this thread last panicked, once.
#[must_use]
pub(crate) fn last_place() -> Option<String> {
    PLACE.with(|last| last.borrow_mut().take())
}
