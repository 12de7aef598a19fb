//! Waiting for another turn: longer each time, never in step with others, and not for ever.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Attempts at one thing until its time is up.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
    attempts: u32,
}

impl Patience {
    /// Starts with the first attempt; the last one starts within `most`.
    pub(super) fn lasting(most: Duration) -> Self {
        Self {
            until: Instant::now() + most,
            pause: FIRST,
            attempts: 1,
        }
    }

    /// Waits for the next attempt; `false` where the time is up.
    pub(super) async fn again(&mut self) -> bool {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        if Instant::now() + pause > self.until {
            return false;
        }
        sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
        self.attempts += 1;
        true
    }

    /// How many attempts were made.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }
}
