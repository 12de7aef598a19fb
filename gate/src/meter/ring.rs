//! A sliding window of counts.

use std::time::Duration;

/// How many cells a window is divided into.
const CELLS_PER_WINDOW: u64 = 60;
/// One more: a window that does not start with a cell touches one cell more.
const CELLS: u64 = CELLS_PER_WINDOW + 1;
const SLOTS: usize = 61;

/// The requests of the last window, counted by cells of a sixtieth of it.
///
/// The cells that are summed span at least the window, wherever in its cell a request falls, so that no window of the
/// period's length ever holds more than a limit allows. The price: under steady load, 60 of 61 allowed requests pass.
#[derive(Debug)]
pub(super) struct Ring {
    period: Duration,
    /// The number of the newest cell, counted from the start of time.
    newest: u64,
    /// The sum of all cells.
    total: u32,
    /// The cell of number `n` is in slot `n % CELLS`.
    cells: [u32; SLOTS],
}

impl Ring {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            newest: 0,
            total: 0,
            cells: [0; SLOTS],
        }
    }

    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Forgets the cells that left the window. A time before one that was seen already counts as that one: two threads
    /// may read the clock in one order and come here in the other, and here is where it is decided.
    pub(super) fn advance(&mut self, now: Duration) {
        let newest = self.number(now);
        let passed = newest.saturating_sub(self.newest);
        for number in (self.newest + 1..=newest).take(SLOTS) {
            if let Some(cell) = self.cells.get_mut(slot(number)) {
                self.total -= std::mem::take(cell);
            }
        }
        self.newest += passed;
    }

    /// How long until one more request fits a limit of `requests`; `None`: it fits at once.
    pub(super) fn wait(&self, requests: u32, now: Duration) -> Option<Duration> {
        if self.total < requests {
            return None;
        }
        let oldest = (self.newest + 1).saturating_sub(CELLS);
        let mut left = self.total;
        let last_to_go = (oldest..=self.newest).find(|number| {
            left -= self.cells.get(slot(*number)).copied().unwrap_or_default();
            left < requests
        });
        let free_at = last_to_go.unwrap_or(self.newest) + CELLS;
        let free_at = Duration::from_nanos(free_at.saturating_mul(self.cell_nanos()));
        Some(free_at.saturating_sub(now))
    }

    /// Counts one request, in the newest cell.
    pub(super) fn charge(&mut self) {
        if let Some(cell) = self.cells.get_mut(slot(self.newest)) {
            *cell += 1;
            self.total += 1;
        }
    }

    /// Whether everything that was counted has left the window.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.total == 0 || self.number(now) >= self.newest + CELLS
    }

    fn number(&self, now: Duration) -> u64 {
        nanos(now) / self.cell_nanos()
    }

    /// Rounded up, so that the cells never span less than the window.
    fn cell_nanos(&self) -> u64 {
        nanos(self.period).div_ceil(CELLS_PER_WINDOW).max(1)
    }
}

fn slot(number: u64) -> usize {
    usize::try_from(number % CELLS).unwrap_or_default()
}

/// Nanoseconds, enough for 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
