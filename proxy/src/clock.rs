//! The one place that reads the time.

#![allow(
    clippy::disallowed_methods,
    reason = "everything else is given the time"
)]

use std::time::{Duration, Instant};

use tollgate_gate::Now;

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            wall: jiff::Timestamp::now(),
            monotonic: self.monotonic(),
        }
    }

    /// The time since the start.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
