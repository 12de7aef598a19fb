//! How the counters of the fleet are asked.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tollgate_gate::Answer;

const BUCKETS: [f64; 11] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0,
];

/// How the counters of the fleet are asked.
#[derive(Debug)]
pub struct CounterMetrics {
    up: Gauge,
    calls: Family<CallLabels, Counter>,
    duration: Histogram,
    lent: Counter,
    unheard: Counter,
    leases: Counter,
    late: Counter,
    returned: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    result: &'static str,
}

impl Default for CounterMetrics {
    fn default() -> Self {
        Self {
            up: Gauge::default(),
            calls: Family::default(),
            duration: Histogram::new(BUCKETS),
            lent: Counter::default(),
            unheard: Counter::default(),
            leases: Counter::default(),
            late: Counter::default(),
            returned: Counter::default(),
        }
    }
}

impl CounterMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "counters_up",
            "Whether all of the fleet's counters are asked; 0 where none are declared, too",
            self.up.clone(),
        );
        registry.register(
            "counters_calls",
            "Questions to the fleet's counters by result: admitted, refused, late or failed",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "counters_call_duration",
            "How long the fleet's counters took to answer, or were waited for",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "counters_leases",
            "Times that the fleet's counters lent a part of a limit",
            self.leases.clone(),
        );
        registry.register(
            "counters_lent_requests",
            "Requests admitted by what the fleet's counters lent before, without a question",
            self.lent.clone(),
        );
        registry.register(
            "counters_late_answers",
            "Answers of the fleet's counters that no request waited for, which were settled all the same",
            self.late.clone(),
        );
        registry.register(
            "counters_returned_requests",
            "Requests that the fleet's counters lent and got back at a drain or after a lease's end, beside those that went back with a question",
            self.returned.clone(),
        );
        registry.register(
            "counters_unheard_requests",
            "Requests that quotas decided by on_counter_failure",
            self.unheard.clone(),
        );
    }

    /// Shows whether they are asked.
    pub fn is_up(&self, is_up: bool) {
        self.up.set(i64::from(is_up));
    }

    /// Counts a question that was answered.
    pub fn answered(&self, answer: &Answer, took: Duration) {
        let result = if answer.is_admitted {
            "admitted"
        } else {
            "refused"
        };
        self.call(result, took);
        let leases = answer.found.iter().filter(|found| found.leased > 0);
        self.leases
            .inc_by(u64::try_from(leases.count()).unwrap_or(u64::MAX));
    }

    /// Counts a question that was not, in time or at all.
    pub fn failed(&self, is_late: bool, took: Duration) {
        self.call(if is_late { "late" } else { "failed" }, took);
    }

    /// Counts a request that needed no question.
    pub fn lent(&self) {
        self.lent.inc();
    }

    /// Counts an answer that came when its request was gone.
    pub fn heard_late(&self) {
        self.late.inc();
    }

    /// Counts requests that were lent and given back.
    pub fn gave_back(&self, requests: u64) {
        self.returned.inc_by(requests);
    }

    /// Counts a request that was decided without them.
    pub fn unheard(&self) {
        self.unheard.inc();
    }

    fn call(&self, result: &'static str, took: Duration) {
        self.calls.get_or_create(&CallLabels { result }).inc();
        self.duration.observe(took.as_secs_f64());
    }
}
