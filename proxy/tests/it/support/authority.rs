//! An authority that signs servers and clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serial: AtomicU64,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) serial: u64,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: Vec<u8>,
    /// Both, as PEM.
    pub(crate) pem: String,
}

impl Pair {
    /// What a server accepts clients by that has it, and asks them for none.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key.into())
            .unwrap();
        Arc::new(config).into()
    }

    /// A client that vouches for itself.
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            serial: 0,
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
            pem: certificate.pem() + &key.serialize_pem(),
        }
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self {
            issuer: issuer.unwrap(),
            serial: AtomicU64::new(1),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A server of these names.
    pub(crate) fn server(&self, names: &[&str]) -> Pair {
        self.sign(names, |_| {})
    }

    /// A client.
    pub(crate) fn client(&self) -> Pair {
        self.sign(&["client.test"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// Whoever `alter` makes of it.
    pub(crate) fn sign(&self, names: &[&str], alter: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        alter(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            serial,
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
            pem: certificate.pem() + &key.serialize_pem(),
        }
    }

    /// A list of revoked certificates that is good until the start of a year.
    pub(crate) fn revoked(&self, pairs: &[&Pair], until: i32) -> String {
        let revoked = pairs.iter().map(|pair| RevokedCertParams {
            serial_number: SerialNumber::from(pair.serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}
