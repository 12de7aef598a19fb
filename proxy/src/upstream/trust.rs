//! Whom the system trusts, and what else upstreams are reached with.

use std::sync::Arc;

use rustls::RootCertStore;

use super::shown::AwsIdentity;
use crate::metrics::CredentialFetches;
use crate::tls::Vault;

/// What upstreams are reached with.
#[derive(Debug, Clone)]
pub struct Means {
    /// Whom to trust where nothing else is declared.
    pub trust: SystemTrust,
    /// What certificates and secrets are read from.
    pub vault: Vault,
    /// What requests to services of AWS are signed with.
    pub aws: AwsIdentity,
    /// Where to count the tokens that are fetched.
    pub fetches: CredentialFetches,
}

/// The authorities that the system trusts. They are read once: the files are many.
#[derive(Debug, Clone)]
pub struct SystemTrust(Arc<RootCertStore>);

impl SystemTrust {
    /// Reads them; without any, only upstreams with authorities of their own can be reached by TLS.
    #[must_use]
    pub fn load() -> Self {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        if roots.is_empty() {
            let error = loaded.errors.first().map(ToString::to_string);
            tracing::warn!(
                error,
                "the system trusts no certificate authority: https targets can't be reached without \
                 a ca of their own; install its ca-certificates"
            );
        }
        Self(Arc::new(roots))
    }

    /// Those, to verify a server by.
    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }

    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }
}
