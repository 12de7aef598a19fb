//! The only place that reads the clock.

/// Now, in whole seconds: nobody needs to know a key's making more exactly.
#[allow(
    clippy::disallowed_methods,
    reason = "the crate's one place that reads the clock"
)]
pub(crate) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now)
}
