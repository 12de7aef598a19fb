//! What was measured, as Markdown.

use super::keys::Keys;
use super::peers::Peer;
use super::start::Start;
use super::work::Work;
use super::{Sample, Settings};
use crate::machine::processor;
use crate::numbers::count;
use crate::table;

/// Everything that was measured.
pub(crate) struct Report {
    /// How.
    pub(crate) settings: Settings,
    /// The peers that were left out.
    pub(crate) missing: Vec<&'static str>,
    /// For each kind of work and number of keys.
    pub(crate) tables: Vec<Table>,
    /// For each number of keys.
    pub(crate) starts: Vec<(u32, Vec<Start>)>,
}

/// What was measured of one kind of work.
pub(crate) struct Table {
    work: Work,
    keys: u32,
    peers: Vec<(&'static str, Vec<Sample>)>,
}

impl Table {
    /// Of these proxies, of which the first is compared with all others.
    pub(crate) fn new(work: Work, keys: &Keys, peers: &[&Peer]) -> Self {
        Self {
            work,
            keys: keys.count,
            peers: peers.iter().map(|peer| (peer.name, Vec::new())).collect(),
        }
    }

    /// Adds what one run of one of them cost.
    pub(crate) fn add(&mut self, place: usize, sample: Sample) {
        if let Some((_, samples)) = self.peers.get_mut(place) {
            samples.push(sample);
        }
    }

    fn render(&self) -> String {
        let mut table = table::Table::new(&[
            "",
            "CPU us a request",
            "Tollgate's as a part of it",
            "requests a second",
            "p50 us",
            "p99 us",
            "other programs' cores",
        ]);
        let ours = self.peers.first().map(|(_, samples)| samples.as_slice());
        for (name, samples) in &self.peers {
            let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value));
            let rounds = ours.unwrap_or_default().iter().zip(samples);
            let ratio = median(rounds.map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us));
            table.row(
                name,
                [
                    format!("{:.1}", of(|sample| sample.cpu_us)),
                    if ratio.is_finite() {
                        format!("{ratio:.2}")
                    } else {
                        String::new()
                    },
                    format!("{:.0}", of(|sample| sample.rate)),
                    whole(of(|sample| sample.p50_us)),
                    whole(of(|sample| sample.p99_us)),
                    format!("{:.2}", of(|sample| sample.foreign)),
                ],
            );
        }
        let keys = count(self.keys.into());
        format!(
            "### {keys} keys, {}\n\n{}",
            self.work.title(),
            table.render()
        )
    }
}

/// The time that a proxy takes to serve, and its memory then.
fn starts(all: &[(u32, Vec<Start>)]) -> String {
    let mut table =
        table::Table::new(&["", "keys", "first connection after ms", "idle memory MiB"]);
    for (keys, starts) in all {
        for start in starts {
            let cells = [
                count((*keys).into()),
                format!("{:.0}", median(start.milliseconds.iter().copied())),
                format!("{:.0}", start.mebibytes),
            ];
            table.row(start.name, cells);
        }
    }
    format!("### Start\n\n{}", table.render())
}

/// A number, where there is one.
fn whole(number: f64) -> String {
    if number.is_nan() {
        return String::new();
    }
    format!("{number:.0}")
}

impl Report {
    /// As Markdown.
    pub(crate) fn render(&self) -> String {
        let tables: Vec<_> = self.tables.iter().map(Table::render).collect();
        let missing = match self.missing.as_slice() {
            [] => String::new(),
            names => format!(
                " Left out, as it is not installed or refused its configuration: {}.",
                names.join(", ")
            ),
        };
        format!(
            "`make bench-proxy ROUNDS={} SECONDS={}` on {}: {}, {} cores, Tollgate {}.{missing}\n\n{}\n{}",
            self.settings.rounds,
            self.settings.seconds,
            tollgate_acceptance::clock::today(),
            processor(),
            std::thread::available_parallelism().map_or(1, usize::from),
            env!("CARGO_PKG_VERSION"),
            tables.join("\n"),
            starts(&self.starts)
        )
    }
}

/// The one in the middle.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let sample = |cpu_us| Sample {
            cpu_us,
            rate: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            foreign: 0.0,
        };
        let table = Table {
            work: Work::Saturated,
            keys: 1_000,
            peers: vec![
                ("tollgate", [10.0, 20.0, 30.0].map(sample).to_vec()),
                ("other", [20.0, 40.0, 20.0].map(sample).to_vec()),
            ],
        };

        let text = table.render();
        assert!(text.contains("| tollgate | 20.0 | 1.00 |"), "{text}");
        assert!(text.contains("| other | 20.0 | 0.50 |"), "{text}");
    }
}
