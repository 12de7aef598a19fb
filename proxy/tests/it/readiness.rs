//! When a new proxy is ready to take the place of another.

use std::net::TcpListener;

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

/// A folder with a secret, and an upstream that is shown it by proxies at an address of their own.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
    address: std::net::SocketAddr,
}

impl Scene {
    async fn new(upstream: &Upstream) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let scene = Self {
            folder: tempfile::tempdir().unwrap(),
            store: Store::new(),
            address: free.local_addr().unwrap(),
        };
        drop(free);
        let value = format!("file:{}", scene.secret().display());
        let credential = json!({"header": {"name": "x-upstream-key", "value": value}});
        let more = json!({"credential": credential});
        scene.store.fill_targets(&[upstream.url()], more).await;
        let listen = json!({"listen": [{"address": scene.address.to_string()}]});
        scene.store.put(Kind::Proxy, "edge", listen).await;
        scene
    }

    fn secret(&self) -> std::path::PathBuf {
        self.folder.path().join("secret")
    }

    async fn shown(&self) -> Vec<String> {
        let client = Client::to(self.address).bearing(&self.store.token);
        client.get("/v1/orders").await.echoed("x-upstream-key")
    }
}

#[tokio::test]
async fn a_proxy_that_lacks_a_secret_takes_nobodys_place_who_has_it() {
    let upstream = Upstream::start().await;
    let scene = Scene::new(&upstream).await;
    std::fs::write(scene.secret(), "s3cret").unwrap();
    let mut old = Process::start(&scene.store, &[]).await;
    std::fs::remove_file(scene.secret()).unwrap();
    let new = Process::start_unready(&scene.store, &[]).await;
    let place = scene.secret().display().to_string();
    until("it says what it lacks", async || {
        let (status, page) = new.get("/readyz").await;
        status == 503 && page.contains(&format!("{place} can't be used"))
    })
    .await;
    new.logged(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("another process serves")
    })
    .await;
    for _ in 0..32 {
        assert_eq!(scene.shown().await, ["s3cret"]);
    }

    std::fs::write(scene.secret(), "s3cret").unwrap();
    new.listening("listening").await;
    until("it is ready", async || new.get("/readyz").await.0 == 200).await;
    old.signal("TERM");
    assert_eq!(old.ended().await, 0);
    assert_eq!(scene.shown().await, ["s3cret"]);
}

#[tokio::test]
async fn a_proxy_that_had_everything_stays_ready_whatever_is_added() {
    let upstream = Upstream::start().await;
    let scene = Scene::new(&upstream).await;
    std::fs::write(scene.secret(), "s3cret").unwrap();
    let proxy = Process::start(&scene.store, &[]).await;
    let value = format!("file:{}", scene.folder.path().join("none").display());
    let credential = json!({"header": {"name": "x-other-key", "value": value}});
    let other = json!({"targets": ["https://127.0.0.1:1"], "credential": credential});
    scene.store.put(Kind::Upstream, "other", other).await;
    let route = json!({"proxy": "edge", "path": "/v1/other", "upstream": "other"});
    scene.store.put(Kind::Route, "other", route).await;
    until("it is seen to be missing", async || {
        proxy.metric("tollgate_materials_failed").await == Some(1.0)
    })
    .await;

    assert_eq!(proxy.get("/readyz").await.0, 200);
    assert_eq!(scene.shown().await, ["s3cret"]);
}
