//! A sketch of latencies in a fixed number of cells.

use std::time::Duration;

/// Cells for each doubling: what is read is off by less than 1/16, and by less than 1/32 where there is one latency.
const CELLS: usize = 1 << CELL_BITS;
const CELL_BITS: u32 = 4;
/// Doublings of a microsecond beyond the first [`CELLS`]: up to 134 s, where whatever is longer counts too.
const DOUBLINGS: usize = 23;
const MICROSECONDS_MAX: u64 = (1 << 27) - 1;

/// How many latencies there were of each length, by cells whose width grows with it, as in an HDR histogram: 1.5 KB.
#[derive(Debug)]
pub(super) struct Sketch {
    cells: [u32; CELLS * (DOUBLINGS + 1)],
    len: u32,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            cells: [0; CELLS * (DOUBLINGS + 1)],
            len: 0,
        }
    }
}

impl Sketch {
    pub(super) fn add(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(MICROSECONDS_MAX);
        if let Some(cell) = self.cells.get_mut(cell(microseconds.min(MICROSECONDS_MAX))) {
            *cell = cell.saturating_add(1);
            self.len = self.len.saturating_add(1);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The latency that `percentile` % of them don't exceed, in seconds; `None` of nothing.
    pub(super) fn percentile(&self, percentile: u32) -> Option<f64> {
        let rank = (u64::from(self.len) * u64::from(percentile)).div_ceil(100);
        let mut left = u32::try_from(rank).unwrap_or(u32::MAX).max(1);
        for (number, count) in self.cells.iter().enumerate() {
            if left <= *count {
                let (start, width) = extent(number);
                // As if those of a cell were spread over it evenly.
                let part = (f64::from(left) - 0.5) / f64::from(*count);
                return Some((start + width * part) / 1e6);
            }
            left -= count;
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.cells.fill(0);
        self.len = 0;
    }
}

/// The first cells hold one microsecond each; then every doubling has as many.
fn cell(microseconds: u64) -> usize {
    let Some(doubling) = microseconds
        .checked_ilog2()
        .and_then(|log| log.checked_sub(CELL_BITS))
    else {
        return usize::try_from(microseconds).unwrap_or_default();
    };
    let place = usize::try_from(microseconds >> doubling).unwrap_or_default() % CELLS;
    (doubling as usize + 1) * CELLS + place
}

/// Where a cell starts and how wide it is, in microseconds.
fn extent(cell: usize) -> (f64, f64) {
    let place = f64::from(u32::try_from(cell % CELLS).unwrap_or_default());
    let Some(doubling) = (cell / CELLS).checked_sub(1) else {
        return (place, 0.0);
    };
    let width = f64::from(1_u32 << doubling.min(DOUBLINGS));
    ((f64::from(1_u32 << CELL_BITS) + place) * width, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_close_to_what_was_added() {
        for microseconds in (0..27).map(|power| (1_u64 << power) + power) {
            let mut sketch = Sketch::default();
            let latency = Duration::from_micros(microseconds);
            sketch.add(latency);

            let read = sketch.percentile(50).unwrap();
            let off = (read - latency.as_secs_f64()).abs() / latency.as_secs_f64().max(1e-6);
            assert!(off <= 1.0 / 32.0, "{latency:?} reads {read}");
        }
    }

    #[test]
    fn a_percentile_is_the_latency_that_so_many_do_not_exceed() {
        let mut sketch = Sketch::default();
        for milliseconds in 1..=100 {
            sketch.add(Duration::from_millis(milliseconds));
        }
        for percentile in [1, 50, 90, 99] {
            let read = sketch.percentile(percentile).unwrap() * 1e3;
            let off = (read - f64::from(percentile)).abs() / f64::from(percentile);
            assert!(off < 0.04, "{percentile}: {read}");
        }
    }

    #[test]
    fn whatever_is_longer_than_the_last_cell_counts_there() {
        let mut sketch = Sketch::default();
        sketch.add(Duration::MAX);

        assert!(sketch.percentile(99).unwrap() > 120.0);
        sketch.clear();
        assert_eq!(sketch.percentile(50), None);
    }
}
