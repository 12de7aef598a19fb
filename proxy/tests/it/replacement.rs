//! One proxy takes over from another, behind the same port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
        let reply = kept.get("/v1/orders").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        load.answered.fetch_add(1, Ordering::SeqCst);
    }
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
