//! Clients that have to show a certificate.

mod principals;
mod revocation;

use std::io;

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Authority, Files, Pair, Process, Store, TlsClient, Upstream, ask, until};

/// A store, an upstream behind it, files, and who signs servers and clients.
struct Scene {
    store: Store,
    _upstream: Upstream,
    files: Files,
    servers: Authority,
    clients: Authority,
}

impl Scene {
    /// Clients must be signed by the authority in `clients.pem`.
    async fn new(more: Value) -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill(&upstream.url()).await;
        let files = Files::new();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        files.put("edge.pem", &servers.server(&["localhost"]).pem);
        files.put("clients.pem", &clients.pem());
        let scene = Self {
            store,
            _upstream: upstream,
            files,
            servers,
            clients,
        };
        scene.declare(more).await;
        scene
    }

    async fn declare(&self, more: Value) {
        let mut tls = json!({"client_ca": self.files.place("clients.pem")});
        tls.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let document = self.files.document(&["edge.pem"], &tls);
        self.store.put(Kind::Proxy, "edge", document).await;
    }

    async fn proxy(&self) -> Process {
        Process::start(&self.store, &[]).await
    }

    /// Asks as the client of that certificate.
    async fn ask(&self, proxy: &Process, pair: Option<&Pair>) -> io::Result<String> {
        let client = TlsClient::new(&self.servers, pair, rustls::ALL_VERSIONS);
        client.ask(proxy.address, &self.store.token).await
    }
}

fn is_answered(answer: &io::Result<String>) -> bool {
    answer
        .as_ref()
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[tokio::test]
async fn a_good_certificate_opens_the_connection_and_is_logged() {
    let scene = Scene::new(json!({})).await;
    let proxy = scene.proxy().await;
    let pair = scene.clients.client();

    assert!(is_answered(&scene.ask(&proxy, Some(&pair)).await));
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    let fingerprint = line["client_certificate"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 64);
    assert!(fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[tokio::test]
async fn a_certificate_is_no_key() {
    let scene = Scene::new(json!({})).await;
    let proxy = scene.proxy().await;
    let client = TlsClient::with(&scene.servers, &scene.clients.client());

    let answer = client
        .ask(proxy.address, &crate::support::token("nobody"))
        .await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_client_without_a_good_certificate_is_refused_whatever_is_wrong_with_it() {
    let scene = Scene::new(json!({})).await;
    let proxy = scene.proxy().await;
    let usage = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let stranger = Authority::new("strangers");
    let namesake = Authority::new("clients");
    let bad = [
        ("another authority's", stranger.client()),
        ("of an authority of the same name", namesake.client()),
        ("self-signed", Pair::self_signed("client.test")),
        ("a name with a NUL", {
            scene.clients.sign(&["client.test"], |params| {
                usage(params);
                let name = "client.test\0.evil.test".try_into().unwrap();
                params.subject_alt_names = vec![rcgen::SanType::DnsName(name)];
            })
        }),
        ("over", {
            scene.clients.sign(&["client.test"], |params| {
                usage(params);
                params.not_after = date_time_ymd(2020, 1, 1);
            })
        }),
        ("not begun", {
            scene.clients.sign(&["client.test"], |params| {
                usage(params);
                params.not_before = date_time_ymd(2090, 1, 1);
            })
        }),
        ("a server's", {
            scene.clients.sign(&["client.test"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })
        }),
    ];
    for (what, pair) in &bad {
        let answer = scene.ask(&proxy, Some(pair)).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    assert!(scene.ask(&proxy, None).await.is_err(), "none at all");
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::new(&scene.servers, None, &[version]);
        assert!(client.ask(proxy.address, &scene.store.token).await.is_err());
    }

    assert!(is_answered(
        &scene.ask(&proxy, Some(&scene.clients.client())).await
    ));
    until("every one is counted", async || {
        let count = async |reason: &str| {
            let series = format!("tollgate_connections_cut_total{{reason=\"{reason}\"}}");
            proxy.metric(&series).await
        };
        count("client_certificate").await == Some(10.0)
    })
    .await;
}

#[tokio::test]
async fn an_optional_certificate_may_be_missing_but_not_bad() {
    let scene = Scene::new(json!({"client_certificates": "optional"})).await;
    let proxy = scene.proxy().await;

    assert!(is_answered(&scene.ask(&proxy, None).await));
    assert!(is_answered(
        &scene.ask(&proxy, Some(&scene.clients.client())).await
    ));
    let stranger = Authority::new("strangers").client();
    assert!(scene.ask(&proxy, Some(&stranger)).await.is_err());
}

#[tokio::test]
async fn an_address_is_closed_where_clients_can_no_longer_be_verified() {
    let scene = Scene::new(json!({})).await;
    let document = scene.files.document(&["edge.pem"], &json!({}));
    scene.store.put(Kind::Proxy, "edge", document).await;
    let proxy = scene.proxy().await;
    assert!(is_answered(&scene.ask(&proxy, None).await));

    std::fs::remove_file(scene.files.path("clients.pem")).unwrap();
    scene.declare(json!({})).await;
    until("nothing listens there", async || {
        tokio::net::TcpStream::connect(proxy.address).await.is_err()
    })
    .await;
    let (status, page) = proxy.get("/readyz").await;
    assert!(
        status == 503 && page.contains("clients.pem can't be read"),
        "{page}"
    );
}

#[tokio::test]
async fn no_session_goes_on_where_clients_show_certificates() {
    let scene = Scene::new(json!({})).await;
    let edge = scene.files.place("edge.pem");
    let listen = json!({"listen": [
        {"address": "127.0.0.1:0", "tls": {"certificates": [edge], "client_ca": scene.files.place("clients.pem")}},
        {"address": "127.0.0.2:0", "tls": {"certificates": [edge]}},
    ]});
    scene.store.put(Kind::Proxy, "edge", listen).await;
    let proxy = scene.proxy().await;
    let listening = async |ip: &str| {
        let is_it = |line: &Value| {
            let address = line["address"].as_str();
            line["message"] == "listening" && address.is_some_and(|text| text.starts_with(ip))
        };
        let line = proxy.logged(is_it).await;
        line["address"].as_str().unwrap().parse().unwrap()
    };
    let (closed, open) = (listening("127.0.0.1:").await, listening("127.0.0.2:").await);
    for version in [&TLS12, &TLS13] {
        // A ticket of the one must not open the other.
        let without = TlsClient::new(&scene.servers, None, &[version]);
        for _ in 0..2 {
            let stream = without.connect(open, "localhost").await.unwrap();
            ask(stream, &scene.store.token).await.unwrap();
        }
        assert!(without.ask(closed, &scene.store.token).await.is_err());

        let with = TlsClient::new(&scene.servers, Some(&scene.clients.client()), &[version]);
        for address in [open, closed, closed] {
            let stream = with.connect(address, "localhost").await.unwrap();
            let (stream, _) = ask(stream, &scene.store.token).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_ne!(kind, Some(HandshakeKind::Resumed));
        }
    }
}
