//! What was measured, as Markdown.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::key_set::SetLife;
use crate::keys::Life;
use crate::machine::Machine;
use crate::measure::Run;
use crate::mirror::{AWS_VERSION, MIRROR_VARIABLE, TOLLGATE_VERSION};
use crate::numbers::{count, dollars, megabytes, milliseconds, seconds};
use crate::start::{STARTS, Start};
use crate::table::Table;

/// A secret's price a month, in ten-thousandths of a dollar.
const SECRET_PRICE: u64 = 4_000;
/// The price of 10,000 calls, in ten-thousandths of a dollar.
const CALLS_PRICE: u64 = 500;
const CALLS_PRICED: u64 = 10_000;
const UNKNOWN: &str = "?";

/// What was measured: of this provider, and of hashicorp/aws where it was found.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) keys: u32,
    pub(crate) lives: [Option<Life>; 2],
    pub(crate) set_keys: u32,
    pub(crate) set: SetLife,
    pub(crate) starts: [Option<Start>; 2],
}

impl Report {
    /// As Markdown.
    pub(crate) fn render(&self) -> String {
        let parts = [self.origin(), self.keys(), self.set(), self.start()];
        parts.join("\n")
    }

    fn origin(&self) -> String {
        let machine = &self.machine;
        let aws = match self.lives[1] {
            Some(_) => format!("hashicorp/aws {AWS_VERSION}"),
            None => format!(
                "hashicorp/aws not measured: no mirror with version {AWS_VERSION} was found (`{MIRROR_VARIABLE}` names one)"
            ),
        };
        format!(
            "`make bench-provider KEYS={}` on {}: {}, {} cores; Terraform {}, LocalStack {}, Tollgate {TOLLGATE_VERSION}, \
             {aws}.\n",
            self.keys,
            machine.date,
            machine.processor,
            machine.cores,
            machine.terraform,
            machine.localstack,
        )
    }

    fn keys(&self) -> String {
        let keys = count(self.keys.into());
        let [ours, theirs] = self.lives.each_ref().map(Option::as_ref);
        let mut table = Table::new(&["", "Tollgate", "hashicorp/aws", "times"]);
        let mut operations = Vec::new();
        for (title, of) in STAGES {
            let (ours, theirs) = (ours.map(of), theirs.map(of));
            for (measure, value, show) in MEASURES {
                let values = [ours, theirs].map(|run| run.and_then(value));
                let [first, second] = values.map(|value| value.map_or(UNKNOWN.into(), show));
                table.row(
                    &format!("{title}: {measure}"),
                    [first, second, times(values)],
                );
            }
            operations.extend([ours, theirs]);
        }
        let secrets = [ours, theirs].map(|life| life.map(|life| as_count(life.secrets)));
        let cells = secrets.map(|secrets| secrets.map_or(UNKNOWN.to_owned(), count));
        table.row("secrets", cells.into_iter().chain([String::new()]));
        format!(
            "### {keys} keys, each a resource\n\n{}\nCalls by operation:\n\n{}",
            table.render(),
            by_operation(&operations)
        )
    }

    fn set(&self) -> String {
        let title = format!("### {} keys in one key set\n", count(self.set_keys.into()));
        let set = &self.set;
        let runs = [&set.create, &set.change, &set.plan, &set.destroy];
        let mut table = Table::new(&["", "create", "change one", "plan", "destroy"]);
        for (measure, value, show) in MEASURES {
            let cell = |run| value(run).map_or(UNKNOWN.to_owned(), show);
            table.row(measure, runs.map(cell));
        }
        let calls = runs.iter().map(|run| run.calls.count()).sum();
        let secrets = as_count(set.secrets);
        let single = u64::from(self.set_keys) * SECRET_PRICE;
        format!(
            "{title}\n{}\nThe set, its scope and its quota are {} secrets: {} a month with the {} calls above. A secret for \
             each key would cost {} a month before any call.\n",
            table.render(),
            count(secrets),
            dollars(secrets * SECRET_PRICE + calls * CALLS_PRICE / CALLS_PRICED),
            count(calls),
            dollars(single),
        )
    }

    fn start(&self) -> String {
        let mut table = Table::new(&["", "Tollgate", "hashicorp/aws"]);
        let starts = self.starts.each_ref().map(Option::as_ref);
        let mut row = |title: &str, show: fn(&Start) -> Option<String>| {
            let cell = |start: Option<&Start>| start.and_then(show).unwrap_or(UNKNOWN.to_owned());
            table.row(title, starts.map(cell));
        };
        row("from exec to the handshake, ms", |start| {
            Some(milliseconds(start.line))
        });
        row("memory then, MB", |start| {
            start.resident_bytes.map(megabytes)
        });
        row("program, MB", |start| Some(megabytes(start.program_bytes)));
        format!(
            "### Start\n\nMedians of {STARTS} starts.\n\n{}",
            table.render()
        )
    }
}

/// A stage of a life: its name, and its run.
type Stage = (&'static str, fn(&Life) -> &Run);

const STAGES: [Stage; 3] = [
    ("apply", |life| &life.apply),
    ("plan", |life| &life.plan),
    ("destroy", |life| &life.destroy),
];

/// What is told of a run: its name, the value, and how that is written.
type Measure = (&'static str, fn(&Run) -> Option<u64>, fn(u64) -> String);

const MEASURES: [Measure; 6] = [
    ("seconds", |run| Some(microseconds(run.wall)), show_seconds),
    (
        "of these LocalStack at work",
        |run| Some(microseconds(run.calls.busy)),
        show_seconds,
    ),
    (
        "LocalStack's ms a call",
        |run| microseconds(run.calls.busy).checked_div(run.calls.count()),
        |microseconds| milliseconds(Duration::from_micros(microseconds)),
    ),
    (
        "CPU seconds of the provider",
        |run| Some(microseconds(run.provider?.cpu)),
        show_seconds,
    ),
    (
        "most memory of the provider, MB",
        |run| Some(run.provider?.resident_bytes_max),
        megabytes,
    ),
    ("API calls", |run| Some(run.calls.count()), count),
];

/// How many times ours the other one is.
fn times([ours, theirs]: [Option<u64>; 2]) -> String {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return String::new();
    };
    let tenths = theirs.saturating_mul(10).checked_div(ours);
    tenths.map_or(String::new(), |tenths| {
        format!("{}.{}", count(tenths / 10), tenths % 10)
    })
}

/// The runs in the order of [`STAGES`], for each ours and theirs.
fn by_operation(runs: &[Option<&Run>]) -> String {
    let names = STAGES.map(|(stage, _)| ["Tollgate", "aws"].map(|who| format!("{stage}: {who}")));
    let mut header = vec![""];
    header.extend(names.iter().flatten().map(String::as_str));
    let mut table = Table::new(&header);
    let made = runs.iter().flatten();
    let operations: BTreeSet<_> = made.flat_map(|run| run.calls.by_operation.keys()).collect();
    for operation in operations {
        let cell = |run: Option<&Run>| {
            run.map_or(UNKNOWN.to_owned(), |run| {
                count(run.calls.by_operation.get(operation).copied().unwrap_or(0))
            })
        };
        table.row(operation, runs.iter().copied().map(cell));
    }
    table.render()
}

fn show_seconds(microseconds: u64) -> String {
    seconds(Duration::from_micros(microseconds))
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tollgate_acceptance::Tally;

    use super::*;

    fn run(seconds: u64, calls: u64) -> Run {
        Run {
            wall: Duration::from_secs(seconds),
            provider: None,
            calls: Tally {
                by_operation: BTreeMap::from([("GetSecretValue".to_owned(), calls)]),
                busy: Duration::from_secs(1),
            },
        }
    }

    fn life(seconds: u64, calls: u64) -> Life {
        Life {
            apply: run(seconds, calls),
            plan: run(seconds, calls),
            destroy: run(seconds, calls),
            secrets: 18,
        }
    }

    fn report(aws: Option<Life>) -> Report {
        Report {
            machine: Machine {
                date: jiff::civil::date(2026, 1, 2),
                processor: "Some CPU 9".to_owned(),
                cores: 2,
                terraform: "1.11.4".to_owned(),
                localstack: "4.14.0".to_owned(),
            },
            keys: 1_000,
            lives: [Some(life(2, 10)), aws],
            set_keys: 10_000,
            set: SetLife {
                create: run(3, 20_000),
                change: run(1, 0),
                plan: run(1, 0),
                destroy: run(1, 0),
                secrets: 17,
            },
            starts: [None, None],
        }
    }

    #[test]
    fn both_providers_stand_side_by_side() {
        let text = report(Some(life(50, 4_000))).render();

        assert!(
            text.contains("| plan: seconds | 2.0 | 50.0 | 25.0 |"),
            "{text}"
        );
        assert!(
            text.contains("| plan: API calls | 10 | 4,000 | 400.0 |"),
            "{text}"
        );
        assert!(
            text.contains("| GetSecretValue | 10 | 4,000 | 10 | 4,000 | 10 | 4,000 |"),
            "{text}"
        );
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let text = report(None).render();

        assert!(
            text.contains("hashicorp/aws not measured: no mirror"),
            "{text}"
        );
        assert!(text.contains("| plan: seconds | 2.0 | ? |  |"), "{text}");
    }

    #[test]
    fn a_set_costs_its_secrets_and_its_calls() {
        let text = report(None).render();

        assert!(text.contains("17 secrets: $6.90 a month"), "{text}");
        assert!(text.contains("would cost $4,000.00 a month"), "{text}");
    }
}
