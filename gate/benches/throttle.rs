//! What a throttle costs a request: it is asked, told what became of the request, and given the room back.
//!
//! Run it with `cargo bench -p tollgate-gate --bench throttle`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_gate::{Outcome, Throttle, ThrottleRule, Verdict};
use tollgate_store::document::{self, Priority};

/// The usual latency.
const LATENCY: Duration = Duration::from_millis(5);

fn throttled(criterion: &mut Criterion) {
    let rule = ThrottleRule::new(&document::Throttle::default());
    let mut throttle: Throttle<()> = Throttle::new(rule, Duration::ZERO);
    let mut began = Duration::ZERO;
    criterion.bench_function("admitted, answered, released", |bencher| {
        bencher.iter(|| {
            began += Duration::from_micros(100);
            assert_eq!(throttle.ask(Priority::Default, || ()), Verdict::Admitted);
            throttle.note(began, Outcome::Answered, began + LATENCY);
            throttle.release().len()
        });
    });

    let rule = ThrottleRule {
        wait: Duration::ZERO,
        ..rule
    };
    let mut full: Throttle<()> = Throttle::new(rule, Duration::ZERO);
    while full.ask(Priority::Critical, || ()) == Verdict::Admitted {}
    criterion.bench_function("shed", |bencher| {
        bencher.iter(|| full.ask(Priority::Default, || ()));
    });
}

criterion_group!(benches, throttled);
criterion_main!(benches);
