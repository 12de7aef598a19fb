//! A sliding window of counts.

use std::time::Duration;

/// How many cells a window is divided into.
const CELLS_PER_WINDOW: u64 = 60;
/// One more: a window that does not start with a cell touches one cell more.
const CELLS: u64 = CELLS_PER_WINDOW + 1;
const SLOTS: usize = 61;
const NANOS_PER_MICRO: u64 = 1_000;

/// The requests of the last window, counted by cells of a sixtieth of it.
///
/// The cells that are summed span at least the window, wherever in its cell a request falls, so that no window of the
/// period's length ever holds more than a limit allows. The price: under steady load, 60 of 61 allowed requests pass.
#[derive(Debug)]
pub(super) struct Ring {
    /// The length of a cell. No two periods that are counted in whole seconds have the same.
    cell_nanos: u64,
    /// The number of the newest cell, counted from the start of time.
    newest: u64,
    /// The sum of all cells.
    total: u32,
    cells: Cells,
}

/// The cell of number `n` is in slot `n % CELLS`.
#[derive(Debug)]
enum Cells {
    /// While they hold few, which is what most windows ever hold.
    Few([u16; SLOTS]),
    Many(Box<[u32; SLOTS]>),
}

impl Ring {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            cell_nanos: cell_nanos(period),
            newest: 0,
            total: 0,
            cells: Cells::Few([0; SLOTS]),
        }
    }

    /// The window that a store tells of: `cells` by their numbers, of which `newest` is the last.
    pub(super) fn told(period: Duration, newest: u64, cells: &[(u64, u32)]) -> Self {
        let mut ring = Self::new(period);
        ring.newest = newest;
        let oldest = (newest + 1).saturating_sub(CELLS);
        for (number, count) in cells
            .iter()
            .filter(|(number, _)| (oldest..=newest).contains(number))
        {
            ring.total = ring.total.saturating_add(*count);
            ring.cells.add(slot(*number), *count, ring.total);
        }
        ring
    }

    /// What it counted, newest first: how many, and how long ago their cells ended at most.
    pub(super) fn counted(&self, now: Duration) -> Vec<(Duration, u32)> {
        let oldest = (self.newest + 1).saturating_sub(CELLS);
        let cells = (oldest..=self.newest).rev().filter_map(|number| {
            let count = self.cells.count(slot(number));
            let end = Duration::from_nanos((number + 1).saturating_mul(self.cell_nanos));
            (count > 0).then(|| (now.saturating_sub(end), count))
        });
        cells.collect()
    }

    /// The length of its cells.
    pub(super) fn cell(&self) -> Duration {
        Duration::from_nanos(self.cell_nanos)
    }

    pub(super) fn is_of(&self, period: Duration) -> bool {
        self.cell_nanos == cell_nanos(period)
    }

    /// Forgets the cells that left the window. A time before one that was seen already counts as that one: two threads
    /// may read the clock in one order and come here in the other, and here is where it is decided.
    pub(super) fn advance(&mut self, now: Duration) {
        let newest = self.number(now);
        let passed = newest.saturating_sub(self.newest);
        for number in (self.newest + 1..=newest).take(SLOTS) {
            self.total -= self.cells.take(slot(number));
        }
        self.newest += passed;
    }

    /// How long until `cost` more requests fit a limit of `requests`; `None`: they fit at once. What costs more than
    /// the limit counts for all of it.
    pub(super) fn wait(&self, requests: u32, cost: u32, now: Duration) -> Option<Duration> {
        let room = requests.saturating_sub(cost);
        if self.total <= room {
            return None;
        }
        let oldest = (self.newest + 1).saturating_sub(CELLS);
        let mut left = self.total;
        let last_to_go = (oldest..=self.newest).find(|number| {
            left -= self.cells.count(slot(*number));
            left <= room
        });
        let free_at = last_to_go.unwrap_or(self.newest) + CELLS;
        let free_at = Duration::from_nanos(free_at.saturating_mul(self.cell_nanos));
        Some(free_at.saturating_sub(now))
    }

    /// Counts `cost` requests of a limit of `requests`, in the newest cell.
    pub(super) fn charge(&mut self, requests: u32, cost: u32) {
        let cost = cost.min(requests);
        self.total += cost;
        self.cells.add(slot(self.newest), cost, self.total);
    }

    /// How many requests are left of a limit of `requests`.
    pub(super) fn remaining(&self, requests: u32) -> u32 {
        requests.saturating_sub(self.total)
    }

    /// Whether everything that was counted has left the window.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.total == 0 || self.number(now) >= self.newest + CELLS
    }

    fn number(&self, now: Duration) -> u64 {
        nanos(now) / self.cell_nanos
    }
}

impl Cells {
    fn count(&self, slot: usize) -> u32 {
        match self {
            Self::Few(cells) => cells.get(slot).copied().unwrap_or_default().into(),
            Self::Many(cells) => cells.get(slot).copied().unwrap_or_default(),
        }
    }

    fn take(&mut self, slot: usize) -> u32 {
        match self {
            Self::Few(cells) => cells.get_mut(slot).map_or(0, std::mem::take).into(),
            Self::Many(cells) => cells.get_mut(slot).map_or(0, std::mem::take),
        }
    }

    /// `total` is what all of them hold then.
    fn add(&mut self, slot: usize, cost: u32, total: u32) {
        if let Self::Few(few) = self
            && u16::try_from(total).is_err()
        {
            *self = Self::Many(Box::new(few.map(u32::from)));
        }
        match self {
            Self::Few(cells) => {
                if let (Some(cell), Ok(cost)) = (cells.get_mut(slot), u16::try_from(cost)) {
                    *cell += cost;
                }
            }
            Self::Many(cells) => {
                if let Some(cell) = cells.get_mut(slot) {
                    *cell += cost;
                }
            }
        }
    }
}

/// Rounded up, so that the cells never span less than the window; to microseconds, which is what stores count in.
fn cell_nanos(period: Duration) -> u64 {
    let nanos = nanos(period).div_ceil(CELLS_PER_WINDOW).max(1);
    nanos
        .div_ceil(NANOS_PER_MICRO)
        .saturating_mul(NANOS_PER_MICRO)
}

fn slot(number: u64) -> usize {
    usize::try_from(number % CELLS).unwrap_or_default()
}

/// Nanoseconds, enough for 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
