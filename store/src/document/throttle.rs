//! Throttles: how many requests at once an upstream is given, which each proxy finds out.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{Problem, ThrottleWait};

/// What the least and the greatest number of requests at once may be.
pub const THROTTLE_LIMIT_BOUNDS: RangeInclusive<u32> = 5..=100_000;
/// Which percentile of latencies a limit may follow.
pub const THROTTLE_PERCENTILE_BOUNDS: RangeInclusive<u32> = 50..=95;
/// The least number of requests at once where none is declared.
pub const THROTTLE_LIMIT_MIN: u32 = 5;
/// The greatest number of requests at once where none is declared.
pub const THROTTLE_LIMIT_MAX: u32 = 1_000;
/// The percentile of latencies that a limit follows where none is declared.
pub const THROTTLE_PERCENTILE: u32 = 50;

/// How many requests at once a proxy gives an upstream: a number between two bounds that follows the latency and the
/// failures of its answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// The least that the limit falls to: 5 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_min: Option<u32>,
    /// The most that the limit rises to: 1,000 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_max: Option<u32>,
    /// How long a request that finds no room may wait for it: 10 ms where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<ThrottleWait>,
    /// Which percentile of latencies the limit follows, 50 to 95: 50 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentile: Option<u32>,
    /// Whether nothing is refused, but counted as if it were: not where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<bool>,
}

/// Who goes first where there is no room for all: the lowest is shed first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// What nobody waits for: shed from 75 % of the limit on.
    Batch,
    /// Everything else: shed from 90 % of the limit on.
    #[default]
    Default,
    /// What must not fail: shed at the limit.
    Critical,
}

impl Priority {
    /// All of them, the highest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Default, Self::Batch];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Default => "default",
            Self::Batch => "batch",
        }
    }
}

impl Throttle {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let limits = THROTTLE_LIMIT_BOUNDS;
        let percentiles = THROTTLE_PERCENTILE_BOUNDS;
        check_within("limit_min", self.limit_min, &limits)?;
        check_within("limit_max", self.limit_max, &limits)?;
        check_within("percentile", self.percentile, &percentiles)?;
        let (least, most) = (
            self.limit_min.unwrap_or(THROTTLE_LIMIT_MIN),
            self.limit_max.unwrap_or(THROTTLE_LIMIT_MAX),
        );
        if least <= most {
            return Ok(());
        }
        let message = format!("{least} is above limit_max, which is {most}: it must not be");
        Err(Problem::field("limit_min", message))
    }
}

fn check_within(
    field: &str,
    number: Option<u32>,
    bounds: &RangeInclusive<u32>,
) -> Result<(), Problem> {
    match number {
        Some(number) if !bounds.contains(&number) => {
            let (least, most) = (bounds.start(), bounds.end());
            let message = format!("{number} is out of bounds: it must be {least} to {most}");
            Err(Problem::field(field, message))
        }
        _ => Ok(()),
    }
}
