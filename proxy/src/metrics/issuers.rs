//! How the keys of issuers are.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use tollgate_store::Name;

use super::Seconds;

/// How the keys of issuers are.
#[derive(Debug, Default)]
pub struct IssuerMetrics {
    ages: Family<IssuerLabels, Seconds>,
    fetches: Family<FetchLabels, Counter>,
    introspections: Family<FetchLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: String,
    result: &'static str,
}

impl IssuerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "issuer_keys_age",
            "How long ago an issuer's keys were fetched; infinite where they never were",
            Unit::Seconds,
            self.ages.clone(),
        );
        registry.register(
            "issuer_keys_fetches",
            "Fetches of an issuer's keys by result",
            self.fetches.clone(),
        );
        registry.register(
            "introspections",
            "Questions about tokens by issuer and result; what is answered from memory is none",
            self.introspections.clone(),
        );
    }

    /// Counts a fetch of an issuer's keys.
    pub fn fetch(&self, issuer: &Name, is_good: bool) {
        let labels = FetchLabels {
            issuer: issuer.to_string(),
            result: if is_good { "fetched" } else { "failed" },
        };
        self.fetches.get_or_create(&labels).inc();
    }

    /// Counts what became of a question about a token.
    pub fn introspection(&self, issuer: &Name, result: &'static str) {
        let labels = FetchLabels {
            issuer: issuer.to_string(),
            result,
        };
        self.introspections.get_or_create(&labels).inc();
    }

    /// Shows how old the keys of issuers are; `None`: there are none.
    pub fn show<'n>(&self, ages: impl Iterator<Item = (&'n Name, Option<Duration>)>) {
        self.ages.clear();
        for (issuer, age) in ages {
            let labels = IssuerLabels {
                issuer: issuer.to_string(),
            };
            let age = age.map_or(f64::INFINITY, |age| age.as_secs_f64());
            self.ages.get_or_create(&labels).set(age);
        }
    }
}
