//! Certificates that say who asks, and those that tokens are bound to.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_store::document::Kind;

use super::{Scene, is_answered};
use crate::support::{Authority, Issuer, Pair, TlsClient, read_head, until};

const ORDERS: &str = "spiffe://example.com/orders";

/// A client that a SPIFFE ID names.
fn workload(authority: &Authority, id: &str) -> Pair {
    authority.sign(&["client.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = rcgen::SanType::URI(id.try_into().unwrap());
        params.subject_alt_names.push(uri);
    })
}

/// Declares `importer`, which holds `everything` and is known by that.
async fn declare_principal(scene: &Scene, fields: Value) {
    let role = json!({"scopes": ["everything"]});
    scene.store.put(Kind::Role, "all", role).await;
    let mut principal = json!({"roles": ["all"]});
    let more = fields.as_object().unwrap().clone();
    principal.as_object_mut().unwrap().extend(more);
    scene
        .store
        .put(Kind::Principal, "importer", principal)
        .await;
}

/// Asks again and again on one connection, without a token.
async fn ask_on<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(stream).await;
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")
            .map(str::to_owned)
    });
    let length: usize = length.unwrap_or_default().parse().unwrap_or_default();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head
}

#[tokio::test]
async fn a_certificate_is_its_principal_and_a_changed_document_counts_on_open_connections() {
    let scene = Scene::new(json!({})).await;
    declare_principal(&scene, json!({"subjects": [{"san_uri": ORDERS}]})).await;
    let proxy = scene.proxy().await;
    let client = TlsClient::with(&scene.servers, &workload(&scene.clients, ORDERS));
    let stranger = workload(&scene.clients, "spiffe://example.com/orders2");
    let stranger = TlsClient::with(&scene.servers, &stranger);
    let mut stream = client.connect(proxy.address, "localhost").await.unwrap();
    let mut other = stranger.connect(proxy.address, "localhost").await.unwrap();

    let answer = ask_on(&mut stream, "/v1/mine").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = ask_on(&mut other, "/v1/other").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let line = proxy.accessed(|line| line["path"] == "/v1/mine").await;
    assert_eq!(
        (&line["principal"], &line["subject"]),
        (&json!("importer"), &json!(ORDERS))
    );
    let line = proxy.accessed(|line| line["path"] == "/v1/other").await;
    assert_eq!(line["reason"], "certificate_unknown");

    // The same connection, and another document.
    let elsewhere = json!({"subjects": [{"san_uri": ORDERS}], "allowed_cidrs": ["192.0.2.0/24"]});
    declare_principal(&scene, elsewhere).await;
    let mut answer = String::new();
    for _ in 0..3_000 {
        answer = ask_on(&mut stream, "/v1/late").await;
        if answer.starts_with("HTTP/1.1 401 ") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    proxy
        .accessed(|line| line["reason"] == "principal_address")
        .await;
}

#[tokio::test]
async fn explain_reads_a_certificate_from_a_file() {
    let scene = Scene::new(json!({})).await;
    declare_principal(&scene, json!({"subjects": [{"san_uri": ORDERS}]})).await;
    let known = scene.files.path("known.pem");
    std::fs::write(&known, workload(&scene.clients, ORDERS).pem).unwrap();
    let url = "https://localhost/v1/orders";
    let explain = |file: &std::path::Path| {
        let file = file.to_str().unwrap();
        let output = crate::support::run_command(
            &scene.store,
            &["explain", "GET", url, "--certificate", file],
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };

    let told = explain(&known);
    assert!(
        told.starts_with("allowed: ") && told.contains("principal \"importer\""),
        "{told}"
    );
    let unknown = scene.files.path("unknown.pem");
    std::fs::write(&unknown, scene.clients.client().pem).unwrap();
    let told = explain(&unknown);
    assert!(
        told.contains("certificate_unknown") && told.contains("client.test"),
        "{told}"
    );
}

#[tokio::test]
async fn a_token_of_a_certificate_opens_nothing_for_another() {
    let scene = Scene::new(json!({})).await;
    let issuer = Issuer::start().await;
    let document = issuer.document(&json!({}));
    scene.store.put(Kind::Issuer, "login", document).await;
    let proxy = scene.proxy().await;
    let (owner, thief) = (scene.clients.client(), scene.clients.client());
    let now = tollgate_proxy::clock::Clock::start().now().wall.as_second();
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &owner.certificate);
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
    let token = Issuer::sign(
        "k1",
        &json!({
            "iss": issuer.url, "aud": "orders", "sub": "alice", "scope": "everything",
            "exp": now + 300, "cnf": {"x5t#S256": thumbprint},
        }),
    );
    let ask = async |pair: &Pair| {
        let client = TlsClient::with(&scene.servers, pair);
        client.ask(proxy.address, &token).await
    };

    until("the owner's token is taken", async || {
        is_answered(&ask(&owner).await)
    })
    .await;
    let stolen = ask(&thief).await.unwrap();
    assert!(stolen.starts_with("HTTP/1.1 401"), "{stolen}");
    proxy
        .accessed(|line| line["reason"] == "token_certificate_other")
        .await;
}
