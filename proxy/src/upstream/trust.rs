//! Whom the system trusts, and what else upstreams are reached with.

use std::sync::{Arc, OnceLock};

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

/// The authorities that the system trusts. The files are many: they are read once, by the first who has to know them.
#[derive(Debug, Clone, Default)]
pub struct SystemTrust(Arc<OnceLock<Arc<RootCertStore>>>);

impl SystemTrust {
    /// Those, to verify a server by.
    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(self.0.get_or_init(Self::load))
    }

    /// Reads them; without any, only upstreams with authorities of their own can be reached by TLS.
    fn load() -> Arc<RootCertStore> {
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
        Arc::new(roots)
    }

    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self(Arc::new(OnceLock::from(Arc::new(RootCertStore::empty()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_once_and_only_when_somebody_has_to_know_them() {
        let trust = SystemTrust::default();
        assert!(trust.0.get().is_none());

        let roots = trust.clone().roots();
        assert!(Arc::ptr_eq(&roots, &trust.roots()));
    }
}
