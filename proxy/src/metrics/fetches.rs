//! What became of fetching the proxy's own credentials.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tollgate_store::Name;

/// Tokens that authorization servers were asked for, by upstream and result.
#[derive(Debug, Clone, Default)]
pub struct CredentialFetches(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    upstream: String,
    result: &'static str,
}

impl CredentialFetches {
    /// Counts one.
    pub fn count(&self, upstream: &Name, is_good: bool) {
        let labels = Labels {
            upstream: upstream.to_string(),
            result: if is_good { "fetched" } else { "failed" },
        };
        self.0.get_or_create(&labels).inc();
    }

    pub(super) fn family(&self) -> Family<Labels, Counter> {
        self.0.clone()
    }
}
