//! Counts from one border of the calendar to the next.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use tollgate_store::CalendarUnit;

/// The requests since the last border of the calendar.
#[derive(Debug)]
pub(super) struct Tally {
    unit: CalendarUnit,
    ends_at: Timestamp,
    total: u32,
}

impl Tally {
    pub(super) fn new(unit: CalendarUnit) -> Self {
        Self {
            unit,
            ends_at: Timestamp::MIN,
            total: 0,
        }
    }

    /// What a store tells of.
    pub(super) fn told(unit: CalendarUnit, ends_at: Timestamp, total: u32) -> Self {
        Self {
            unit,
            ends_at,
            total,
        }
    }

    /// What it counted, and when that ends.
    pub(super) fn counted(&self) -> (Timestamp, u32) {
        (self.ends_at, self.total)
    }

    pub(super) fn unit(&self) -> CalendarUnit {
        self.unit
    }

    /// Starts anew where a border was passed. A clock that is set back starts nothing anew.
    pub(super) fn advance(&mut self, zone: &TimeZone, now: Timestamp) {
        if now >= self.ends_at {
            self.ends_at = end(self.unit, zone, now);
            self.total = 0;
        }
    }

    /// How long until `cost` more requests fit a limit of `requests`; `None`: they fit at once. What costs more than
    /// the limit counts for all of it.
    pub(super) fn wait(&self, requests: u32, cost: u32, now: Timestamp) -> Option<Duration> {
        let fits = self.total.saturating_add(cost.min(requests)) <= requests;
        (!fits).then(|| self.rest(now))
    }

    /// Counts `cost` requests.
    pub(super) fn charge(&mut self, requests: u32, cost: u32) {
        self.total = self.total.saturating_add(cost.min(requests));
    }

    /// How many requests are left of a limit of `requests`.
    pub(super) fn remaining(&self, requests: u32) -> u32 {
        requests.saturating_sub(self.total)
    }

    /// How long until the next border.
    pub(super) fn rest(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.ends_at.duration_since(now)).unwrap_or_default()
    }

    /// Whether its time has passed.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.total == 0 || now >= self.ends_at
    }
}

/// When the day, week or month ends that `now` is in.
pub(super) fn end(unit: CalendarUnit, zone: &TimeZone, now: Timestamp) -> Timestamp {
    let end = || {
        let date = next_date(unit, zone.to_datetime(now).date())?;
        let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0));
        let end = midnight.clone().compatible()?.timestamp();
        // Where the clocks go back over midnight, there are two.
        if end > now {
            return Ok(end);
        }
        midnight.later().map(|zoned| zoned.timestamp())
    };
    // The calendar itself ends in the year 9999.
    let end: Result<Timestamp, jiff::Error> = end();
    end.unwrap_or(Timestamp::MAX)
}

fn next_date(unit: CalendarUnit, date: Date) -> Result<Date, jiff::Error> {
    match unit {
        CalendarUnit::Day => date.tomorrow(),
        CalendarUnit::Week => date.nth_weekday(1, Weekday::Monday),
        CalendarUnit::Month => date.last_of_month().tomorrow(),
    }
}

#[cfg(test)]
mod tests;
