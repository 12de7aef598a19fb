//! Whether a client that says nothing more waits for its answer, or has gone.
//!
//! The end of what it sends looks the same. Who closes only its half does so with the request; who gives up does so
//! after it has waited.

use std::time::Duration;

use tokio::time::Instant;

/// Who ends its half so soon after what it sent last, did so with it.
pub(super) const WITH_REQUEST_MAX: Duration = Duration::from_millis(250);
/// How long such a client may then wait for the next part of its answer.
pub(super) const HALF_CLOSED_MAX: Duration = Duration::from_secs(10);

/// What is known of a client that may say nothing more.
#[derive(Debug, Default)]
pub(super) struct HalfClosed {
    /// Since when nothing more has come, if it was looked at.
    quiet: Option<Instant>,
    /// Whether it ended its half with what it sent last, once it did.
    is_prompt: Option<bool>,
    /// Since when it waits.
    waiting: Option<Instant>,
}

impl HalfClosed {
    /// Something came.
    pub(super) fn came(&mut self) {
        self.quiet = None;
    }

    /// Nothing came, not even an end.
    pub(super) fn is_quiet(&mut self) {
        self.quiet.get_or_insert_with(Instant::now);
    }

    /// The end came: until when to wait for an answer, if at all.
    pub(super) fn until(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let quiet = self.quiet;
        // Who is looked at late is not late.
        let is_soon = || quiet.is_none_or(|quiet| now.duration_since(quiet) <= WITH_REQUEST_MAX);
        let is_prompt = *self.is_prompt.get_or_insert_with(is_soon);
        is_prompt.then(|| *self.waiting.get_or_insert(now) + HALF_CLOSED_MAX)
    }

    /// A part of the answer has left; whether it is waited for.
    pub(super) fn is_answered(&mut self) -> bool {
        self.waiting.take().is_some()
    }
}
