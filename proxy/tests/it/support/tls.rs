//! A client that speaks TLS, and files for a proxy that does.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tollgate_store::Secret;

use super::authority::{Authority, Pair};

/// A client that trusts an authority.
#[derive(Clone)]
pub(crate) struct TlsClient {
    config: ClientConfig,
}

impl TlsClient {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::new(authority, None, rustls::ALL_VERSIONS)
    }

    /// The same, with a certificate of its own.
    pub(crate) fn with(authority: &Authority, pair: &Pair) -> Self {
        Self::new(authority, Some(pair), rustls::ALL_VERSIONS)
    }

    pub(crate) fn new(
        authority: &Authority,
        pair: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let builder =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivatePkcs8KeyDer::from(pair.key.clone());
                let chain = vec![pair.certificate.clone()];
                builder.with_client_auth_cert(chain, key.into()).unwrap()
            }
        };
        Self { config }
    }

    /// The same, that asks for a protocol.
    pub(crate) fn speaking(mut self, protocol: &[u8]) -> Self {
        self.config.alpn_protocols = vec![protocol.to_vec()];
        self
    }

    /// The same, that names no host.
    pub(crate) fn without_name(mut self) -> Self {
        self.config.enable_sni = false;
        self
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.encrypt(TcpStream::connect(address).await?, name).await
    }

    /// The same by a connection that there is.
    pub(crate) async fn encrypt(
        &self,
        stream: TcpStream,
        name: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(self.config.clone()))
            .connect(name, stream)
            .await
    }

    /// Sends one request, and reads the answer to its end.
    pub(crate) async fn ask(&self, address: SocketAddr, token: &Secret) -> io::Result<String> {
        let stream = self.connect(address, "localhost").await?;
        ask(stream, token).await.map(|(_, answer)| answer)
    }
}

/// Sends the last request of a connection, and reads the answer to its end.
pub(crate) async fn ask(
    mut stream: TlsStream<TcpStream>,
    token: &Secret,
) -> io::Result<(TlsStream<TcpStream>, String)> {
    let request = format!(
        "GET /v1/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        token.expose()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((stream, answer))
}

/// A folder of PEM files.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// How a document names a file.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("file:{}", self.path(name).display())
    }

    /// Puts a file in place of what stands there, at once.
    pub(crate) fn put(&self, name: &str, pem: &str) {
        let new = self.path("new");
        std::fs::write(&new, pem).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// A proxy's document with these certificates, and more about TLS.
    pub(crate) fn document(&self, certificates: &[&str], more: Value) -> Value {
        let places: Vec<_> = certificates.iter().map(|name| self.place(name)).collect();
        let mut tls = json!({ "certificates": places });
        tls.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"listen": [{"address": "127.0.0.1:0", "tls": tls}]})
    }
}
