//! What a store that a fleet shares says.

use std::time::Duration;

use jiff::Timestamp;

use super::super::ring::Ring;
use super::super::spacing::Spacing;
use super::super::state::State;
use super::super::tally::Tally;
use crate::Now;
use crate::meter::Measure;

/// What a store that a fleet shares says to a [`Inquiry`](super::Inquiry).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the request fits everything that does not only measure, and was charged.
    pub is_admitted: bool,
    /// When that was by the store's clock, in microseconds since 1970.
    pub now_us: u64,
    /// What it found, in the order of the demands; those that are missing were not asked any more.
    pub found: Vec<Found>,
}

/// What a store found of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whether the request fits it.
    pub fits: bool,
    /// Whether it was charged.
    pub is_charged: bool,
    /// How many more were charged with it.
    pub leased: u32,
    /// The cell, or the end of the calendar's period, that they were charged in.
    pub leased_at: u64,
    /// For how long they may be spent, in microseconds.
    pub lease_us: u64,
    /// What is counted now.
    pub count: Count,
}

/// What a store counted of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// The number of the newest cell, and what the cells have.
    Cells(u64, Vec<(u64, u32)>),
    /// How far requests run ahead, in nanoseconds.
    Debt(u64),
    /// When the period ends, in microseconds since 1970, and how many it has.
    Tally(u64, u32),
}

impl Answer {
    /// The store's time. It has one clock, which stands for both.
    pub(super) fn now(&self) -> Now {
        Now {
            wall: timestamp(self.now_us),
            monotonic: Duration::from_micros(self.now_us),
        }
    }
}

impl Count {
    /// The same as this process would have counted it; `None`: it is no count of such a limit.
    pub(super) fn state(&self, measure: &Measure, now: Now) -> Option<State> {
        match (self, measure) {
            (Self::Cells(newest, cells), Measure::Strict { period, .. }) => {
                Some(State::Strict(Box::new(Ring::told(*period, *newest, cells))))
            }
            (Self::Debt(nanos), Measure::Smooth { period, .. }) => {
                let debt = Duration::from_nanos(*nanos);
                Some(State::Smooth(Spacing::told(*period, debt, now.monotonic)))
            }
            (Self::Tally(ends_us, total), Measure::Calendar { unit, .. }) => {
                let tally = Tally::told(*unit, timestamp(*ends_us), *total);
                Some(State::Calendar(tally))
            }
            _ => None,
        }
    }
}

fn timestamp(micros: u64) -> Timestamp {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}
