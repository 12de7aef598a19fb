//! `make bench-fleet`: what counting together costs ten proxies, how seldom they ask where a limit is lent, and what
//! clients notice when the counters are killed and come back.

mod clients;
mod report;
mod servers;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_acceptance::{Binaries, Failure, clock, interrupt};
use tollgate_store::Secret;
use tollgate_store::document::Kind;

use super::keys::{Documents, single_key};
use crate::measure::print;
use clients::{Crowd, Seen};
use report::Row;
use servers::{Counters, Edges};

/// How many proxies count together.
const PROXIES: u32 = 10;
const SECONDS_DEFAULT: u32 = 10;
const SECONDS_MAX: u32 = 600;
/// How long what a kill or a start brings about is looked at by itself.
const CHANGE: Duration = Duration::from_secs(2);

/// How a request is counted.
#[derive(Debug, Clone, Copy)]
struct Case {
    title: &'static str,
    /// The limit, which nobody reaches.
    limit: fn() -> Value,
    is_counted_together: bool,
}

const CASES: [Case; 3] = [
    Case {
        title: "each process by itself",
        limit: || json!({"requests": 1_000_000, "per": "1m"}),
        is_counted_together: false,
    },
    Case {
        title: "together, asked each time",
        limit: || json!({"requests": 1_000_000, "per": "1m", "window": "smooth", "burst": 1_000_000}),
        is_counted_together: true,
    },
    Case {
        title: "together, lent",
        limit: || json!({"requests": 1_000_000, "per": "1m"}),
        is_counted_together: true,
    },
];

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Up,
    Killed,
    Gone,
    Started,
    Back,
}

/// Measures, each phase for so many seconds, and returns what is to be written down.
pub(crate) fn run(seconds: Option<&str>) -> Result<String, Failure> {
    let seconds = read_seconds(seconds)?;
    let binaries = Binaries::find_proxy()?;
    let mut rows = Vec::new();
    for case in CASES {
        interrupt::check()?;
        print(&format!("\n{}", case.title));
        let measured = measure(case, &binaries, seconds)?;
        for row in &measured {
            print(&row.line());
        }
        rows.extend(measured);
    }
    Ok(report::render(&rows, seconds))
}

fn measure(case: Case, binaries: &Binaries, seconds: u32) -> Result<Vec<Row>, Failure> {
    let folder =
        TempDir::with_prefix("tollgate-fleet-").map_err(Failure::system("no temporary folder"))?;
    let counters = case.is_counted_together.then(Counters::start).transpose()?;
    let edges = Edges::start(folder.path(), binaries, |store, origin| {
        declare(store, origin, case, counters.as_ref())
    })?;
    if counters.is_some() {
        edges.await_counters()?;
    }
    let length = Duration::from_secs(seconds.into());
    let begun = clock::now();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let crowd = Crowd::start(scope, &edges, (begun, &is_over));
        let changed = go_through(counters, length, &edges);
        is_over.store(true, Ordering::Relaxed);
        let seen = crowd.end()?;
        Ok(rows(case, &seen, &changed?))
    })
}

/// Lets each phase pass; returns what had been asked at the end of each.
fn go_through(
    counters: Option<Counters>,
    length: Duration,
    edges: &Edges,
) -> Result<Vec<(Phase, Duration, Asked)>, Failure> {
    let mut passed = Vec::new();
    let begun = clock::now();
    let mut pass = |phase, length| {
        std::thread::sleep(length);
        interrupt::check()?;
        let until = clock::now().saturating_duration_since(begun);
        passed.push((phase, until, edges.asked()?));
        Ok::<_, Failure>(())
    };
    // The first requests make connections.
    pass(Phase::Started, CHANGE)?;
    pass(Phase::Up, length)?;
    if let Some(mut counters) = counters {
        counters.kill();
        pass(Phase::Killed, CHANGE)?;
        pass(Phase::Gone, length)?;
        counters.start_again()?;
        pass(Phase::Started, CHANGE)?;
        pass(Phase::Back, length)?;
    }
    Ok(passed)
}

/// How often counters were asked, of all proxies together, since they started.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    questions: f64,
    unheard: f64,
}

fn rows(case: Case, seen: &[Seen], passed: &[(Phase, Duration, Asked)]) -> Vec<Row> {
    let before = std::iter::once((Duration::ZERO, Asked::default()));
    let before = before.chain(passed.iter().map(|(_, until, asked)| (*until, *asked)));
    let parts = before.zip(passed).skip(1);
    let row = |((since, asked_before), (phase, until, asked)): (_, &(Phase, Duration, Asked))| {
        let (since, asked_before): (Duration, Asked) = (since, asked_before);
        let within = seen
            .iter()
            .filter(|seen| (since..*until).contains(&seen.at));
        Row::new(
            (case.title, *phase),
            within,
            [
                asked.questions - asked_before.questions,
                asked.unheard - asked_before.unheard,
            ],
        )
    };
    parts.map(row).collect()
}

/// One key that a quota counts, and a fleet of proxies that may count together.
fn declare(
    store: &Path,
    origin: &str,
    case: Case,
    counters: Option<&Counters>,
) -> Result<Secret, Failure> {
    let counters = counters.map(|counters| json!({"url": counters.url()}));
    let edge = json!({
        "listen": [{"address": "127.0.0.1:0"}],
        "counters": counters,
        "fleet": {"size": PROXIES},
    });
    let (token, mut key) = single_key("shared")?;
    if let Some(fields) = key.as_object_mut() {
        fields.insert("scopes".to_owned(), json!(["all"]));
        fields.insert("quotas".to_owned(), json!(["rate"]));
    }
    let documents = Documents::default()
        .with(Kind::Proxy, "edge", edge)?
        .with(
            Kind::Upstream,
            "origin",
            json!({"targets": [format!("http://{origin}")]}),
        )?
        .with(
            Kind::Route,
            "all",
            json!({"proxy": "edge", "path": "/v1/**", "upstream": "origin"}),
        )?
        .with(Kind::Quota, "rate", json!({"limits": [(case.limit)()]}))?
        .with(Kind::Scope, "all", json!({"grants": [{"path": "/v1/**"}]}))?
        .with(Kind::Key, "shared", key)?;
    documents.commit(store)?;
    Ok(token)
}

fn read_seconds(text: Option<&str>) -> Result<u32, Failure> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(SECONDS_DEFAULT);
    };
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=SECONDS_MAX).contains(number));
    number.ok_or_else(|| Failure::Unexpected {
        what: "the seconds of a phase".to_owned(),
        expected: format!("1 to {SECONDS_MAX}, like SECONDS={SECONDS_DEFAULT}"),
        got: format!("{text:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_that_are_none_are_refused() {
        assert_eq!(read_seconds(None).unwrap(), SECONDS_DEFAULT);
        assert_eq!(read_seconds(Some("")).unwrap(), SECONDS_DEFAULT);
        assert_eq!(read_seconds(Some("3")).unwrap(), 3);
        for wrong in ["0", "601", "many"] {
            assert!(read_seconds(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_seen_counts_for_the_phase_that_it_ended_in() {
        let seen = |seconds, took_us| Seen {
            at: Duration::from_secs(seconds),
            took_us,
            status: 200,
        };
        let asked = |questions| Asked {
            questions,
            unheard: 0.0,
        };
        let passed = [
            (Phase::Started, Duration::from_secs(2), asked(5.0)),
            (Phase::Up, Duration::from_secs(12), asked(6.0)),
        ];

        let rows = rows(
            CASES[2],
            &[seen(1, 900), seen(2, 100), seen(11, 200)],
            &passed,
        );

        let [row] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        assert_eq!((row.phase, row.requests), (Phase::Up, 2));
        assert!((0.49..0.51).contains(&row.asked), "{row:?}");
    }
}
