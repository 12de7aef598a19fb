//! Upstreams that are spoken to by TLS.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

/// An authority that signs for whom it is asked to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server called `name`, which asks clients for certificates of `clients`.
    async fn server(&self, name: &str, protocols: &[&str], clients: Option<&Self>) -> Upstream {
        let (certificate, key) = self.sign(name, ExtendedKeyUsagePurpose::ServerAuth);
        let builder = ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec());
        config.alpn_protocols = protocols.collect();
        Upstream::start_encrypted(Arc::new(config)).await
    }

    fn client_pem(&self) -> String {
        let (certificate, key) = self.sign("proxy.test", ExtendedKeyUsagePurpose::ClientAuth);
        certificate.pem() + &key.serialize_pem()
    }
}

/// A proxy in front of `localhost`, spoken to as `more` says.
async fn stage(upstream: &Upstream, more: Value) -> (Store, Process, Client) {
    let store = filled(upstream, more).await;
    let proxy = Process::start(&store, &[]).await;
    let client = Client::new(&proxy).bearing(&store.token);
    (store, proxy, client)
}

async fn filled(upstream: &Upstream, more: Value) -> Store {
    let store = Store::new();
    let url = format!("https://localhost:{}", upstream.address().port());
    store.fill(&url).await;
    put(&store, &url, more).await;
    store
}

async fn put(store: &Store, url: &str, more: Value) {
    let mut spec = json!({"targets": [url]});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    store.put(Kind::Upstream, "backend", spec).await;
}

#[tokio::test]
async fn an_upstream_proves_who_it_is() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, authority.pem()).unwrap();
    let upstream = authority
        .server("localhost", &["h2", "http/1.1"], None)
        .await;
    let store = Store::new();
    let port = upstream.address().port();
    store.fill(&format!("https://localhost:{port}")).await;
    let authorities = authorities.to_str().unwrap();
    let proxy = Process::start_in(&store, &[], &[("SSL_CERT_FILE", authorities)]).await;
    let client = Client::new(&proxy).bearing(&store.token);

    let reply = client.get("/v1/orders").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["version"], "HTTP/2.0");
    assert_eq!(reply.echoed("x-tollgate-key"), ["acme"]);

    let other_name = json!({"targets": [format!("https://127.0.0.1:{port}")]});
    store.put(Kind::Upstream, "backend", other_name).await;
    until("the certificate does not fit", async || {
        client.get("/v1/orders").await.status == 502
    })
    .await;
    proxy
        .accessed(|line| line["reason"] == "upstream_tls")
        .await;
}

#[tokio::test]
async fn an_upstream_may_have_an_authority_and_a_name_of_its_own() {
    let authority = Authority::new();
    let upstream = authority.server("orders.test", &[], None).await;
    let tls = json!({"tls": {"ca": authority.pem(), "server_name": "orders.test"}});
    let (store, proxy, client) = stage(&upstream, tls).await;

    let reply = client.get("/v1/orders").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["version"], "HTTP/1.1");

    let url = format!("https://localhost:{}", upstream.address().port());
    let other = json!({"tls": {"ca": Authority::new().pem(), "server_name": "orders.test"}});
    put(&store, &url, other).await;
    until("nobody vouches for it", async || {
        client.get("/v1/orders").await.status == 502
    })
    .await;
    let told = proxy.logged(|line| line["reason"] == "upstream_tls").await;
    assert!(
        told["cause"]
            .as_str()
            .unwrap()
            .contains("invalid peer certificate"),
        "{told}"
    );
}

#[tokio::test]
async fn a_declared_protocol_is_spoken_or_nothing() {
    let authority = Authority::new();
    let upstream = authority
        .server("localhost", &["h2", "http/1.1"], None)
        .await;
    let tls = |protocol| json!({"tls": {"ca": authority.pem()}, "protocol": protocol});
    let (store, _proxy, client) = stage(&upstream, tls("http/1.1")).await;
    assert_eq!(client.get("/v1/orders").await.json()["version"], "HTTP/1.1");

    let url = format!("https://localhost:{}", upstream.address().port());
    put(&store, &url, tls("h2")).await;
    until("HTTP/2 is spoken", async || {
        client.get("/v1/orders").await.json()["version"] == "HTTP/2.0"
    })
    .await;

    let old = authority.server("localhost", &[], None).await;
    let url = format!("https://localhost:{}", old.address().port());
    put(&store, &url, tls("h2")).await;
    until("HTTP/2 is not agreed on", async || {
        client.get("/v1/orders").await.status == 502
    })
    .await;
    assert_eq!(old.gate.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_proxy_proves_who_it_is_and_reads_its_certificate_again() {
    for protocol in ["h2", "http/1.1"] {
        proves_itself(protocol).await;
    }
}

async fn proves_itself(protocol: &str) {
    let (servers, clients) = (Authority::new(), Authority::new());
    let upstream = servers
        .server("localhost", &[protocol], Some(&clients))
        .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.pem");
    let certificate = format!("file:{}", path.display());
    let tls = json!({"tls": {"ca": servers.pem(), "certificate": certificate}});
    let store = filled(&upstream, tls).await;
    let proxy = Process::start_lacking(&store, &[]).await;
    let client = Client::new(&proxy).bearing(&store.token);

    assert_eq!(client.get("/v1/orders").await.status, 502);
    let told = proxy.logged(|line| line["reason"] == "upstream_tls").await;
    assert!(
        told["cause"].as_str().unwrap().starts_with(&certificate),
        "{told}"
    );

    write(&path, &Authority::new().client_pem());
    let renewed = |line: &Value| {
        line["message"]
            .as_str()
            .unwrap()
            .starts_with("certificates changed")
    };
    proxy.logged(renewed).await;
    // In TLS 1.3 the upstream refuses it after the handshake; it is told as what it is.
    until("a stranger's is refused", async || {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, 502);
        let id = reply.header("x-request-id").unwrap().to_owned();
        let line = proxy.accessed(|line| line["request_id"] == id).await;
        line["reason"] == "upstream_tls"
    })
    .await;

    write(&path, &clients.client_pem());
    until("the right certificate is shown", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
    assert!(!proxy.output().contains("PRIVATE KEY"));
}

/// Files are replaced as a whole, as they should be.
fn write(path: &Path, pem: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, pem).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

#[tokio::test]
async fn whom_nobody_trusts_any_more_gets_nothing_by_connections_that_are_there() {
    let (one, other) = (Authority::new(), Authority::new());
    let upstream = one.server("localhost", &["h2", "http/1.1"], None).await;
    let trusting = |authority: &Authority| json!({"tls": {"ca": authority.pem()}});
    let (store, proxy, client) = stage(&upstream, trusting(&one)).await;
    assert_eq!(client.get("/v1/orders").await.status, 200);

    let url = format!("https://localhost:{}", upstream.address().port());
    put(&store, &url, trusting(&other)).await;
    until("the other is trusted", async || {
        proxy.metric("tollgate_snapshot_generation").await >= Some(2.0)
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.status, 502);
}
