//! What was measured of a fleet, as Markdown.

use tollgate_acceptance::clock;

use super::clients::{RATE, Seen};
use super::{PROXIES, Phase};
use crate::machine::processor;
use crate::numbers::count;
use crate::table::Table;

/// What was seen in one phase.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) phase: Phase,
    pub(super) requests: usize,
    p50_us: u32,
    p99_us: u32,
    most_us: u32,
    /// Answers other than 200.
    refused: usize,
    /// Questions to the counters for each request.
    pub(super) asked: f64,
    /// The part of the requests that `on_counter_failure` decided.
    unheard: f64,
}

impl Row {
    pub(super) fn new<'a>(
        (title, phase): (&'static str, Phase),
        seen: impl Iterator<Item = &'a Seen>,
        [questions, unheard]: [f64; 2],
    ) -> Self {
        let (mut refused, mut took) = (0, Vec::new());
        for seen in seen {
            refused += usize::from(seen.status != 200);
            took.push(seen.took_us);
        }
        took.sort_unstable();
        let at = |hundredth: usize| took.get(took.len() * hundredth / 100).copied();
        let requests = took.len();
        let share = |of: f64| of / f64::from(u32::try_from(requests.max(1)).unwrap_or(u32::MAX));
        Self {
            title,
            phase,
            requests,
            p50_us: at(50).unwrap_or_default(),
            p99_us: at(99).unwrap_or_default(),
            most_us: took.last().copied().unwrap_or_default(),
            refused,
            asked: share(questions),
            unheard: share(unheard),
        }
    }

    /// As it is shown while others are measured.
    pub(super) fn line(&self) -> String {
        format!("  {:32} {}", self.phase.title(), self.cells().join("  "))
    }

    fn cells(&self) -> [String; 7] {
        let milliseconds = |us: u32| format!("{:.2}", f64::from(us) / 1_000.0);
        let percent = |part: f64| format!("{:.2} %", part * 100.0);
        [
            count(u64::try_from(self.requests).unwrap_or(u64::MAX)),
            milliseconds(self.p50_us),
            milliseconds(self.p99_us),
            milliseconds(self.most_us),
            self.refused.to_string(),
            percent(self.asked),
            percent(self.unheard),
        ]
    }
}

impl Phase {
    fn title(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Killed => "2 s from the kill on",
            Self::Gone => "gone",
            Self::Started => "2 s from the start on",
            Self::Back => "back",
        }
    }
}

/// Everything that was measured, each phase for so many seconds.
pub(super) fn render(rows: &[Row], seconds: u32) -> String {
    let mut table = Table::new(&[
        "counted, and the counters are",
        "requests",
        "p50 ms",
        "p99 ms",
        "most ms",
        "refused",
        "questions of requests",
        "decided without them",
    ]);
    for row in rows {
        let title = format!("{}: {}", row.title, row.phase.title());
        table.row(&title, row.cells());
    }
    format!(
        "`make bench-fleet SECONDS={seconds}` on {}: {}, {} cores, {PROXIES} proxies with a worker each, {RATE} requests \
         a second by 100 clients of one key, Tollgate {}.\n\n{}",
        clock::today(),
        processor(),
        std::thread::available_parallelism().map_or(1, usize::from),
        env!("CARGO_PKG_VERSION"),
        table.render()
    )
}
