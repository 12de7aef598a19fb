//! How upstreams and the proxy prove who they are.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tollgate_store::document::{Protocol, UpstreamTls};
use tollgate_store::{Authorities, MaterialReference};
use zeroize::Zeroizing;

use super::Means;
use super::findings::Findings;
use super::trust::SystemTrust;
use crate::tls::{self, End, EndKind, Stamp, Used, Vault};

const HTTP_11: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
/// The most that a place with certificates may hold.
const BYTES_MAX: u64 = 1024 * 1024;

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
    vault: Vault,
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
    /// The end of the proxy's own certificate, where it shows one.
    not_after: Option<Timestamp>,
}

/// How the files looked when they were last read.
#[derive(Debug, Default)]
struct Files {
    stamps: Vec<Option<Stamp>>,
    fault: Option<MaterialFault>,
    /// What is used was read from these: held for whoever reads the places after this.
    used: Vec<Arc<Used>>,
}

/// Something made of files, and what they held.
type Made = (Configs, Vec<Arc<Used>>);

/// What stands in a place, or stood there.
type Pem = Result<Zeroizing<Vec<u8>>, MaterialFault>;

impl Security {
    /// Reads what there is to read. What can't be is told, and tried again by [`Security::refresh`]; until then it is what
    /// others that read the same places last could use.
    pub(super) fn reading(
        tls: Option<&UpstreamTls>,
        protocol: Option<Protocol>,
        means: &Means,
    ) -> Self {
        Self::reading_by(tls, protocol, (&means.trust, &means.vault))
    }

    fn reading_by(
        tls: Option<&UpstreamTls>,
        protocol: Option<Protocol>,
        (trust, vault): (&SystemTrust, &Vault),
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
            vault: vault.clone(),
            configs: ArcSwapOption::empty(),
            files: Mutex::default(),
        };
        security.read(security.stamps());
        security
    }

    /// Notes what is wrong, and when the proxy's own certificate ends.
    pub(crate) fn report(&self, findings: &mut Findings) {
        if let Some(fault) = &self.files().fault {
            let (place, reason) = (fault.place.clone(), fault.reason.clone());
            findings.faults.insert(place, reason);
        }
        for place in self.references() {
            if let Some(fault) = self.vault.fault(place) {
                findings.faults.insert(place.to_string(), fault.to_string());
            }
        }
        let configs = self.configs.load();
        let at = configs.as_ref().and_then(|configs| configs.not_after);
        if let (Some(at), Some(place)) = (at, &self.tls.certificate) {
            let kind = EndKind::ClientCertificate;
            findings.ends.insert(place.clone(), End { kind, at });
        }
    }

    /// The same of a server that is no upstream: whom `ca` signs for, or else whom the system trusts.
    pub(crate) fn of_authorities(
        ca: Option<&Authorities>,
        (trust, vault): (&SystemTrust, &Vault),
    ) -> Self {
        let tls = UpstreamTls {
            ca: ca.cloned(),
            server_name: None,
            certificate: None,
        };
        Self::reading_by(Some(&tls), Some(Protocol::Http11), (trust, vault))
    }

    /// What to make a connection with.
    pub(crate) fn configs(&self) -> Result<Arc<Configs>, MaterialFault> {
        let configs = self.configs.load_full();
        configs.ok_or_else(|| {
            let files = self.files();
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
        let files = self.files();
        let is_same = files.stamps == stamps;
        drop(files);
        !is_same && self.read(stamps)
    }

    fn read(&self, stamps: Vec<Option<Stamp>>) -> bool {
        let outcome = self.load_new();
        let mut files = self.files();
        files.stamps = stamps;
        match outcome {
            Ok((configs, used)) => {
                (files.fault, files.used) = (None, used);
                self.configs.store(Some(Arc::new(configs)));
                true
            }
            Err(fault) => {
                if self.configs.load().is_none()
                    && let Some((configs, used)) = self.load_last()
                {
                    files.used = used;
                    self.configs.store(Some(Arc::new(configs)));
                }
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

    /// Makes it of what stands in the places now.
    fn load_new(&self) -> Result<Made, MaterialFault> {
        let mut read = Vec::new();
        let configs = self.load(&mut |reference| {
            let pem = self.vault.read(reference, BYTES_MAX);
            let pem = pem.map_err(|error| fault(reference.as_str(), error))?;
            read.push((reference.clone(), pem.clone()));
            Ok(pem)
        })?;
        let used = read.into_iter();
        let used = used.map(|(reference, pem)| self.vault.note_used(&reference, pem));
        Ok((configs, used.collect()))
    }

    /// Makes it of what could last be used of each place, and of what stands in those that nobody used.
    fn load_last(&self) -> Option<Made> {
        let mut held = Vec::new();
        let configs = self.load(&mut |reference| {
            if let Some(used) = self.vault.last_used(reference) {
                let pem = used.bytes().clone();
                held.push(used);
                return Ok(pem);
            }
            let pem = self.vault.read(reference, BYTES_MAX);
            pem.map_err(|error| fault(reference.as_str(), error))
        });
        configs.ok().map(|configs| (configs, held))
    }

    fn load(
        &self,
        pem: &mut dyn FnMut(&MaterialReference) -> Pem,
    ) -> Result<Configs, MaterialFault> {
        let builder = ClientConfig::builder();
        let builder = match &self.tls.ca {
            None => builder.with_root_certificates(self.trust.roots()),
            Some(ca) => {
                let (place, authorities) = match ca.reference() {
                    Some(reference) => (reference.as_str(), pem(reference)?),
                    None => ("tls.ca", Zeroizing::new(ca.as_str().as_bytes().to_vec())),
                };
                let roots = tls::authorities(&authorities).map_err(|error| fault(place, error))?;
                builder.with_root_certificates(roots)
            }
        };
        let mut not_after = None;
        let mut config = match &self.tls.certificate {
            None => builder.with_no_client_auth(),
            Some(reference) => {
                let own = tls::Certificate::read(&pem(reference)?, builder.crypto_provider());
                let own = own.map_err(|error| fault(reference.as_str(), error))?;
                not_after = Some(own.not_after);
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
        Ok(Configs {
            any,
            http11,
            not_after,
        })
    }

    fn references(&self) -> impl Iterator<Item = &MaterialReference> {
        let ca = self.tls.ca.as_ref().and_then(|ca| ca.reference());
        [ca, self.tls.certificate.as_ref()].into_iter().flatten()
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamps = self
            .references()
            .map(|reference| self.vault.stamp(reference));
        stamps.collect()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fault(place: &str, reason: impl fmt::Display) -> MaterialFault {
    MaterialFault {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
