//! Clients on the same machine, by a Unix socket.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tollgate_store::document::Kind;

use crate::support::{Process, Store, Upstream, until};

const HEADER: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

struct Scene {
    store: Store,
    _upstream: Upstream,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new(more: Value) -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill(&upstream.url()).await;
        let scene = Self {
            store,
            _upstream: upstream,
            folder: tempfile::tempdir().unwrap(),
        };
        let mut unix = json!({"address": format!("unix:{}", scene.path().display())});
        unix.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let listen = json!({"listen": [{"address": "127.0.0.1:0"}, unix]});
        scene.store.put(Kind::Proxy, "edge", listen).await;
        scene
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tollgate.sock")
    }

    async fn ask(&self, header: &str) -> String {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        let request = format!(
            "{header}GET /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.store.token.expose()
        );
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn a_client_by_a_unix_socket_has_no_address() {
    let scene = Scene::new(json!({})).await;
    let proxy = Process::start(&scene.store, &[]).await;

    let answer = scene.ask("").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("x-forwarded-for"), "{answer}");
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(line["client"], json!(null));
}

#[tokio::test]
async fn a_key_that_is_bound_to_addresses_is_refused_without_one() {
    let scene = Scene::new(json!({})).await;
    let everywhere = json!({"allowed_cidrs": ["0.0.0.0/0", "::/0"]});
    scene
        .store
        .put_key("acme", &scene.store.token, everywhere)
        .await;
    let proxy = Process::start(&scene.store, &[]).await;

    let answer = scene.ask("").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(line["reason"], "credential_address");
}

#[tokio::test]
async fn the_proxy_protocol_tells_the_address_by_a_unix_socket_too() {
    let scene = Scene::new(json!({"proxy_protocol": ["unix"]})).await;
    let proxy = Process::start(&scene.store, &[]).await;

    let answer = scene.ask(HEADER).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(line["client"], "192.0.2.7");
    assert_eq!(scene.ask("").await, "");
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_ones_own_is_removed() {
    let scene = Scene::new(json!({})).await;
    drop(std::os::unix::net::UnixListener::bind(scene.path()).unwrap());
    let mut proxy = Process::start(&scene.store, &[]).await;
    assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));

    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, 0);
    assert!(!scene.path().exists());
}

#[tokio::test]
async fn a_proxy_without_documents_leaves_a_socket_to_whoever_listens_on_it() {
    let scene = Scene::new(json!({})).await;
    let old = Process::start(&scene.store, &[]).await;
    let place = format!("unix:{}", scene.path().display());
    let new = Process::start_unready(&Store::new(), &["--listen", &place]).await;
    new.logged(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with(&format!("{place} can't be listened on"))
    })
    .await;

    assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));
    drop(old);
}

#[tokio::test]
async fn no_request_is_lost_while_a_proxy_takes_a_socket_over() {
    let scene = Scene::new(json!({})).await;
    let mut old = Process::start(&scene.store, &[]).await;
    let asking = async {
        loop {
            let answer = scene.ask("").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    };
    let replacing = async {
        let new = Process::start(&scene.store, &[]).await;
        old.signal("TERM");
        assert_eq!(old.ended().await, 0);
        new
    };
    let new = tokio::select! {
        () = asking => unreachable!("it asks for ever"),
        new = replacing => new,
    };

    assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));
    new.accessed(|line| line["path"] == "/v1/orders").await;
}

#[tokio::test]
async fn a_proxy_gets_its_socket_back_when_who_took_it_over_is_gone() {
    let scene = Scene::new(json!({})).await;
    let old = Process::start(&scene.store, &[]).await;
    for signal in ["KILL", "TERM"] {
        let mut new = Process::start(&scene.store, &[]).await;
        new.signal(signal);
        until("it has ended", || std::future::ready(new.has_ended())).await;
        until("the old one is asked again", async || {
            tokio::net::UnixStream::connect(scene.path()).await.is_ok()
        })
        .await;
        assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));
    }
    old.accessed(|line| line["path"] == "/v1/orders").await;
}

#[tokio::test]
async fn a_proxy_that_cant_listen_everywhere_takes_no_socket_over() {
    let scene = Scene::new(json!({})).await;
    let old = Process::start(&scene.store, &[]).await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = held.local_addr().map(|address| (address, held)).unwrap();
    let unix = format!("unix:{}", scene.path().display());
    let listen = json!({"listen": [{"address": held.0.to_string()}, {"address": unix}]});
    scene.store.put(Kind::Proxy, "edge", listen).await;
    let new = Process::start_unready(&scene.store, &[]).await;
    new.logged(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with(&format!("{unix} can't be listened on"))
    })
    .await;

    assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));
    old.accessed(|line| line["path"] == "/v1/orders").await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_stays_and_keeps_a_new_proxy_from_being_ready() {
    let scene = Scene::new(json!({})).await;
    std::fs::write(scene.path(), "mine").unwrap();
    let proxy = Process::start_unready(&scene.store, &[]).await;
    until("it tells", async || {
        let (status, text) = proxy.get("/readyz").await;
        status == 503 && text.contains("tollgate.sock can't be listened on")
    })
    .await;
    assert_eq!(std::fs::read_to_string(scene.path()).unwrap(), "mine");

    std::fs::remove_file(scene.path()).unwrap();
    until("it is ready", async || proxy.get("/readyz").await.0 == 200).await;
    assert!(scene.ask("").await.starts_with("HTTP/1.1 200"));
}
