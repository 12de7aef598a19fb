//! Which certificate a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::material::Certificate;

/// The certificates of one address, by the names that they are for.
#[derive(Debug)]
pub(super) struct Resolver {
    /// Those of a name, in the order in which they were declared.
    named: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For clients that ask for no name, or for one that no certificate is for.
    default: Arc<CertifiedKey>,
}

impl Resolver {
    /// `None` without a certificate.
    pub(super) fn new(certificates: &[Certificate]) -> Option<Self> {
        let default = Arc::clone(&certificates.first()?.key);
        let mut named: HashMap<_, Vec<_>> = HashMap::new();
        for certificate in certificates {
            for name in &certificate.names {
                let keys = named.entry(name.clone()).or_default();
                keys.push(Arc::clone(&certificate.key));
            }
        }
        Some(Self { named, default })
    }

    /// A name's own certificate comes before one for all names of its domain. Of several, the first that the client
    /// can verify.
    fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Arc<CertifiedKey> {
        let named = |name: &str| {
            let keys = self.named.get(name)?;
            let usable = keys
                .iter()
                .find(|key| key.key.choose_scheme(schemes).is_some());
            usable.or_else(|| keys.first())
        };
        let key = name.and_then(|name| {
            named(name).or_else(|| {
                let (_, domain) = name.split_once('.')?;
                named(&format!("*.{domain}"))
            })
        });
        Arc::clone(key.unwrap_or(&self.default))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands names over in lower case.
        Some(self.find(hello.server_name(), hello.signature_schemes()))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    const SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ECDSA_NISTP256_SHA256];

    fn certificate(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Certificate::read(pem.as_bytes(), &provider).unwrap()
    }

    #[test]
    fn the_name_decides_and_the_first_serves_everybody_else() {
        let certificates = [
            certificate(&["a.test"], &PKCS_ECDSA_P256_SHA256),
            certificate(&["*.b.test"], &PKCS_ECDSA_P256_SHA256),
            certificate(&["x.b.test"], &PKCS_ECDSA_P256_SHA256),
        ];
        let resolver = Resolver::new(&certificates).unwrap();
        for (name, expected) in [
            (None, 0),
            (Some("a.test"), 0),
            (Some("y.b.test"), 1),
            (Some("x.b.test"), 2),
            (Some("b.test"), 0),
            (Some("z.y.b.test"), 0),
            (Some("elsewhere.test"), 0),
            (Some("test"), 0),
        ] {
            let found = resolver.find(name, &SCHEMES);
            assert!(Arc::ptr_eq(&found, &certificates[expected].key), "{name:?}");
        }
    }

    #[test]
    fn of_two_for_a_name_the_client_gets_one_that_it_can_verify() {
        let certificates = [
            certificate(&["a.test"], &PKCS_ED25519),
            certificate(&["a.test"], &PKCS_ECDSA_P256_SHA256),
        ];
        let resolver = Resolver::new(&certificates).unwrap();

        let found = resolver.find(Some("a.test"), &SCHEMES);
        assert!(Arc::ptr_eq(&found, &certificates[1].key));
    }

    #[test]
    fn without_a_certificate_there_is_nothing_to_show() {
        assert!(Resolver::new(&[]).is_none());
    }
}
