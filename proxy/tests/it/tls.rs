//! Upstreams that are spoken to by TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

#[tokio::test]
async fn an_upstream_proves_who_it_is() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, pair.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let upstream = Upstream::start_encrypted(Arc::new(config)).await;
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
        .accessed(|line| line["reason"] == "upstream_connect")
        .await;
}
