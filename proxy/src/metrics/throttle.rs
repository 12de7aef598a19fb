//! What throttled upstreams do.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tollgate_gate::ThrottleState;
use tollgate_store::Name;
use tollgate_store::document::Priority;

use super::Seconds;
use super::labels::{Label, NAMES_MAX, Names, RefusedLabels};

/// What throttled upstreams do.
#[derive(Debug, Default)]
pub struct Throttles {
    upstreams: Names,
    limit: Family<RefusedLabels, Gauge>,
    in_flight: Family<RefusedLabels, Gauge>,
    waiting: Family<RefusedLabels, Gauge>,
    baseline: Family<RefusedLabels, Seconds>,
    shed: Family<ShedLabels, Counter>,
    waits: Family<RefusedLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    upstream: Label,
    priority: &'static str,
    shadow: &'static str,
}

impl Throttles {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "throttle_limit",
            "How many requests at once an upstream is given",
            self.limit.clone(),
        );
        registry.register(
            "throttle_in_flight",
            "Requests that count for an upstream's limit",
            self.in_flight.clone(),
        );
        registry.register(
            "throttle_waiting",
            "Requests that wait for room at an upstream",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "throttle_baseline",
            "How long an upstream takes to answer by itself",
            Unit::Seconds,
            self.baseline.clone(),
        );
        registry.register(
            "throttle_shed",
            "Requests that found no room at an upstream, by priority; those of a shadow were sent on",
            self.shed.clone(),
        );
        registry.register(
            "throttle_waits",
            "Requests that had to wait for room at an upstream",
            self.waits.clone(),
        );
    }

    /// Counts a request that found no room.
    pub fn shed(&self, upstream: &Name, priority: Priority, is_shadow: bool) {
        let labels = ShedLabels {
            upstream: self.upstreams.label(upstream),
            priority: priority.as_str(),
            shadow: if is_shadow { "true" } else { "false" },
        };
        self.shed.get_or_create(&labels).inc();
    }

    /// Counts a request that has to wait for room.
    pub fn wait(&self, upstream: &Name) {
        let labels = RefusedLabels {
            upstream: self.upstreams.label(upstream),
        };
        self.waits.get_or_create(&labels).inc();
    }

    /// Shows how throttles are.
    pub fn show<'t>(&self, states: impl Iterator<Item = (&'t Name, ThrottleState)>) {
        self.limit.clear();
        self.in_flight.clear();
        self.waiting.clear();
        self.baseline.clear();
        for (upstream, state) in states.take(NAMES_MAX) {
            let labels = RefusedLabels {
                upstream: upstream.into(),
            };
            self.limit.get_or_create(&labels).set(state.limit.into());
            let in_flight = self.in_flight.get_or_create(&labels);
            in_flight.set(state.in_flight.into());
            let waiting = self.waiting.get_or_create(&labels);
            waiting.set(super::signed(state.waiting));
            if let Some(baseline) = state.baseline {
                let shown = self.baseline.get_or_create(&labels);
                shown.set(baseline.as_secs_f64());
            }
        }
    }
}
