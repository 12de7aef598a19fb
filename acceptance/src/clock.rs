//! The only place that reads the clock.

use std::time::Instant;

use jiff::civil::Date;

/// Now, to measure how long something takes.
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the crate's one place that reads the clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Today, in UTC.
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the crate's one place that reads the clock"
)]
pub fn today() -> Date {
    jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}
