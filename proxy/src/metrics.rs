//! What is counted, in Prometheus' text format.

mod counters;
mod fetches;
mod issuers;
mod labels;
mod quotas;
mod series;
mod throttle;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tollgate_gate::Rejected;
use tollgate_store::{MaterialReference, Name};

use crate::cut::Cuts;
use crate::record::Facts;
use crate::tls::End;
use crate::upstream::TargetState;
pub use counters::CounterMetrics;
pub use fetches::CredentialFetches;
pub use issuers::IssuerMetrics;
use labels::{
    EndLabels, KindLabels, Label, Names, PollLabels, RefusedLabels, RejectedLabels, RequestLabels,
    TargetLabels, UpstreamLabels,
};
pub use quotas::QuotaMetrics;
use series::Series;
use throttle::Throttles;

/// The most rejected documents that have a series of their own.
pub const REJECTED_SERIES_MAX: usize = 100;
/// The most targets that have series of their own.
const TARGET_SERIES_MAX: usize = 1_000;
const LABEL_CHARS_MAX: usize = 64;
const DURATION_BUCKETS: [f64; 15] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

type Seconds = Gauge<f64, AtomicU64>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Series<RequestLabels>,
    request_duration: Histogram,
    routes: Names,
    upstream_failures: Family<UpstreamLabels, Counter>,
    upstreams: Names,
    retries: Family<UpstreamLabels, Counter>,
    retries_refused: Family<RefusedLabels, Counter>,
    targets_up: Family<TargetLabels, Gauge>,
    target_requests: Family<TargetLabels, Gauge>,
    target_connections: Family<TargetLabels, Gauge>,
    polls: Family<PollLabels, Counter>,
    documents: Family<KindLabels, Gauge>,
    rejected: Family<RejectedLabels, Gauge>,
    rejected_total: Gauge,
    ends: Family<EndLabels, Gauge>,
    /// Requests that are not answered completely.
    pub requests_in_flight: Gauge,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Panics, each of which is a bug.
    pub panics: Counter,
    /// Connections of clients that the proxy ended by itself.
    pub cuts: Cuts,
    /// Lines of the access log that were dropped: too many waited, or they could not be written.
    pub access_log_dropped: Counter,
    /// Lines of the operational log that were dropped, likewise.
    pub log_dropped: Counter,
    /// Which snapshot is served, counted from 1.
    pub snapshot_generation: Gauge,
    /// How long the snapshot took to build.
    pub snapshot_build: Seconds,
    /// How long ago the store last answered.
    pub snapshot_age: Seconds,
    /// Addresses that clients can connect to.
    pub listeners: Gauge,
    /// Addresses that clients should be able to connect to, and can't.
    pub listeners_failed: Gauge,
    /// Certificates and the like that can't be used.
    pub materials_failed: Gauge,
    /// Tokens that were fetched to be shown to upstreams.
    pub credential_fetches: CredentialFetches,
    /// How the keys of issuers are.
    pub issuers: IssuerMetrics,
    /// What quotas count and refuse.
    pub quotas: QuotaMetrics,
    /// How the fleet's counters are asked.
    pub counters: CounterMetrics,
    /// What throttled upstreams do.
    pub throttles: Throttles,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tollgate"),
            requests: Series::default(),
            request_duration: Histogram::new(DURATION_BUCKETS),
            routes: Names::default(),
            upstream_failures: Family::default(),
            upstreams: Names::default(),
            retries: Family::default(),
            retries_refused: Family::default(),
            targets_up: Family::default(),
            target_requests: Family::default(),
            target_connections: Family::default(),
            polls: Family::default(),
            documents: Family::default(),
            rejected: Family::default(),
            rejected_total: Gauge::default(),
            ends: Family::default(),
            requests_in_flight: Gauge::default(),
            connections: Gauge::default(),
            panics: Counter::default(),
            cuts: Cuts::default(),
            access_log_dropped: Counter::default(),
            log_dropped: Counter::default(),
            snapshot_generation: Gauge::default(),
            snapshot_build: Seconds::default(),
            snapshot_age: Seconds::default(),
            listeners: Gauge::default(),
            listeners_failed: Gauge::default(),
            materials_failed: Gauge::default(),
            credential_fetches: CredentialFetches::default(),
            issuers: IssuerMetrics::default(),
            counters: CounterMetrics::default(),
            quotas: QuotaMetrics::default(),
            throttles: Throttles::default(),
        };
        metrics.register_requests();
        metrics.register_logs();
        metrics.register_state();
        metrics.register_listeners();
        metrics.throttles.register(&mut metrics.registry);
        metrics.issuers.register(&mut metrics.registry);
        metrics
    }
}

impl Metrics {
    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        let help = "Requests by class of status, reason of refusal and route";
        self.requests.register(registry, "requests", help);
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the last byte of its answer",
            Unit::Seconds,
            self.request_duration.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that are not answered completely",
            self.requests_in_flight.clone(),
        );
        registry.register(
            "upstream_failures",
            "Requests that their upstream gave no answer to",
            self.upstream_failures.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that were sent again, by what made them fail before",
            self.retries.clone(),
        );
        registry.register(
            "upstream_retries_refused",
            "Requests that were not sent again as too many were",
            self.retries_refused.clone(),
        );
        registry.register(
            "upstream_credential_fetches",
            "Tokens that authorization servers were asked for, to be shown to upstreams, by result",
            self.credential_fetches.family(),
        );
        registry.register(
            "upstream_target_up",
            "1 for each target that gets requests, 0 for one that is not well, for the first 1,000",
            self.targets_up.clone(),
        );
        registry.register(
            "upstream_target_requests_in_flight",
            "Requests that are on their way to a target or being answered",
            self.target_requests.clone(),
        );
        registry.register(
            "upstream_target_connections",
            "Connections to a target, those of its health checks not counted",
            self.target_connections.clone(),
        );
        registry.register(
            "connections",
            "Open connections of clients",
            self.connections.clone(),
        );
        registry.register(
            "connections_cut",
            "Connections of clients that the proxy ended by itself, by reason",
            self.cuts.family(),
        );
        self.counters.register(registry);
        self.quotas.register(registry);
    }

    fn register_logs(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "access_log_dropped",
            "Lines of the access log that were dropped: too many waited, or they could not be written",
            self.access_log_dropped.clone(),
        );
        registry.register(
            "log_dropped",
            "Lines of the operational log that were dropped: too many waited, or they could not be written",
            self.log_dropped.clone(),
        );
    }

    fn register_state(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new(vec![("version", crate::command::VERSION)]);
        registry.register("build", "The build that runs", build);
        registry.register(
            "panics",
            "Panics, each of which is a bug: a request's is answered 500, and nothing else ends by it",
            self.panics.clone(),
        );
        registry.register("polls", "Polls of the store by result", self.polls.clone());
        registry.register(
            "snapshot_generation",
            "Which snapshot is served, counted from 1",
            self.snapshot_generation.clone(),
        );
        registry.register_with_unit(
            "snapshot_build",
            "How long the snapshot took to build",
            Unit::Seconds,
            self.snapshot_build.clone(),
        );
        registry.register_with_unit(
            "snapshot_age",
            "How long ago the store last answered, by which the snapshot was current",
            Unit::Seconds,
            self.snapshot_age.clone(),
        );
        registry.register(
            "documents",
            "Documents of the snapshot by kind",
            self.documents.clone(),
        );
        registry.register(
            "documents_rejected",
            "1 for each document that is left out, for the first 100",
            self.rejected.clone(),
        );
        registry.register(
            "documents_rejected_count",
            "Documents that are left out",
            self.rejected_total.clone(),
        );
    }

    fn register_listeners(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "listeners",
            "Addresses that clients can connect to",
            self.listeners.clone(),
        );
        registry.register(
            "listeners_failed",
            "Addresses that could not be bound",
            self.listeners_failed.clone(),
        );
        registry.register(
            "materials_failed",
            "Certificates, authorities and lists of revoked certificates that can't be used",
            self.materials_failed.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When a certificate, or a list of revoked ones, ends to be good",
            Unit::Seconds,
            self.ends.clone(),
        );
    }

    /// Counts a request.
    pub(crate) fn request(&self, facts: &Facts, duration: Duration) {
        let labels = RequestLabels {
            class: class(facts.status),
            reason: facts.reason.unwrap_or("none"),
            route: facts.route.as_ref().map(Label::from),
        };
        if !self.requests.count(&labels) {
            let route = facts.route.as_ref().map(|route| self.routes.label(route));
            self.requests.begin(RequestLabels { route, ..labels });
        }
        // A connection that turned into something else lasts for as long as both sides like.
        if facts.status != Some(101) {
            self.request_duration.observe(duration.as_secs_f64());
        }
        self.quotas.request(facts);
        if let (Some(upstream), Some(reason)) = (&facts.upstream, facts.reason)
            && reason.starts_with("upstream_")
        {
            let labels = UpstreamLabels {
                upstream: self.upstreams.label(upstream),
                reason,
            };
            self.upstream_failures.get_or_create(&labels).inc();
        }
    }

    /// Counts a request that is sent again.
    pub fn retry(&self, upstream: &Name, reason: &'static str) {
        let labels = UpstreamLabels {
            upstream: self.upstreams.label(upstream),
            reason,
        };
        self.retries.get_or_create(&labels).inc();
    }

    /// Counts a request that is not sent again as too many were.
    pub fn retry_refused(&self, upstream: &Name) {
        let labels = RefusedLabels {
            upstream: self.upstreams.label(upstream),
        };
        self.retries_refused.get_or_create(&labels).inc();
    }

    /// Shows how targets are.
    pub fn targets<'t>(&self, targets: impl Iterator<Item = (&'t Name, TargetState<'t>)>) {
        self.targets_up.clear();
        self.target_requests.clear();
        self.target_connections.clear();
        for (upstream, state) in targets.take(TARGET_SERIES_MAX) {
            let labels = TargetLabels {
                upstream: upstream.as_str().to_owned(),
                target: state.url.as_str().to_owned(),
            };
            let is_up = self.targets_up.get_or_create(&labels);
            is_up.set(i64::from(state.is_up));
            let in_flight = self.target_requests.get_or_create(&labels);
            in_flight.set(signed(state.in_flight));
            let connections = self.target_connections.get_or_create(&labels);
            connections.set(signed(state.connections));
        }
    }

    /// Counts a poll: `changed`, `unchanged` or `failed`.
    pub fn poll(&self, result: &'static str) {
        self.polls.get_or_create(&PollLabels { result }).inc();
    }

    /// Shows what a snapshot holds and what it leaves out.
    pub fn documents(&self, kinds: &BTreeMap<String, usize>, rejected: &[Rejected]) {
        self.documents.clear();
        for (kind, count) in kinds {
            let labels = KindLabels { kind: kind.clone() };
            self.documents.get_or_create(&labels).set(signed(*count));
        }
        self.rejected_total.set(signed(rejected.len()));
        self.rejected.clear();
        for rejected in rejected.iter().take(REJECTED_SERIES_MAX) {
            // Both are what somebody wrote, which may be anything.
            let shortened = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect();
            let labels = RejectedLabels {
                kind: shortened(&rejected.id.kind),
                name: shortened(&rejected.id.name),
            };
            self.rejected.get_or_create(&labels).set(1);
        }
    }

    /// Shows when certificates and lists of revoked ones end to be good.
    pub fn ends(&self, ends: &BTreeMap<MaterialReference, End>) {
        self.ends.clear();
        for (place, end) in ends {
            let labels = EndLabels {
                kind: end.kind.as_str(),
                place: place.to_string(),
            };
            self.ends.get_or_create(&labels).set(end.at.as_second());
        }
    }

    /// Everything, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// A count as a gauge takes it.
#[must_use]
pub fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn class(status: Option<u16>) -> &'static str {
    match status.map(|status| status / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => "none",
    }
}

#[cfg(test)]
mod tests;
