//! What a quota's limits allow, as requests are measured by it and as clients are told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jiff::tz::TimeZone;
use tollgate_store::document::{Limit, Quota, Window};
use tollgate_store::{CalendarUnit, Name, Span};

const DAY: Duration = Duration::from_hours(24);

/// One limit of a quota: a quota policy, as draft-ietf-httpapi-ratelimit-headers calls it.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    /// The quota.
    pub quota: Arc<Name>,
    /// The quota's name; where that has several limits, with what tells this one from the others: `free:1m`.
    pub name: String,
    /// What it allows.
    pub measure: Measure,
    /// The policy as a member of the field `RateLimit-Policy`.
    pub header: HeaderValue,
}

/// What a limit allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// At most `requests` in any window of the length `period`.
    Strict {
        /// How many.
        requests: u32,
        /// The window's length.
        period: Duration,
    },
    /// `requests` spread evenly over each `period`, of which `burst` may come at once.
    Smooth {
        /// How many.
        requests: u32,
        /// Over what time.
        period: Duration,
        /// How many at once.
        burst: u32,
    },
    /// At most `requests` from one border of the calendar to the next.
    Calendar {
        /// How many.
        requests: u32,
        /// From what to what.
        unit: CalendarUnit,
        /// Where.
        zone: TimeZone,
    },
    /// At most `requests` at the same time, each from its admission to the last byte of its answer.
    Concurrent {
        /// How many.
        requests: u32,
    },
}

/// The policies of a quota that has those limits.
pub(crate) fn policies(
    quota_name: &Arc<Name>,
    quota: &Quota,
    limits: &[Limit],
) -> Box<[Arc<Policy>]> {
    let declared = quota.time_zone.as_ref();
    let zone = declared.map_or(TimeZone::UTC, |zone| zone.rules().clone());
    let is_only = limits.len() == 1;
    let policy = |limit: &Limit| {
        let measure = measure(limit, &zone)?;
        let name = if is_only {
            quota_name.to_string()
        } else {
            format!("{quota_name}:{}", distinction(limit))
        };
        let header = header(&name, &measure)?;
        Some(Arc::new(Policy {
            quota: Arc::clone(quota_name),
            name,
            measure,
            header,
        }))
    };
    limits.iter().filter_map(policy).collect()
}

/// `None` for what [`Limit`]'s checks never let through.
fn measure(limit: &Limit, zone: &TimeZone) -> Option<Measure> {
    if let Some(requests) = limit.concurrent {
        return Some(Measure::Concurrent { requests });
    }
    let requests = limit.requests?;
    Some(match (limit.per.as_ref()?.span(), limit.window) {
        (Span::Calendar(unit), _) => Measure::Calendar {
            requests,
            unit,
            zone: zone.clone(),
        },
        (Span::Window(period), Some(Window::Smooth)) => Measure::Smooth {
            requests,
            period,
            burst: limit.burst?,
        },
        (Span::Window(period), None | Some(Window::Strict)) => Measure::Strict { requests, period },
    })
}

/// What tells a limit from the others of its quota.
fn distinction(limit: &Limit) -> String {
    match (&limit.per, limit.window) {
        (None, _) => "concurrent".to_owned(),
        (Some(per), Some(Window::Smooth)) => format!("{per}-smooth"),
        (Some(per), _) => per.to_string(),
    }
}

/// `"free";q=10;w=60`; a name holds nothing that a quoted string could not.
fn header(name: &str, measure: &Measure) -> Option<HeaderValue> {
    let text = match measure {
        Measure::Strict { requests, period }
        | Measure::Smooth {
            requests, period, ..
        } => format!("\"{name}\";q={requests};w={}", seconds(*period)),
        Measure::Calendar { requests, unit, .. } => match unit {
            CalendarUnit::Day => format!("\"{name}\";q={requests};w={}", seconds(DAY)),
            CalendarUnit::Week => format!("\"{name}\";q={requests};w={}", seconds(DAY * 7)),
            // Months differ in length.
            CalendarUnit::Month => format!("\"{name}\";q={requests}"),
        },
        Measure::Concurrent { requests } => {
            format!("\"{name}\";q={requests};qu=\"concurrent-requests\"")
        }
    };
    HeaderValue::try_from(text).ok()
}

/// Whole seconds, rounded up: who waits as long never comes too early.
pub(crate) fn seconds(length: Duration) -> u64 {
    length.as_secs() + u64::from(length.subsec_nanos() > 0)
}

impl Measure {
    /// How many requests it allows.
    #[must_use]
    pub fn requests(&self) -> u32 {
        match self {
            Self::Strict { requests, .. }
            | Self::Smooth { requests, .. }
            | Self::Calendar { requests, .. }
            | Self::Concurrent { requests } => *requests,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = match self.requests() {
            1 => "1 request".to_owned(),
            many => format!("{many} requests"),
        };
        match self {
            Self::Strict { period, .. } => {
                write!(formatter, "{requests} in {} seconds", period.as_secs_f64())
            }
            Self::Smooth { period, burst, .. } => {
                let period = period.as_secs_f64();
                write!(
                    formatter,
                    "{requests} in {period} seconds, {burst} of them at once"
                )
            }
            Self::Calendar { unit, zone, .. } => {
                let zone = zone.iana_name().unwrap_or("UTC");
                write!(formatter, "{requests} a {} ({zone})", unit.as_str())
            }
            Self::Concurrent { .. } => write!(formatter, "{requests} at the same time"),
        }
    }
}
