//! What a connection waits for while nothing comes, and for how long.

use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::Pace;
use super::alarm::Alarm;

/// How long a connection without a request stays open. Load balancers keep idle connections for 60 s: a shorter time
/// would close them under their next request.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// The longest that the head of a request may take from its first byte on.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// The longest that a client may take to read anything of what it is sent.
pub(super) const WRITE_MAX: Duration = Duration::from_mins(1);

/// What is waited for, while nothing comes.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) alarm: Alarm,
    for_what: What,
    /// How many requests had come when it began.
    begun: u32,
    progress: u32,
    since: Instant,
    /// Whether the first byte of a request came, and of which.
    pub(super) head_of: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Nothing,
    Request,
    RestOfHead,
    Reader,
}

impl Waiting {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            alarm: Alarm::default(),
            for_what: What::Request,
            begun: 0,
            progress: 0,
            since: now,
            head_of: None,
        }
    }

    /// Notes what is waited for. The time starts anew with anything else, and with anything that got somewhere.
    pub(super) fn turn_to(&mut self, what: What, pace: &Pace) {
        let begun = pace.begun();
        let progress = pace.progress.load(Ordering::Relaxed);
        if what != self.for_what || begun != self.begun || progress != self.progress {
            self.for_what = what;
            self.begun = begun;
            self.progress = progress;
            if what != What::Nothing {
                self.since = Instant::now();
            }
        }
    }

    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let limit = match self.for_what {
            What::Nothing => return false,
            What::Request => IDLE_MAX,
            What::RestOfHead => HEAD_MAX,
            What::Reader => WRITE_MAX,
        };
        self.alarm.is_over(self.since + limit, context)
    }
}
