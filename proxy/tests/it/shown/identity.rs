//! What upstreams are told of who asks.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use super::Scene;
use crate::support::{Client, Issuer, key_id, until};

#[tokio::test]
async fn an_upstream_is_told_who_asks_in_its_own_headers_and_clients_cant_write_them() {
    let scene = Scene::new(&[], |_| {
        json!({"identity": {
            "principal": "x-user", "key": "x-client", "key_id": "x-client-id", "scopes": "x-roles",
        }})
    })
    .await;
    let client = scene.principal().await;
    let forged = |client: &Client| {
        let mut request = client.request("GET", "/v1/orders");
        for name in ["x-user", "X_USER", "x-client", "x_client_id", "x-roles"] {
            request = request.header(name, "root");
        }
        request
    };
    let reply = client.send(forged(&client)).await;
    assert_eq!(reply.echoed("x-user"), ["acme"]);
    assert_eq!(reply.echoed("x-client"), ["acme-ci"]);
    assert_eq!(reply.echoed("x-client-id"), [key_id("acme-ci").to_string()]);
    assert_eq!(reply.echoed("x-roles"), ["everything"]);
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // A key that stands alone has no principal, and nobody else may be one for it.
    let alone = scene.client.send(forged(&scene.client)).await;
    assert_eq!(alone.echoed("x-user"), Vec::<String>::new());
    assert!(!alone.text().contains("root"), "{}", alone.text());
}

#[tokio::test]
async fn a_signed_token_tells_who_asks_and_its_key_is_published() {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .unwrap()
        .serialize_pem();
    let scene = Scene::new(&[("key.pem", &pem)], |place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "ttl": "30s", "key": place("key.pem"),
        }}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    let token = reply.echoed("x-caller").remove(0);
    let [head, claims] = [0, 1].map(|number| decoded(&token, number));
    assert_eq!(claims["aud"], "orders");
    assert_eq!(claims["sub"], "key:acme");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 30);
    let (status, jwks) = scene.proxy.get("/jwks").await;
    let jwks: Value = serde_json::from_str(&jwks).unwrap();
    assert_eq!(status, 200);
    assert_eq!(jwks["keys"][0]["kid"], head["kid"]);
    assert!(jwks["keys"][0].get("d").is_none(), "it is the public key");
    // Another request of the same caller's needs no other one.
    let again = scene.client.get("/v1/orders").await;
    assert_eq!(again.echoed("x-caller"), [token.as_str()]);

    // Whoever asks finds the same keys where clients connect, once that is declared.
    let path = "/.well-known/jwks.json";
    let stranger = Client::new(&scene.proxy);
    assert_eq!(stranger.get(path).await.status, 401);
    let listen = json!({"listen": [{"address": "127.0.0.1:0"}], "jwks_path": path});
    scene.store.put(Kind::Proxy, "edge", listen).await;
    until("the keys are public", async || {
        stranger.get(path).await.status == 200
    })
    .await;
    let page = stranger.get(path).await;
    assert_eq!(
        page.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(serde_json::from_str::<Value>(&page.text()).unwrap(), jwks);

    // Rotated without a restart.
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    scene.replace("key.pem", &other.serialize_pem());
    until("tokens are signed by the new key", async || {
        let reply = scene.client.get("/v1/orders").await;
        decoded(&reply.echoed("x-caller")[0], 0)["alg"] == "EdDSA"
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_called_like_a_principal_is_another_subject() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let scene = Scene::new(&[("key.pem", &key.serialize_pem())], |place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "key": place("key.pem"),
        }}})
    })
    .await;
    let principal = scene.principal().await;

    for (client, subject) in [(&scene.client, "key:acme"), (&principal, "principal:acme")] {
        let reply = client.get("/v1/orders").await;
        let claims = decoded(&reply.echoed("x-caller")[0], 1);
        assert_eq!(claims["sub"], subject);
    }
}

#[tokio::test]
async fn without_its_key_no_request_is_sent_on() {
    let scene = Scene::lacking(|place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "key": place("missing.pem"),
        }}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_identity");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upstream_is_told_the_subject_and_the_issuer_of_a_token_and_nobody_forges_them() {
    let scene = Scene::new(
        &[],
        |_| json!({"identity": {"subject": "x-subject", "issuer": "x-issuer"}}),
    )
    .await;
    let issuer = Issuer::start().await;
    let document = issuer.document(&json!({}));
    scene.store.put(Kind::Issuer, "login", document).await;
    let bearing = |subject: &str| Client::new(&scene.proxy).bearing(&issuer.token("k1", subject));
    let forged = |client: &Client| {
        let request = client.request("GET", "/v1/orders");
        request
            .header("x-subject", "root")
            .header("X_Issuer", "root")
    };
    let alice = bearing("alice");
    until("the issuer's tokens are taken", async || {
        alice.get("/v1/orders").await.status == 200
    })
    .await;
    let reply = alice.send(forged(&alice)).await;
    assert_eq!(reply.echoed("x-subject"), ["alice"]);
    assert_eq!(reply.echoed("x-issuer"), ["login"]);
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // A key is no issuer's token.
    let reply = scene.client.send(forged(&scene.client)).await;
    assert_eq!(reply.echoed("x-subject"), Vec::<String>::new());
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // What an upstream could read as somebody else is told as nobody.
    let before = scene.upstream.gate.requests.load(Ordering::SeqCst);
    for (subject, status, reason) in [
        (" alice", 502, "upstream_identity"),
        ("\u{e4}lice", 502, "upstream_identity"),
        ("alice\r\nx-user: root", 401, "token_claim"),
        ("alice\0", 401, "token_claim"),
    ] {
        let reply = bearing(subject).get("/v1/orders").await;
        assert_eq!(reply.status, status, "{subject:?}");
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(scene.reason(id).await, reason, "{subject:?}");
    }
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), before);
}

/// A part of a token, as JSON.
fn decoded(token: &str, number: usize) -> Value {
    use base64::Engine as _;

    let part = token.split('.').nth(number).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}
