//! What is found about the certificates and secrets that upstreams need.

use std::collections::BTreeMap;

use tollgate_gate::UpstreamRule;
use tollgate_store::MaterialReference;

use super::Means;
use super::security::Security;
use super::shown::Shown;
use crate::tls::End;

/// What is wrong, and what ends.
#[derive(Debug, Default)]
pub struct Findings {
    /// What can't be used, by where it is, and why; something older may be used in its stead.
    pub faults: BTreeMap<String, String>,
    /// When the proxy's own certificates end to be good.
    pub ends: BTreeMap<MaterialReference, End>,
}

impl Findings {
    /// Reads what an upstream needs, as the proxy would, and tells what is found.
    pub fn look_at(&mut self, rule: &UpstreamRule, means: &Means) {
        let upstream = &rule.upstream;
        if let Some(tls) = &upstream.tls {
            Security::reading(Some(tls), upstream.protocol, means).report(self);
        }
        if let Some(shown) = Shown::new(rule, means) {
            shown.report(self);
        }
    }
}
