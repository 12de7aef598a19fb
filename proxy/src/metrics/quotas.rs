//! What quotas refuse.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Names, QuotaLabels};
use crate::record::Facts;

/// What quotas refuse, and how they are shared.
#[derive(Debug, Default)]
pub struct QuotaMetrics {
    refusals: Family<QuotaLabels, Counter>,
    names: Names,
    /// How many processes share what quotas allow.
    pub fleet_size: Gauge,
    /// What quotas count.
    pub subjects: Gauge,
}

impl QuotaMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "quota_subjects",
            "Subjects that quotas count at the moment",
            self.subjects.clone(),
        );
        registry.register(
            "quota_refusals",
            "Requests that a quota refused or, where it only measures (mode=\"shadow\"), would have refused",
            self.refusals.clone(),
        );
        registry.register(
            "fleet_size",
            "Processes that share what quotas allow",
            self.fleet_size.clone(),
        );
    }

    pub(super) fn request(&self, facts: &Facts) {
        let refused = facts.quota.iter().map(|policy| (policy, "enforced"));
        let exceeded = facts.quota_shadow.iter().map(|policy| (policy, "shadow"));
        for (policy, mode) in refused.chain(exceeded) {
            let labels = QuotaLabels {
                quota: self.names.label(&policy.quota),
                mode,
            };
            self.refusals.get_or_create(&labels).inc();
        }
    }
}
