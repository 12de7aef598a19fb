//! What PEM is read into: certificates with their keys, authorities, lists of revoked certificates.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// The most certificates of one chain.
const CHAIN_MAX: usize = 16;
/// The most authorities.
const AUTHORITIES_MAX: usize = 1_000;
/// The most lists of revoked certificates.
const LISTS_MAX: usize = 100;

/// Why something can't be used; the place that it was read from stands before it. Nothing of a key is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaterialFault {
    /// There is nothing to read, or not for this process.
    #[error("can't be read: {0}")]
    Unreadable(String),
    /// It is too long.
    #[error("has more than {bytes_max} bytes")]
    TooLarge {
        /// How many it may have.
        bytes_max: u64,
    },
    /// Not PEM.
    #[error("is no PEM: check that it was copied whole")]
    Pem,
    /// PEM without a certificate.
    #[error("holds no certificate: it must begin with one (-----BEGIN CERTIFICATE-----)")]
    CertificateMissing,
    /// PEM without a key.
    #[error("holds no private key: append the certificate's own, without a passphrase")]
    KeyMissing,
    /// The key is another certificate's.
    #[error("holds a private key that is not the first certificate's")]
    KeyMismatch,
    /// No key that rustls can sign with.
    #[error("holds a private key of a kind that can't be used: RSA, ECDSA and Ed25519 can")]
    KeyUnusable,
    /// No certificate as RFC 5280 has it.
    #[error("holds a certificate that can't be read: {0}")]
    CertificateUnreadable(String),
    /// PEM without a list.
    #[error("holds no list of revoked certificates (-----BEGIN X509 CRL-----)")]
    ListMissing,
    /// No list as RFC 5280 has it.
    #[error("holds a list of revoked certificates that can't be read: {0}")]
    ListUnreadable(String),
    /// More than can be meant.
    #[error("holds more than {most} {what}")]
    TooMany {
        /// How many it may hold.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// Over, while the one that is served is not.
    #[error("holds a certificate that was good until {0}: it is not taken for a better one")]
    Expired(Timestamp),
    /// Not begun.
    #[error("holds a certificate that is only good from {0} on: until then it is not taken")]
    NotYetValid(Timestamp),
}

/// A certificate that the proxy shows, its chain and its key.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// The names that it is for, in lower case; one that begins with `*.` stands for one more label.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    /// The end of the one in the chain that ends first.
    pub(crate) not_after: Timestamp,
}

/// Lists of revoked certificates.
#[derive(Debug, Clone)]
pub(super) struct Revocations {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them is no longer good, where one says so.
    pub(super) next_update: Option<Timestamp>,
}

impl Certificate {
    /// Reads a chain, its own certificate first, and the key of that one.
    pub(crate) fn read(pem: &[u8], provider: &CryptoProvider) -> Result<Self, MaterialFault> {
        let chain = certificates(pem, (CHAIN_MAX, "certificates"))?;
        let leaf = chain.first().ok_or(MaterialFault::CertificateMissing)?;
        let leaf = parsed(leaf)?;
        let names = names(&leaf)?;
        let not_before = timestamp(leaf.validity().not_before.timestamp());
        let mut not_after = Timestamp::MAX;
        for certificate in &chain {
            let end = parsed(certificate)?.validity().not_after.timestamp();
            not_after = not_after.min(timestamp(end));
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| MaterialFault::KeyMissing)?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                MaterialFault::KeyMismatch
            }
            _ => MaterialFault::KeyUnusable,
        })?;
        Ok(Self {
            key: Arc::new(key),
            names,
            not_before,
            not_after,
        })
    }
}

/// Reads the authorities that sign the other side's certificates.
pub(crate) fn authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, MaterialFault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, (AUTHORITIES_MAX, "authorities"))? {
        let added = store.add(certificate);
        added.map_err(|error| MaterialFault::CertificateUnreadable(error.to_string()))?;
    }
    Ok(Arc::new(store))
}

impl Revocations {
    /// Reads at least one list.
    pub(super) fn read(pem: &[u8]) -> Result<Self, MaterialFault> {
        let mut lists = Vec::new();
        let mut next_update = None;
        for list in CertificateRevocationListDer::pem_slice_iter(pem) {
            let list = list.map_err(|_| MaterialFault::Pem)?;
            let end = end_of_list(&list)?;
            next_update = next_update.into_iter().chain(end).min();
            lists.push(list);
            if lists.len() > LISTS_MAX {
                let what = "lists of revoked certificates";
                return Err(MaterialFault::TooMany {
                    most: LISTS_MAX,
                    what,
                });
            }
        }
        if lists.is_empty() {
            return Err(MaterialFault::ListMissing);
        }
        Ok(Self { lists, next_update })
    }
}

fn certificates(
    pem: &[u8],
    (most, what): (usize, &'static str),
) -> Result<Vec<CertificateDer<'static>>, MaterialFault> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificates.push(certificate.map_err(|_| MaterialFault::Pem)?);
        if certificates.len() > most {
            return Err(MaterialFault::TooMany { most, what });
        }
    }
    if certificates.is_empty() {
        return Err(MaterialFault::CertificateMissing);
    }
    Ok(certificates)
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, MaterialFault> {
    X509Certificate::from_der(certificate)
        .map(|(_, certificate)| certificate)
        .map_err(|error| MaterialFault::CertificateUnreadable(error.to_string()))
}

/// The names that clients may ask for; a common name is none (RFC 9525, section 2).
fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, MaterialFault> {
    let unreadable = |error: x509_parser::error::X509Error| {
        MaterialFault::CertificateUnreadable(error.to_string())
    };
    let extension = certificate.subject_alternative_name().map_err(unreadable)?;
    let names = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    Ok(names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect())
}

fn end_of_list(
    list: &CertificateRevocationListDer<'_>,
) -> Result<Option<Timestamp>, MaterialFault> {
    let (_, parsed) = CertificateRevocationList::from_der(list)
        .map_err(|error| MaterialFault::ListUnreadable(error.to_string()))?;
    // What could not be heeded would take the address with it.
    webpki::BorrowedCertRevocationList::from_der(list)
        .map_err(|error| MaterialFault::ListUnreadable(error.to_string()))?;
    Ok(parsed.next_update().map(|time| timestamp(time.timestamp())))
}

/// What lies beyond the years that can be told never comes.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn provider() -> CryptoProvider {
        rustls::crypto::aws_lc_rs::default_provider()
    }

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = ["API.example.com", "*.example.com", "192.0.2.1"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_tells_its_names_and_its_end() {
        let (certificate, key) = pair();
        for pem in [
            format!("{certificate}{key}"),
            format!("{key}\n{certificate}"),
        ] {
            let read = Certificate::read(pem.as_bytes(), &provider()).unwrap();
            assert_eq!(read.names, ["api.example.com", "*.example.com"]);
            assert_eq!(read.not_before.to_string(), "2020-01-01T00:00:00Z");
            assert_eq!(read.not_after.to_string(), "2030-01-01T00:00:00Z");
        }
    }

    #[test]
    fn what_cant_be_used_says_why_and_nothing_of_the_key() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let half = &certificate[..certificate.len() / 2];
        let noise = certificate.replace("MII", "AAA");
        for (pem, expected) in [
            (String::new(), "holds no certificate"),
            (key.clone(), "holds no certificate"),
            (certificate.clone(), "holds no private key"),
            (half.to_owned(), "is no PEM"),
            (format!("{noise}{key}"), "can't be read"),
            (
                format!("{certificate}{other}"),
                "not the first certificate's",
            ),
            ("\0\u{1}".repeat(100), "holds no certificate"),
            (certificate.repeat(17), "more than 16 certificates"),
        ] {
            let fault = Certificate::read(pem.as_bytes(), &provider()).unwrap_err();
            assert!(fault.to_string().contains(expected), "{fault}");
        }
    }

    #[test]
    fn authorities_and_lists_must_be_there() {
        let (certificate, _) = pair();

        assert_eq!(authorities(certificate.as_bytes()).unwrap().len(), 1);
        let fault = authorities(b"").unwrap_err();
        assert_eq!(fault, MaterialFault::CertificateMissing);
        let fault = Revocations::read(certificate.as_bytes()).unwrap_err();
        assert_eq!(fault, MaterialFault::ListMissing);
    }
}
