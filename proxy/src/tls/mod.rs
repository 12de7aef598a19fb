//! TLS towards clients: certificates by name, client certificates, and how all of it is replaced while it is served.
//!
//! Everything is read again with each poll. What can't be used never replaces what can; what was never good isn't
//! served at all, and an address whose clients can't be verified is not listened on.

pub(crate) mod client_certificate;
mod material;
mod resolver;
mod server;
mod shelf;
mod sources;
mod vault;
mod verifier;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::{RootCertStore, ServerConfig};
use tollgate_store::backend::Location;
use tollgate_store::document::{Listen, ListenTls};
use tollgate_store::{ListenPlace, MaterialReference};

pub use material::MaterialFault;
use material::Revocations;
pub(crate) use material::{Certificate, authorities};
pub use server::Trust;
use server::{Parts, Server};
use shelf::Shelf;
use sources::Sources;
pub(crate) use sources::read_file;
pub(crate) use vault::Stamp;
pub(crate) use vault::Used;
pub use vault::{Keeper, Vault};

/// Everything that TLS towards clients is made of, as it was last good.
#[derive(Debug)]
pub struct Materials {
    provider: Arc<CryptoProvider>,
    sources: Sources,
    certificates: Shelf<Certificate>,
    authorities: Shelf<Arc<RootCertStore>>,
    revocations: Shelf<Revocations>,
    servers: BTreeMap<ListenPlace, Server>,
}

/// What there is to serve by, and what is wrong.
#[derive(Debug, Default)]
pub struct Review {
    /// How TLS is spoken, by address.
    pub servers: BTreeMap<ListenPlace, (Arc<ServerConfig>, Trust)>,
    /// Addresses that can't be served, and why.
    pub unserved: BTreeMap<ListenPlace, String>,
    /// What can't be used, by the place that it was read from; something older may be served in its stead.
    pub faults: BTreeMap<MaterialReference, MaterialFault>,
    /// When what is served ends to be good.
    pub ends: BTreeMap<MaterialReference, End>,
}

/// When something ends to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// What it is.
    pub kind: EndKind,
    /// From when on it is not.
    pub at: Timestamp,
}

/// What ends to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// A certificate, or one of its chain.
    Certificate,
    /// A certificate that the proxy shows upstreams, or one of its chain.
    ClientCertificate,
    /// A list of revoked certificates: nobody's certificate is taken any more.
    RevocationList,
}

impl Default for Materials {
    fn default() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            sources: Sources::default(),
            certificates: Shelf::default(),
            authorities: Shelf::default(),
            revocations: Shelf::default(),
            servers: BTreeMap::new(),
        }
    }
}

impl Materials {
    /// Nothing yet. Secrets are read as those of `store` are.
    #[must_use]
    pub fn new(store: &Location) -> Self {
        Self {
            sources: Sources::new(store),
            ..Self::default()
        }
    }

    /// Reads everything that `listens` name, and makes what changed.
    pub async fn review(&mut self, listens: &[Listen], now: Timestamp) -> Review {
        self.read(listens, now).await;
        let mut review = Review::default();
        let addresses: BTreeSet<_> = listens
            .iter()
            .map(|listen| listen.address.place().clone())
            .collect();
        self.servers
            .retain(|address, _| addresses.contains(address));
        for listen in listens {
            let address = listen.address.place();
            let Some(tls) = &listen.tls else {
                self.servers.remove(address);
                continue;
            };
            match self.server(address, tls) {
                Ok(served) => {
                    review.servers.insert(address.clone(), served);
                }
                Err(problem) => {
                    review.unserved.insert(address.clone(), problem);
                }
            }
        }
        self.report(&mut review);
        review
    }

    async fn read(&mut self, listens: &[Listen], now: Timestamp) {
        let tls = || listens.iter().filter_map(|listen| listen.tls.as_ref());
        let certificates: BTreeSet<_> = tls().flat_map(|tls| &tls.certificates).collect();
        let authorities: BTreeSet<_> = tls().filter_map(|tls| tls.client_ca.as_ref()).collect();
        let revocations: BTreeSet<_> = tls().filter_map(|tls| tls.client_crl.as_ref()).collect();
        let all = certificates.iter().chain(&authorities).chain(&revocations);
        let all: BTreeSet<_> = all.map(|reference| (*reference).clone()).collect();
        if all.is_empty() {
            *self = Self {
                provider: Arc::clone(&self.provider),
                sources: std::mem::take(&mut self.sources),
                ..Self::default()
            };
            return;
        }
        let contents = self.sources.read(all).await;
        let provider = &self.provider;
        self.certificates
            .update(&certificates, &contents, |pem, standing| {
                let certificate = Certificate::read(pem, provider)?;
                is_better(&certificate, standing, now)?;
                Ok(certificate)
            });
        self.authorities
            .update(&authorities, &contents, |pem, _| material::authorities(pem));
        self.revocations
            .update(&revocations, &contents, |pem, _| Revocations::read(pem));
    }

    /// How TLS is spoken at an address.
    fn server(
        &mut self,
        address: &ListenPlace,
        tls: &ListenTls,
    ) -> Result<(Arc<ServerConfig>, Trust), String> {
        let certificates = tls.certificates.iter();
        let certificates = certificates.filter_map(|place| self.certificates.good(place).cloned());
        let mut certificates: Vec<_> = certificates.collect();
        if certificates.is_empty() {
            let standing = self.servers.get(address).map(Server::certificates);
            certificates =
                standing.ok_or_else(|| lacking(&tls.certificates, &self.certificates))?;
        }
        // Without these anybody could come in: what is missing closes the address.
        let authorities = needed(tls.client_ca.as_ref(), &self.authorities)?;
        let revocations = needed(tls.client_crl.as_ref(), &self.revocations)?;
        let parts = Parts {
            certificates,
            authorities,
            revocations,
            is_optional: tls.client_certificates
                == Some(tollgate_store::document::ClientCertificates::Optional),
            min_version: tls.min_version.unwrap_or_default(),
        };
        let server = match self.servers.remove(address) {
            None => Server::new(parts, &self.provider)?,
            Some(server) => server.renewed(parts, &self.provider)?,
        };
        let served = (server.config(), server.trust());
        self.servers.insert(address.clone(), server);
        Ok(served)
    }

    fn report(&self, review: &mut Review) {
        let faults = self
            .certificates
            .faults()
            .chain(self.authorities.faults())
            .chain(self.revocations.faults());
        review.faults = faults
            .map(|(reference, fault)| (reference.clone(), fault.clone()))
            .collect();
        for (reference, certificate) in self.certificates.goods() {
            let end = End {
                kind: EndKind::Certificate,
                at: certificate.not_after,
            };
            review.ends.insert(reference.clone(), end);
        }
        for (reference, revocations) in self.revocations.goods() {
            if let Some(at) = revocations.next_update {
                let kind = EndKind::RevocationList;
                review.ends.insert(reference.clone(), End { kind, at });
            }
        }
    }
}

impl EndKind {
    /// What it is, for a log or a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::ClientCertificate => "client_certificate",
            Self::RevocationList => "revocation_list",
        }
    }
}

/// What is good at no time now does not replace what is. Where nothing stands, clients are to judge.
fn is_better(
    certificate: &Certificate,
    standing: Option<&Certificate>,
    now: Timestamp,
) -> Result<(), MaterialFault> {
    let Some(standing) = standing else {
        return Ok(());
    };
    if certificate.not_before > now {
        return Err(MaterialFault::NotYetValid(certificate.not_before));
    }
    if certificate.not_after <= now && standing.not_after > certificate.not_after {
        return Err(MaterialFault::Expired(certificate.not_after));
    }
    Ok(())
}

fn needed<T: Clone>(
    reference: Option<&MaterialReference>,
    shelf: &Shelf<T>,
) -> Result<Option<shelf::Stamped<T>>, String> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    match shelf.good(reference) {
        Some(good) => Ok(Some(good.clone())),
        None => Err(lacking(std::slice::from_ref(reference), shelf)),
    }
}

/// What is wrong with things of which none was ever good.
fn lacking<T>(references: &[MaterialReference], shelf: &Shelf<T>) -> String {
    let faults = references.iter().filter_map(|reference| {
        let fault = shelf.fault(reference)?;
        Some(format!("{reference} {fault}"))
    });
    faults.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
