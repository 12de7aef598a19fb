//! What a store that a fleet shares is asked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tollgate_store::CalendarUnit;

use super::super::ring::Ring;
use super::super::spacing;
use super::super::state::{State, Weight};
use super::super::tally;
use crate::Now;
use crate::identify::QuotaRule;
use crate::meter::{Measure, Policy};

/// What a store that a fleet shares is asked of one limit: whether a request fits, and to charge it if it fits all.
#[derive(Debug)]
pub struct Demand {
    /// What its place among several nodes follows from.
    pub tag: String,
    /// What is counted.
    pub key: String,
    /// Which of the request's quotas it is of: one that only measures is charged by all of its limits, or by none.
    pub quota: usize,
    /// Whether it only measures, and so refuses nothing.
    pub is_shadow: bool,
    /// What the limit allows.
    pub rate: Rate,
    /// How many requests this one counts for; of what is not smooth, at most as many as the limit has.
    pub cost: u32,
    /// How many more are charged with it at most, to be spent without another question. The store lends an eighth of
    /// what is left at most.
    pub lease_max: u32,
    /// What was charged before and not spent.
    pub returned: Option<Returned>,
    /// What this process counted itself, where the store may not know it.
    pub known: Option<Known>,
    /// The connection that it is asked by, as [`Meter::ask`](crate::Meter::ask) was told.
    pub(super) connection: u32,
    pub(super) policy: Arc<Policy>,
    pub(super) limit: LimitId,
}

/// What a limit allows, in the units that a store counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// At most `requests` in the current cell and the 60 before it.
    Strict {
        /// How many.
        requests: u32,
        /// The length of a cell, in microseconds.
        cell_us: u64,
    },
    /// Requests at a distance, by the generic cell rate algorithm.
    Smooth {
        /// The distance, in nanoseconds.
        distance_ns: u64,
        /// How far they may run ahead, in nanoseconds.
        ahead_ns: u64,
    },
    /// At most `requests` until a time, and from then on anew.
    Calendar {
        /// How many.
        requests: u32,
        /// That time and the next one like it, in microseconds since 1970.
        ends_us: [u64; 2],
    },
}

/// What was charged and not spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// The cell, or the end of the calendar's period, that it was charged in.
    pub at: u64,
    /// How much.
    pub cost: u32,
    /// Which one of this process it is: each has a larger number than those before it. A store that took it takes it no
    /// second time, so that it can be told again where no answer came.
    pub number: u64,
}

/// What is given back without a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// What its place among several nodes follows from.
    pub tag: String,
    /// What is counted.
    pub key: String,
    /// The units that a store counts it in; it allows whatever was counted.
    pub rate: Rate,
    /// What was not spent.
    pub returned: Returned,
}

/// What a process counted itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// In all, and how many that long ago, in microseconds, newest first.
    Cells(u32, Vec<(u64, u32)>),
    /// How far requests run ahead, in nanoseconds.
    Debt(u64),
    /// When the period ends, in microseconds since 1970, and how many it has.
    Tally(u64, u32),
}

/// What tells the counts of one quota and subject apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitId {
    Strict(Duration),
    Smooth(Duration),
    Calendar(CalendarUnit),
}

impl LimitId {
    pub(super) fn of(measure: &Measure) -> Option<Self> {
        match measure {
            Measure::Strict { period, .. } => Some(Self::Strict(*period)),
            Measure::Smooth { period, .. } => Some(Self::Smooth(*period)),
            Measure::Calendar { unit, .. } => Some(Self::Calendar(*unit)),
            Measure::Concurrent { .. } => None,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Strict(period) => format!("w{}", period.as_millis()),
            Self::Smooth(period) => format!("s{}", period.as_millis()),
            Self::Calendar(unit) => unit.as_str().to_owned(),
        }
    }
}

impl Demand {
    /// `None` of what is not counted over a fleet.
    pub(super) fn new(
        (tag, key): (&str, &str),
        (quota, rule): (usize, &QuotaRule),
        (policy, weight): (&Arc<Policy>, Weight),
    ) -> Option<Self> {
        let limit = LimitId::of(&policy.measure)?;
        Some(Self {
            tag: tag.to_owned(),
            key: format!("{key}|{}", limit.text()),
            quota,
            is_shadow: rule.is_shadow,
            rate: Rate::of(&policy.measure, weight.now.wall)?,
            cost: match limit {
                // At most as much as may come at once, which the rate says.
                LimitId::Smooth(_) => weight.cost,
                LimitId::Strict(_) | LimitId::Calendar(_) => {
                    weight.cost.min(policy.measure.requests())
                }
            },
            lease_max: 0,
            returned: None,
            known: None,
            connection: 0,
            policy: Arc::clone(policy),
            limit,
        })
    }
}

impl Rate {
    /// What a store needs to know of a limit to take back what was charged at `at`; `None` of smooth ones, which forget
    /// by themselves sooner than that matters.
    pub(super) fn of_return(limit: LimitId, at: u64) -> Option<Self> {
        match limit {
            LimitId::Strict(period) => Some(Self::Strict {
                requests: u32::MAX,
                cell_us: micros(Ring::new(period).cell()),
            }),
            LimitId::Calendar(_) => Some(Self::Calendar {
                requests: u32::MAX,
                ends_us: [at, at],
            }),
            LimitId::Smooth(_) => None,
        }
    }

    fn of(measure: &Measure, now: Timestamp) -> Option<Self> {
        match measure {
            Measure::Strict { requests, period } => Some(Self::Strict {
                requests: *requests,
                cell_us: micros(Ring::new(*period).cell()),
            }),
            Measure::Smooth {
                requests,
                period,
                burst,
            } => {
                let rate = spacing::Rate::new((*requests, *period), *burst, 1);
                let (distance_ns, ahead_ns) = rate.lengths();
                Some(Self::Smooth {
                    distance_ns,
                    ahead_ns,
                })
            }
            Measure::Calendar {
                requests,
                unit,
                zone,
            } => {
                let end = tally::end(*unit, zone, now);
                let next = tally::end(*unit, zone, end);
                Some(Self::Calendar {
                    requests: *requests,
                    ends_us: [end, next].map(micros_since_1970),
                })
            }
            Measure::Concurrent { .. } => None,
        }
    }
}

impl Known {
    /// `None`: nothing that a store would not know.
    pub(super) fn of(state: &State, now: Now) -> Option<Self> {
        match state {
            State::Strict(ring) => {
                let cells = ring.counted(now.monotonic);
                let cells: Vec<_> = cells
                    .into_iter()
                    .map(|(age, count)| (micros(age), count))
                    .collect();
                let total = cells.iter().map(|(_, count)| count).sum();
                (total > 0).then_some(Self::Cells(total, cells))
            }
            State::Smooth(spacing) => {
                let debt = spacing.debt(now.monotonic);
                let debt = u64::try_from(debt.as_nanos()).unwrap_or(u64::MAX);
                (debt > 0).then_some(Self::Debt(debt))
            }
            State::Calendar(tally) => {
                let (ends_at, total) = tally.counted();
                let is_current = total > 0 && ends_at > now.wall;
                is_current.then(|| Self::Tally(micros_since_1970(ends_at), total))
            }
            State::Concurrent(_) => None,
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

fn micros_since_1970(time: Timestamp) -> u64 {
    u64::try_from(time.as_microsecond()).unwrap_or_default()
}
