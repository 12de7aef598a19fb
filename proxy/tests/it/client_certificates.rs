//! Clients that have to show a certificate.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_store::document::Kind;

use crate::support::{
    Authority, Echo, Files, GRANTED, Issuer, PATIENCE, Pair, Process, Store, TlsClient, Upstream,
    ask, read_head, until,
};

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
async fn a_websocket_of_a_revoked_certificate_ends_within_a_poll() {
    let scene = Scene::new(json!({})).await;
    let echo = Echo::start(GRANTED).await;
    let backend = json!({"targets": [echo.url]});
    scene.store.put(Kind::Upstream, "backend", backend).await;
    let route = json!({
        "proxy": "edge", "path": "/v1/**", "upstream": "backend", "upgrades": ["websocket"],
    });
    scene.store.put(Kind::Route, "all", route).await;
    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2090));
    let crl = json!({"client_crl": scene.files.place("crl.pem")});
    scene.declare(crl).await;
    let proxy = scene.proxy().await;
    let pair = scene.clients.client();
    let client = TlsClient::with(&scene.servers, &pair);
    let mut stream = client.connect(proxy.address, "localhost").await.unwrap();
    let request = format!(
        "GET /v1/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: y\r\nAuthorization: Bearer {}\r\n\r\n",
        scene.store.token.expose()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&pair], 2090));

    let mut rest = Vec::new();
    // An end without a farewell is an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
    let line = proxy.accessed(|line| line["path"] == "/v1/chat").await;
    assert_eq!(line["reason"], "client_withdrawn");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_within_a_poll_and_a_bad_list_changes_nothing() {
    let scene = Scene::new(json!({})).await;
    let (good, bad) = (scene.clients.client(), scene.clients.client());
    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2090));
    let crl = json!({"client_crl": scene.files.place("crl.pem")});
    scene.declare(crl).await;
    let proxy = scene.proxy().await;
    for pair in [&good, &bad] {
        assert!(is_answered(&scene.ask(&proxy, Some(pair)).await));
    }

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&bad], 2090));
    until("the revoked one is refused", async || {
        scene.ask(&proxy, Some(&bad)).await.is_err()
    })
    .await;
    assert!(is_answered(&scene.ask(&proxy, Some(&good)).await));

    scene.files.put("crl.pem", "no list");
    proxy
        .logged(|line| {
            line["problem"]
                .as_str()
                .is_some_and(|text| text.starts_with("holds no list"))
        })
        .await;
    assert!(scene.ask(&proxy, Some(&bad)).await.is_err());
    assert!(is_answered(&scene.ask(&proxy, Some(&good)).await));
}

#[tokio::test]
async fn an_open_connection_is_finished_when_others_are_let_in() {
    let scene = Scene::new(json!({})).await;
    let proxy = scene.proxy().await;
    let pair = scene.clients.client();
    let client = TlsClient::with(&scene.servers, &pair);
    let mut idle = client.connect(proxy.address, "localhost").await.unwrap();
    // With the handshake's last message the client believes to be let in.
    assert!(is_answered(&scene.ask(&proxy, Some(&pair)).await));

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&pair], 2090));
    scene
        .declare(json!({"client_crl": scene.files.place("crl.pem")}))
        .await;
    let mut byte = [0; 1];
    let ended = idle.read(&mut byte);
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn a_list_that_is_out_of_date_lets_nobody_in() {
    let scene = Scene::new(json!({})).await;
    let pair = scene.clients.client();
    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2021));
    scene
        .declare(json!({"client_crl": scene.files.place("crl.pem")}))
        .await;
    let proxy = scene.proxy().await;

    assert!(scene.ask(&proxy, Some(&pair)).await.is_err());
    let line = proxy.logged(|line| line["what"] == "revocation_list").await;
    assert_eq!(line["level"], "ERROR");

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2090));
    until("a new list lets them in again", async || {
        is_answered(&scene.ask(&proxy, Some(&pair)).await)
    })
    .await;
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

/// A client that a SPIFFE ID names.
fn workload(authority: &Authority, id: &str) -> Pair {
    authority.sign(&["client.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = rcgen::SanType::URI(id.try_into().unwrap());
        params.subject_alt_names.push(uri);
    })
}

const ORDERS: &str = "spiffe://example.com/orders";

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
