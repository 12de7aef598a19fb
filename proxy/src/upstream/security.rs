//! How upstreams and the proxy prove who they are.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tollgate_store::document::{Protocol, UpstreamTls};
use tollgate_store::{Authorities, MaterialReference};
use zeroize::Zeroizing;

use crate::tls;

const HTTP_11: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
/// The most that a file with certificates may hold.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

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

    /// What TLS takes with a server that one of them signed for, without a protocol agreed on.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(Arc::clone(&self.0));
        Arc::new(builder.with_no_client_auth())
    }
}

/// Why there is no TLS with an upstream: what is wrong with a file, or with what stands in the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub(crate) struct MaterialFault {
    place: String,
    reason: String,
}

/// What TLS with an upstream takes.
#[derive(Debug)]
pub(crate) struct Security {
    tls: UpstreamTls,
    protocol: Option<Protocol>,
    trust: SystemTrust,
    configs: ArcSwapOption<Configs>,
    files: Mutex<Files>,
}

/// One handshake's worth each.
#[derive(Debug)]
pub(crate) struct Configs {
    /// For whichever protocol is declared, or agreed on.
    pub(crate) any: Arc<ClientConfig>,
    /// For HTTP/1.1 only, which alone can be upgraded.
    pub(crate) http11: Arc<ClientConfig>,
}

/// How the files looked when they were last read.
#[derive(Debug, Default)]
struct Files {
    stamps: Vec<Option<Stamp>>,
    fault: Option<MaterialFault>,
}

type Stamp = (SystemTime, u64);

impl Security {
    /// Reads what there is to read. What can't be is told, and tried again by [`Security::refresh`].
    pub(super) fn new(
        tls: Option<&UpstreamTls>,
        protocol: Option<Protocol>,
        trust: &SystemTrust,
    ) -> Self {
        let nothing = UpstreamTls {
            ca: None,
            server_name: None,
            certificate: None,
        };
        let security = Self {
            tls: tls.cloned().unwrap_or(nothing),
            protocol,
            trust: trust.clone(),
            configs: ArcSwapOption::empty(),
            files: Mutex::default(),
        };
        security.read(security.stamps());
        security
    }

    /// The same of a server that is no upstream: whom `ca` signs for, or else whom the system trusts.
    pub(crate) fn of_authorities(ca: Option<&Authorities>, trust: &SystemTrust) -> Self {
        let tls = UpstreamTls {
            ca: ca.cloned(),
            server_name: None,
            certificate: None,
        };
        Self::new(Some(&tls), Some(Protocol::Http11), trust)
    }

    /// What to make a connection with.
    pub(crate) fn configs(&self) -> Result<Arc<Configs>, MaterialFault> {
        let configs = self.configs.load_full();
        configs.ok_or_else(|| {
            let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.fault.clone().unwrap_or_else(|| MaterialFault {
                place: "tls".to_owned(),
                reason: "was not read yet".to_owned(),
            })
        })
    }

    /// Whether there are files to look at.
    pub(super) fn has_files(&self) -> bool {
        self.references().next().is_some()
    }

    /// Reads the files again if they changed; whether connections should be made anew. What can't be read leaves what
    /// was read before, and is told once.
    pub(crate) fn refresh(&self) -> bool {
        if !self.has_files() {
            return false;
        }
        let stamps = self.stamps();
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = files.stamps == stamps;
        drop(files);
        !is_same && self.read(stamps)
    }

    fn read(&self, stamps: Vec<Option<Stamp>>) -> bool {
        let outcome = self.load();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.stamps = stamps;
        match outcome {
            Ok(configs) => {
                files.fault = None;
                self.configs.store(Some(Arc::new(configs)));
                true
            }
            Err(fault) => {
                if files.fault.as_ref() != Some(&fault) {
                    let is_served = self.configs.load().is_some();
                    tracing::error!(%fault, is_served, "what TLS with a server takes can't be read: what was read \
                         before is used on, if anything was");
                }
                files.fault = Some(fault);
                false
            }
        }
    }

    fn load(&self) -> Result<Configs, MaterialFault> {
        let builder = ClientConfig::builder();
        let builder = match &self.tls.ca {
            None => builder.with_root_certificates(Arc::clone(&self.trust.0)),
            Some(ca) => {
                let (place, pem) = match ca.reference() {
                    Some(reference) => (reference.as_str(), file(reference)?),
                    None => ("tls.ca", Zeroizing::new(ca.as_str().as_bytes().to_vec())),
                };
                let roots = tls::authorities(&pem).map_err(|error| fault(place, error))?;
                builder.with_root_certificates(roots)
            }
        };
        let mut config = match &self.tls.certificate {
            None => builder.with_no_client_auth(),
            Some(reference) => {
                let own = tls::Certificate::read(&file(reference)?, builder.crypto_provider());
                let own = own.map_err(|error| fault(reference.as_str(), error))?;
                let own = SingleCertAndKey::from(CertifiedKey::clone(&own.key));
                builder.with_client_cert_resolver(Arc::new(own))
            }
        };
        config.alpn_protocols = vec![HTTP_11.to_vec()];
        let http11 = Arc::new(config.clone());
        config.alpn_protocols = match self.protocol {
            Some(Protocol::Http11) => vec![HTTP_11.to_vec()],
            Some(Protocol::Http2) => vec![HTTP_2.to_vec()],
            None => vec![HTTP_2.to_vec(), HTTP_11.to_vec()],
        };
        let any = Arc::new(config);
        Ok(Configs { any, http11 })
    }

    fn references(&self) -> impl Iterator<Item = &MaterialReference> {
        let ca = self.tls.ca.as_ref().and_then(|ca| ca.reference());
        [ca, self.tls.certificate.as_ref()].into_iter().flatten()
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamps = self
            .references()
            .map(|reference| stamp(reference.file().ok()?));
        stamps.collect()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn file(reference: &MaterialReference) -> Result<Zeroizing<Vec<u8>>, MaterialFault> {
    let place = reference.as_str();
    let path = reference.file().map_err(|message| fault(place, message))?;
    tls::read_file(path, FILE_BYTES_MAX).map_err(|error| fault(place, error))
}

fn fault(place: &str, reason: impl fmt::Display) -> MaterialFault {
    MaterialFault {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::CertifiedKey;
    use serde_json::json;

    use super::*;

    fn pair() -> CertifiedKey<rcgen::KeyPair> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        rcgen::generate_simple_self_signed(["proxy.test".to_owned()]).unwrap()
    }

    fn security(tls: serde_json::Value) -> Security {
        let tls: UpstreamTls = serde_json::from_value(tls).unwrap();
        let trust = SystemTrust(Arc::new(RootCertStore::empty()));
        Security::new(Some(&tls), None, &trust)
    }

    #[test]
    fn authorities_may_stand_in_the_document() {
        let security = security(json!({"ca": pair().cert.pem()}));

        assert!(security.configs().is_ok());
    }

    #[test]
    fn a_certificate_that_is_no_certificate_is_told_with_its_place() {
        let _ = pair();
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let fault = security(json!({"ca": bad})).configs().unwrap_err();

        assert!(fault.to_string().starts_with("tls.ca: "), "{fault}");
    }

    #[test]
    fn a_file_that_breaks_leaves_what_was_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.pem");
        let reference = format!("file:{}", path.display());
        let _ = pair();
        let security = security(json!({"certificate": reference}));
        let missing = security.configs().unwrap_err().to_string();
        assert!(missing.starts_with(&reference), "{missing}");

        let pair = pair();
        let pem = pair.cert.pem() + &pair.signing_key.serialize_pem();
        std::fs::write(&path, pem).unwrap();
        assert!(security.refresh());
        assert!(!security.refresh(), "nothing changed");
        assert!(security.configs().is_ok());

        std::fs::write(&path, "not PEM").unwrap();
        assert!(!security.refresh());
        assert!(security.configs().is_ok());
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.pem");
        let pem = pair().cert.pem() + &pair().signing_key.serialize_pem();
        std::fs::write(&path, pem).unwrap();
        let reference = format!("file:{}", path.display());

        assert!(
            security(json!({"certificate": reference}))
                .configs()
                .is_err()
        );
    }
}
