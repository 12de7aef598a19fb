//! One proxy takes over from another, behind the same port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::{BodyExt, Empty};
use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

const CLIENTS: usize = 8;

/// What clients ask without an end, and what became of it.
#[derive(Default)]
struct Load {
    has_ended: AtomicBool,
    answered: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Connections {
    Kept,
    OneEach,
    Http2,
}

/// Asks until the load ends. Every request must be answered.
async fn ask(
    load: Arc<Load>,
    (address, kind): (std::net::SocketAddr, Connections),
    token: tollgate_store::Secret,
) {
    let client = || {
        let client = Client::to(address).bearing(&token);
        match kind {
            Connections::Http2 => client.by_http2(),
            _ => client,
        }
    };
    let mut kept = client();
    while !load.has_ended.load(Ordering::SeqCst) {
        if let Connections::OneEach = kind {
            kept = client();
        }
        let request = kept.request("GET", "/v1/orders");
        let empty = Empty::new().map_err(|never| match never {}).boxed();
        match kept.try_open(request.body(empty).unwrap()).await {
            Ok(response) => {
                let status = response.status();
                response.into_body().collect().await.unwrap();
                assert_eq!(status, 200);
                load.answered.fetch_add(1, Ordering::SeqCst);
            }
            // It says that the request was not taken.
            Err(error) if format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)") => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// It could only tell its share of the clients to come back.
#[tokio::test]
async fn a_proxy_without_documents_leaves_a_port_to_whoever_serves_it() {
    let upstream = Upstream::start().await;
    let store = Store::new();
    store.fill(&upstream.url()).await;
    let mut old = Process::start(&store, &["--listen", "127.0.0.1:0"]).await;
    let place = old.address.to_string();
    let empty = Store::new();
    let new = Process::start_unready(&empty, &["--listen", &place]).await;
    new.logged(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with(&format!(
            "{place} can't be listened on: another process serves"
        ))
    })
    .await;
    let address = old.address;
    let client = || Client::to(address).bearing(&store.token);
    for _ in 0..32 {
        assert_eq!(client().get("/v1/orders").await.status, 200);
    }

    empty.fill(&upstream.url()).await;
    empty.put_key("acme", &store.token, json!({})).await;
    new.listening("listening").await;
    old.signal("TERM");
    assert_eq!(old.ended().await, 0);
    assert_eq!(client().get("/v1/orders").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_a_proxy_is_replaced_under_load() {
    let upstream = Upstream::start().await;
    let store = Store::new();
    store.fill(&upstream.url()).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = json!({"listen": [{"address": address.to_string()}]});
    store.put(Kind::Proxy, "edge", listen).await;
    let mut old = Process::start(&store, &[]).await;
    let load = Arc::new(Load::default());
    let kinds = [Connections::Kept, Connections::OneEach, Connections::Http2];
    let clients: Vec<_> = kinds
        .iter()
        .flat_map(|kind| [*kind; CLIENTS])
        .map(|kind| tokio::spawn(ask(Arc::clone(&load), (address, kind), store.token.clone())))
        .collect();

    for _ in 0..3 {
        let new = Process::start(&store, &[]).await;
        old.signal("TERM");
        assert_eq!(old.ended().await, 0);
        let answered = load.answered.load(Ordering::SeqCst);
        until("the new one answers", async || {
            load.answered.load(Ordering::SeqCst) > answered + 1_000
                || clients.iter().any(tokio::task::JoinHandle::is_finished)
        })
        .await;
        old = new;
    }

    load.has_ended.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}
