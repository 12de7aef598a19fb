//! Mutual TLS with pinned certificates: each side knows the other's one certificate before the first byte.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tokio_rustls::TlsAcceptor;

/// Why the connection can't be secured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Configuration(#[from] rustls::Error),
}

/// The plugin's own certificate and key, made anew by every process: ECDSA P-256 for `localhost`.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    /// Makes one.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        Ok(Self {
            certificate: cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(signing_key.serialize_der()),
        })
    }

    /// The certificate, which Terraform pins.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Accepts connections of the one client that holds `client`'s key.
    pub(crate) fn acceptor(
        &self,
        client: CertificateDer<'static>,
    ) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(PinnedClient {
            certificate: client,
            provider: Arc::clone(&provider),
        });
        let key = PrivateKeyDer::from(self.key.clone_key());
        let mut configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], key)?;
        configuration.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(configuration)))
    }
}

/// Lets in exactly one certificate, whose key the client proves to hold.
///
/// Terraform's certificate is its own authority, which a path check refuses as an end entity: so the certificate is
/// compared whole, and rustls checks the handshake's signature with it.
#[derive(Debug)]
struct PinnedClient {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, RootCertStore};
    use rustls_pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;

    struct Client {
        certificate: CertificateDer<'static>,
        key: PrivatePkcs8KeyDer<'static>,
    }

    /// As Terraform makes it: its own authority, ECDSA P-521.
    fn client() -> Client {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Client {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    async fn connect(
        identity: &Identity,
        pinned: CertificateDer<'static>,
        client: Option<&Client>,
    ) -> std::io::Result<()> {
        let mut roots = RootCertStore::empty();
        roots.add(identity.certificate().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let configuration = match client {
            Some(client) => builder
                .with_client_auth_cert(
                    vec![client.certificate.clone()],
                    client.key.clone_key().into(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(configuration));
        let name = ServerName::try_from("localhost").unwrap();
        let acceptor = identity.acceptor(pinned).unwrap();
        let (accepted, _connected) =
            tokio::join!(acceptor.accept(far), connector.connect(name, near));
        accepted.map(|_| ())
    }

    #[tokio::test]
    async fn terraforms_own_certificate_is_let_in() {
        let (identity, client) = (Identity::generate().unwrap(), client());

        connect(&identity, client.certificate.clone(), Some(&client))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn another_certificate_and_none_at_all_are_refused() {
        let (identity, pinned, other) = (Identity::generate().unwrap(), client(), client());

        assert!(
            connect(&identity, pinned.certificate.clone(), Some(&other))
                .await
                .is_err()
        );
        assert!(
            connect(&identity, pinned.certificate.clone(), None)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_right_certificate_without_its_key_is_refused() {
        let (identity, pinned, thief) = (Identity::generate().unwrap(), client(), client());
        // rustls refuses to load such a pair itself, so the thief signs with a resolver that does not look.
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(thief.key.clone_key().into())
            .unwrap();
        let stolen = Arc::new(rustls::sign::CertifiedKey::new(
            vec![pinned.certificate.clone()],
            key,
        ));
        let configuration =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates({
                    let mut roots = RootCertStore::empty();
                    roots.add(identity.certificate().clone()).unwrap();
                    roots
                })
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(configuration));
        let acceptor = identity.acceptor(pinned.certificate.clone()).unwrap();

        let name = ServerName::try_from("localhost").unwrap();
        let (accepted, _connected) =
            tokio::join!(acceptor.accept(far), connector.connect(name, near));

        assert!(accepted.is_err());
    }
}
