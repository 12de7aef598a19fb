//! Clients that are spoken to by TLS.

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{
    Authority, Files, Process, Secrets, Store, TlsClient, Upstream, ask, run_command, until,
};

/// A store, an upstream behind it, files, and who signs them.
struct Scene {
    store: Store,
    _upstream: Upstream,
    files: Files,
    authority: Authority,
}

impl Scene {
    /// The proxy's certificate is for `localhost`, in `edge.pem`.
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill(&upstream.url()).await;
        let (files, authority) = (Files::new(), Authority::new("servers"));
        files.put("edge.pem", &authority.server(&["localhost"]).pem);
        let scene = Self {
            store,
            _upstream: upstream,
            files,
            authority,
        };
        scene.declare(&["edge.pem"]).await;
        scene
    }

    async fn declare(&self, certificates: &[&str]) {
        let document = self.files.document(certificates, &json!({}));
        self.store.put(Kind::Proxy, "edge", document).await;
    }

    async fn proxy(&self) -> Process {
        Process::start(&self.store, &[]).await
    }

    fn client(&self) -> TlsClient {
        TlsClient::trusting(&self.authority)
    }

    /// The certificate that a client is shown.
    async fn shown(&self, proxy: &Process, client: &TlsClient, name: &str) -> Vec<u8> {
        let stream = client.connect(proxy.address, name).await.unwrap();
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        chain[0].to_vec()
    }
}

#[tokio::test]
async fn a_client_is_answered_by_http_1_and_says_so_to_the_upstream() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;

    let answer = scene
        .client()
        .ask(proxy.address, &scene.store.token)
        .await
        .unwrap();

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("[\"x-forwarded-proto\",\"https\"]"),
        "{answer}"
    );
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(
        (&line["tls"], &line["client_certificate"]),
        (&json!("1.3"), &json!(null))
    );
}

#[tokio::test]
async fn http_2_is_agreed_on_where_a_client_wants_it() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let client = scene.client().speaking(b"h2");

    let stream = client.connect(proxy.address, "localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/v1/orders")
        .header(
            "authorization",
            format!("Bearer {}", scene.store.token.expose()),
        )
        .body(Empty::<bytes::Bytes>::new());
    let response = sender.send_request(request.unwrap()).await.unwrap();

    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("[\"x-forwarded-proto\",\"https\"]"));
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(line["protocol"], "HTTP/2");
}

#[tokio::test]
async fn a_client_in_the_clear_or_of_another_protocol_is_turned_away_and_counted() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let plain = crate::support::Client::to(proxy.address);
    let request = plain.request("GET", "/v1/orders");
    let empty = Empty::new().map_err(|never| match never {}).boxed();
    assert!(plain.try_open(request.body(empty).unwrap()).await.is_err());

    let spdy = scene.client().speaking(b"spdy/3");
    assert!(spdy.connect(proxy.address, "localhost").await.is_err());
    until("both are counted", async || {
        let series = "tollgate_connections_cut_total{reason=\"tls_handshake\"}";
        proxy.metric(series).await == Some(2.0)
    })
    .await;
}

#[tokio::test]
async fn the_certificate_follows_the_name_that_a_client_asks_for() {
    let scene = Scene::new().await;
    let [first, second, wild] = [&["a.test", "nobody.test"][..], &["B.test"], &["*.c.test"]]
        .map(|names| scene.authority.server(names));
    for (name, pair) in [("a", &first), ("b", &second), ("c", &wild)] {
        scene.files.put(name, &pair.pem);
    }
    scene.declare(&["a", "b", "c"]).await;
    let proxy = scene.proxy().await;
    let client = scene.client();
    for (name, expected) in [
        ("a.test", &first),
        ("b.test", &second),
        ("x.c.test", &wild),
        ("nobody.test", &first),
    ] {
        let shown = scene.shown(&proxy, &client, name).await;
        assert!(shown == expected.certificate.to_vec(), "{name}");
    }
    let shown = scene
        .shown(&proxy, &client.clone().without_name(), "a.test")
        .await;
    assert!(shown == first.certificate.to_vec(), "without a name");
    // It gets the first, which is not its own.
    assert!(client.connect(proxy.address, "c.test").await.is_err());
}

/// How often a certificate is replaced: `make soak` wants to know it better.
fn swaps() -> u32 {
    match std::env::var_os("TOLLGATE_TEST_SOAK") {
        None => 10,
        Some(_) => 1_000,
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_without_a_failed_handshake() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let client = scene.client();
    let load = async {
        loop {
            client.ask(proxy.address, &scene.store.token).await.unwrap();
        }
    };
    let replace = async {
        for _ in 0..swaps() {
            let pair = scene.authority.server(&["localhost"]);
            scene.files.put("edge.pem", &pair.pem);
            until("the new certificate is shown", async || {
                let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
                shown == pair.certificate.to_vec()
            })
            .await;
        }
    };
    tokio::select! {
        () = replace => {}
        // It never ends.
        () = load => {}
    }
}

#[tokio::test]
async fn a_certificate_that_cant_be_used_keeps_the_old_one_and_is_named() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let other = scene.authority.server(&["localhost"]);
    let place = scene.files.place("edge.pem");
    let (certificate, _) = other
        .pem
        .split_at(other.pem.find("-----BEGIN PRIVATE").unwrap());
    for (pem, problem) in [
        (certificate, "holds no private key"),
        ("half a file", "holds no certificate"),
    ] {
        scene.files.put("edge.pem", pem);

        proxy
            .logged(|line| {
                let problem = line["problem"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(problem));
                problem && line["place"] == place.as_str()
            })
            .await;
        let answer = scene
            .client()
            .ask(proxy.address, &scene.store.token)
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, page) = proxy.get("/documents").await;
        assert!(page.contains(&place) && page.contains(problem), "{page}");
        assert_eq!(proxy.metric("tollgate_materials_failed").await, Some(1.0));
        assert_eq!(proxy.get("/readyz").await.0, 200);
    }

    scene.files.put("edge.pem", &other.pem);
    until("the new certificate is shown", async || {
        let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
        shown == other.certificate.to_vec()
    })
    .await;
    until("nothing is wrong any more", async || {
        proxy.metric("tollgate_materials_failed").await == Some(0.0)
    })
    .await;
    assert!(!proxy.output().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn an_address_whose_certificate_was_never_good_is_not_listened_on() {
    let scene = Scene::new().await;
    std::fs::remove_file(scene.files.path("edge.pem")).unwrap();
    let proxy = Process::start_unready(&scene.store, &[]).await;
    until("readiness tells why", async || {
        let (status, page) = proxy.get("/readyz").await;
        let place = scene.files.place("edge.pem");
        status == 503 && page.contains(&format!("{place} can't be read: No such file"))
    })
    .await;
    let output = run_command(&scene.store, &["check"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(
        told.contains("edge.pem can't be read: No such file"),
        "{told}"
    );

    let pair = scene.authority.server(&["localhost"]);
    scene.files.put("edge.pem", &pair.pem);
    let address = proxy.listening("listening").await;
    let answer = scene
        .client()
        .ask(address, &scene.store.token)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(run_command(&scene.store, &["check"]).status.code(), Some(0));
}

#[tokio::test]
async fn the_end_of_a_certificate_is_shown_and_warned_of() {
    let scene = Scene::new().await;
    let (soon, name) = (
        tollgate_proxy::clock::Clock::start().now().wall + jiff::SignedDuration::from_hours(48),
        "soon.pem",
    );
    let date = jiff::tz::Offset::UTC.to_datetime(soon).date();
    let [month, day] = [date.month(), date.day()].map(|part| u8::try_from(part).unwrap());
    let pair = scene.authority.sign(&["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(date.year().into(), month, day);
    });
    scene.files.put(name, &pair.pem);
    scene.declare(&["soon.pem"]).await;
    let proxy = scene.proxy().await;
    let place = scene.files.place(name);

    let line = proxy.logged(|line| line["place"] == place.as_str()).await;
    assert_eq!(
        (&line["level"], &line["at"]),
        (&json!("WARN"), &json!(format!("{date}T00:00:00Z")))
    );
    let series = format!(
        "tollgate_certificate_expiry_timestamp_seconds{{kind=\"certificate\",place=\"{place}\"}}"
    );
    let midnight = date
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp()
        .as_second();
    #[expect(clippy::cast_precision_loss, reason = "it is far below the limit")]
    let midnight = midnight as f64;
    assert_eq!(proxy.metric(&series).await, Some(midnight));
}

#[tokio::test]
async fn an_older_version_than_the_least_is_refused() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let [old, new] =
        [&TLS12, &TLS13].map(|version| TlsClient::new(&scene.authority, None, &[version]));
    let token = &scene.store.token;
    for client in [&old, &new] {
        assert!(client.ask(proxy.address, token).await.is_ok());
    }
    let line = proxy.accessed(|line| line["tls"] == "1.2").await;
    assert_eq!(line["status"], 200);

    let document = scene
        .files
        .document(&["edge.pem"], &json!({"min_version": "1.3"}));
    scene.store.put(Kind::Proxy, "edge", document).await;
    until("the old version is refused", async || {
        old.ask(proxy.address, token).await.is_err()
    })
    .await;
    assert!(new.ask(proxy.address, token).await.is_ok());
}

#[tokio::test]
async fn a_session_goes_on_without_a_new_handshake_also_past_a_new_certificate() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::new(&scene.authority, None, &[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let stream = client.connect(proxy.address, "localhost").await.unwrap();
            let (stream, _) = ask(stream, &scene.store.token).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);

        let pair = scene.authority.server(&["localhost"]);
        scene.files.put("edge.pem", &pair.pem);
        until("the new certificate is shown", async || {
            let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
            shown == pair.certificate.to_vec()
        })
        .await;
        let stream = client.connect(proxy.address, "localhost").await.unwrap();
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Resumed)
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_shake_hands_is_cut_off_and_delays_nobody() {
    let scene = Scene::new().await;
    let proxy = scene.proxy().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(proxy.address).await.unwrap());
    }
    let answer = scene
        .client()
        .ask(proxy.address, &scene.store.token)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    until("all of them are cut off", async || {
        let series = "tollgate_connections_cut_total{reason=\"tls_handshake_timeout\"}";
        proxy.metric(series).await == Some(20.0)
    })
    .await;
    drop(silent);
}

#[tokio::test]
async fn a_certificate_in_a_secret_is_served_and_replaced_within_a_poll() {
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf";
    const MISSING: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-AbCdEf";
    let scene = Scene::new().await;
    let secrets = Secrets::start().await;
    let first = scene.authority.server(&["localhost"]);
    secrets.put(ARN, &first.pem);
    let tls = json!({"certificates": [ARN, MISSING]});
    let listen = json!({"listen": [{"address": "127.0.0.1:0", "tls": tls}]});
    scene.store.put(Kind::Proxy, "edge", listen).await;
    let variables = [
        (
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            secrets.endpoint.as_str(),
        ),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let proxy = Process::start_lacking(&scene.store, &variables).await;
    let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
    assert!(shown == first.certificate.to_vec());
    let line = proxy.logged(|line| line["place"] == MISSING).await;
    assert_eq!(line["problem"], "can't be read: there is no such secret");

    // Without the right to read several at once, each is read by itself.
    secrets.deny_batch();
    let second = scene.authority.server(&["localhost"]);
    secrets.put(ARN, &second.pem);
    until("the new certificate is shown", async || {
        let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
        shown == second.certificate.to_vec()
    })
    .await;
    secrets.put(ARN, "no PEM");
    proxy
        .logged(|line| line["place"] == ARN && line["level"] == "ERROR")
        .await;
    let shown = scene.shown(&proxy, &scene.client(), "localhost").await;
    assert!(shown == second.certificate.to_vec());
    assert!(!proxy.output().contains("PRIVATE KEY"));
}
