//! Whether an unknown key, a wrong secret and a malformed checksum can be told apart by how long their refusals take.
//!
//! Both sides are measured in turn, and compared by Welch's t-test, as Reparaz, Balasch and Verbauwhede do (2017): beyond
//! 4.5 they differ. It is told, and fails nothing: a busy machine differs from itself.
//!
//! Run it with `cargo bench -p tollgate-gate --bench timing`.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]
#![allow(clippy::disallowed_methods, reason = "it is about time")]
#![allow(clippy::print_stdout, reason = "it tells what it measured")]
#![allow(
    clippy::cast_precision_loss,
    reason = "nanoseconds and counts are far below what would be rounded"
)]

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tollgate_gate::{NoConditions, Now, Snapshot};
use tollgate_store::document::{Document, DocumentKey, Entry, Kind};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name};

const ROUNDS: usize = 200_000;
const KEYS: usize = 1_000;
/// Of the slowest rounds, as many in a thousand are left out: they were interrupted.
const CUT_PER_MILLE: usize = 50;
const DIFFERENT: f64 = 4.5;

fn main() {
    let (snapshot, known) = world();
    let unknown: Vec<_> = (0..KEYS).map(|index| id(KEYS + index)).collect();
    for (title, one, other) in [
        ("a wrong secret against itself", &known, &known),
        ("a wrong secret against an unknown key", &known, &unknown),
    ] {
        let (ones, others) = measure(&snapshot, one, other);
        let (t, difference) = welch(&ones, &others);
        let verdict = if t.abs() > DIFFERENT {
            "differ"
        } else {
            "can't be told apart"
        };
        println!("{title}: t = {t:.2}, means differ by {difference:.1} ns: they {verdict}");
    }
}

fn id(index: usize) -> KeyId {
    let namespace = tollgate_store::Namespace::parse("bench").unwrap();
    KeyId::derive(&namespace, &Name::parse(&format!("key-{index}")).unwrap())
}

/// A thousand keys, and their ids.
fn world() -> (Snapshot, Vec<KeyId>) {
    let name = |text: &str| Name::parse(text).unwrap();
    let entry = |kind, text: &str, spec| {
        let key = DocumentKey {
            kind,
            name: name(text),
        };
        Entry {
            id: key.clone().into(),
            revision: None,
            document: Document::parse(&key, spec),
        }
    };
    let mut entries = vec![entry(
        Kind::Scope,
        "all",
        json!({"grants": [{"path": "/**"}]}),
    )];
    let ids: Vec<_> = (0..KEYS).map(id).collect();
    for (index, id) in ids.iter().enumerate() {
        let token = token::generate(&Environment::default(), *id).unwrap();
        let spec = json!({
            "id": id,
            "scopes": ["all"],
            "versions": [{
                "version": 1,
                "sha256": Verifier::of(token.expose()),
                "created_at": "2026-01-01T00:00:00Z",
            }],
        });
        entries.push(entry(Kind::Key, &format!("key-{index}"), spec));
    }
    let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &NoConditions);
    assert!(rejected.is_empty());
    (snapshot, ids)
}

/// What refusals of either side take in nanoseconds, one after the other in an order that chance decides.
fn measure(snapshot: &Snapshot, one: &[KeyId], other: &[KeyId]) -> (Vec<f64>, Vec<f64>) {
    let now = Now {
        wall: jiff::Timestamp::constant(1_800_000_000, 0),
        monotonic: Duration::ZERO,
    };
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    for (one, other) in one.iter().cycle().zip(other.iter().cycle()).take(ROUNDS) {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let is_one = chance.is_multiple_of(2);
        let id = if is_one { one } else { other };
        let token = token::generate(&Environment::default(), *id).unwrap();
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
        let start = Instant::now();
        let refused = snapshot.identify(&headers, None, now);
        let took = start.elapsed();
        assert!(refused.is_err());
        let took = took.as_nanos() as f64;
        if is_one { &mut ones } else { &mut others }.push(took);
    }
    (cut(ones), cut(others))
}

fn cut(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times.truncate(times.len() * (1_000 - CUT_PER_MILLE) / 1_000);
    times
}

/// Welch's t, and by how much the means differ.
fn welch(ones: &[f64], others: &[f64]) -> (f64, f64) {
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let error = |times: &[f64]| {
        let mean = mean(times);
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (times.len() as f64 - 1.0) / times.len() as f64
    };
    let difference = mean(ones) - mean(others);
    (
        difference / (error(ones) + error(others)).sqrt(),
        difference,
    )
}
