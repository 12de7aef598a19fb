//! What upstreams need of Secrets Manager: read with each poll, and replaced without a restart.

use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};

use tollgate_store::Secret;
use tollgate_store::document::Kind;

use crate::support::{
    Authority, Client, IntrospectionServer, Process, Secrets, Store, Upstream, run_command, until,
};

const KEY: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbCdEf";
const CA: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ca-AbCdEf";
const CLIENT: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:client-AbCdEf";

struct Scene {
    store: Store,
    secrets: Secrets,
    proxy: Process,
    client: Client,
}

impl Scene {
    async fn new(target: &str, secrets: &[(&str, &str)], more: Value) -> Self {
        let store = Store::new();
        store.fill_targets(&[target], more).await;
        let stand_in = Secrets::start().await;
        for (arn, text) in secrets {
            stand_in.put(arn, text);
        }
        let endpoint = stand_in.endpoint.clone();
        let proxy = Process::start_in(&store, &[], &variables(&endpoint)).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            store,
            secrets: stand_in,
            proxy,
            client,
        }
    }
}

fn variables(endpoint: &str) -> [(&str, &str); 3] {
    [
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}

/// A server that takes only clients that `authority` signed for.
async fn server(authority: &Authority) -> Upstream {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pair = authority.server(&["localhost"]);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let key = PrivatePkcs8KeyDer::from(pair.key.clone());
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![pair.certificate.clone()], key.into());
    Upstream::start_encrypted(Arc::new(config.unwrap())).await
}

#[tokio::test]
async fn a_secret_is_shown_and_replaced_within_a_poll_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::start().await;
    let credential = json!({"credential": {"header": {"name": "x-upstream-key", "value": KEY}}});
    let scene = Scene::new(&upstream.url(), &[(KEY, "s3cret-one")], credential).await;
    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.echoed("x-upstream-key"), ["s3cret-one"]);

    scene.secrets.put(KEY, "s3cret-two");
    until("the new secret is shown", async || {
        let reply = scene.client.get("/v1/orders").await;
        reply.echoed("x-upstream-key") == ["s3cret-two"]
    })
    .await;
    scene.secrets.put(KEY, "two\nlines");
    let told = scene.proxy.logged(|line| line["place"] == KEY).await;
    assert_eq!(told["fault"], "it must hold one line of text");
    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.echoed("x-upstream-key"), ["s3cret-two"]);
    until("it is counted and named", async || {
        let (_, page) = scene.proxy.get("/documents").await;
        scene.proxy.metric("tollgate_materials_failed").await == Some(1.0) && page.contains(KEY)
    })
    .await;
    let output = scene.proxy.output();
    assert!(!output.contains("s3cret"), "a secret is in the log");
}

#[tokio::test]
async fn authorities_and_a_client_certificate_come_from_secrets_and_its_end_is_told() {
    let (authority, other) = (Authority::new("Authority"), Authority::new("Other"));
    let upstream = server(&authority).await;
    let url = format!("https://localhost:{}", upstream.address().port());
    let stranger = other.client();
    let secrets = [(CA, authority.pem()), (CLIENT, stranger.pem)];
    let secrets = secrets.each_ref().map(|(arn, pem)| (*arn, pem.as_str()));
    let tls = json!({"tls": {"ca": CA, "certificate": CLIENT}});
    let scene = Scene::new(&url, &secrets, tls).await;
    assert_eq!(scene.client.get("/v1/orders").await.status, 502);

    // One that is good for long is not warned of, one that was over long ago is an error.
    let series = format!(
        "tollgate_certificate_expiry_timestamp_seconds{{kind=\"client_certificate\",place=\"{CLIENT}\"}}"
    );
    let ours = authority.sign(&["proxy.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(2030, 1, 1);
    });
    scene.secrets.put(CLIENT, &ours.pem);
    until("the upstream takes the proxy", async || {
        scene.client.get("/v1/orders").await.status == 200
    })
    .await;
    until("its end is told", async || {
        scene.proxy.metric(&series).await == Some(1_893_456_000.0)
    })
    .await;
    scene.secrets.put(CLIENT, "no PEM");
    scene.proxy.logged(|line| line["level"] == "ERROR").await;
    assert_eq!(scene.client.get("/v1/orders").await.status, 200);

    let over = authority.sign(&["proxy.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    scene.secrets.put(CLIENT, &over.pem);
    let told = scene
        .proxy
        .logged(|line| line["what"] == "client_certificate")
        .await;
    assert_eq!(
        (&told["place"], &told["level"]),
        (&json!(CLIENT), &json!("ERROR"))
    );
    assert!(!scene.proxy.output().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_check_names_what_upstreams_and_issuers_cant_use() {
    let store = Store::new();
    let missing = "file:/nowhere/client.pem";
    let more = json!({
        "tls": {"certificate": missing},
        "credential": {"header": {"name": "x-upstream-key", "value": "file:/nowhere/key"}},
    });
    store.fill_targets(&["https://orders.test"], more).await;
    let issuer = json!({
        "url": "https://login.test/", "audiences": ["orders"], "ca": "file:/nowhere/ca.pem",
        "introspection": {
            "url": "https://login.test/introspect", "client_id": "edge", "client_secret": "file:/nowhere/secret",
        },
    });
    store.put(Kind::Issuer, "login", issuer).await;
    let output = tokio::task::spawn_blocking(move || run_command(&store, &["check"]));
    let output = output.await.unwrap();

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    let issuers = ["file:/nowhere/ca.pem", "file:/nowhere/secret"];
    for place in [missing, "file:/nowhere/key"].into_iter().chain(issuers) {
        let line = format!("{place} can't be read: No such file or directory");
        assert!(text.contains(&line), "{text}");
    }
    let text = String::from_utf8(output.stderr).unwrap();
    let expected = "4 certificates, secrets or the like can't be used";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn an_issuers_authority_comes_from_a_secret_and_is_replaced_without_a_restart() {
    let (own, stranger) = (Authority::new("Own"), Authority::new("Stranger"));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let issuer = IntrospectionServer::start_encrypted(&own.server(&["127.0.0.1"])).await;
    issuer.activate("op_good");
    let upstream = Upstream::start().await;
    let secrets = [(CA, stranger.pem()), (KEY, "its secret".to_owned())];
    let secrets = secrets.each_ref().map(|(arn, text)| (*arn, text.as_str()));
    let scene = Scene::new(&upstream.url(), &secrets, json!({})).await;
    let document = json!({
        "url": issuer.url, "audiences": ["orders"], "any_subject": true, "ca": CA,
        "introspection": {
            "url": format!("{}/introspect", issuer.url), "client_id": "the_proxy", "client_secret": KEY,
        },
    });
    scene.store.put(Kind::Issuer, "login", document).await;
    let token = Secret::new("op_good".to_owned());
    let client = Client::new(&scene.proxy).bearing(&token);
    until("the issuer is known, and not believed", async || {
        client.get("/v1/orders").await.status == 503
    })
    .await;
    assert_eq!(issuer.asked().len(), 0);

    scene.secrets.put(CA, &own.pem());
    until("the issuer is believed", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
}
