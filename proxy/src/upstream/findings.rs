//! What is found about the certificates and secrets that upstreams and issuers need.

use std::collections::BTreeMap;

use tollgate_gate::{IssuerRule, UpstreamRule};
use tollgate_store::MaterialReference;

use super::Means;
use super::security::Security;
use super::shown::{SecretFile, Shown, secret};
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

    /// The same of what it takes to speak to an issuer.
    pub fn look_at_issuer(&mut self, rule: &IssuerRule, means: &Means) {
        let material = (&means.trust, &means.vault);
        Security::of_authorities(rule.issuer.ca.as_ref(), material).report(self);
        if let Some(asked) = rule.issuer.introspection.as_deref() {
            SecretFile::new(&asked.client_secret, secret, &means.vault).report(self);
        }
    }
}
