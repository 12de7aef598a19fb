//! What every test needs: a store, an upstream, the proxy and a client.

mod authority;
mod client;
mod echo;
pub(crate) mod frames;
mod introspection_server;
mod issuer;
mod process;
mod redis;
mod secrets;
mod store;
mod tls;
mod token_server;
mod upstream;

pub(crate) use authority::{Authority, Pair};
pub(crate) use client::{Body, Client, Reply};
pub(crate) use echo::{Echo, GRANTED, read_head};
pub(crate) use introspection_server::IntrospectionServer;
pub(crate) use issuer::Issuer;
pub(crate) use process::{Attention, Process, run_command, run_command_with, run_to_end};
pub(crate) use redis::RedisServer;
pub(crate) use secrets::Secrets;
pub(crate) use store::{Store, key_id, token};
pub(crate) use tls::{Files, TlsClient, ask};
pub(crate) use token_server::TokenServer;
pub(crate) use upstream::{LARGE_PIECE_BYTES, LARGE_PIECES, Upstream};

use std::time::Duration;

/// How long a condition may take to come true: only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A store that lets the key `acme` everything below `/v1/`, an upstream behind it, and a proxy that serves it.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    pub(crate) proxy: Process,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::prepared(async |_| {}).await
    }

    /// The same with what `prepare` writes into the store before the proxy starts.
    pub(crate) async fn prepared(prepare: impl AsyncFnOnce(&Store)) -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill(&upstream.url()).await;
        prepare(&store).await;
        let proxy = Process::start(&store, &[]).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            store,
            upstream,
            proxy,
            client,
        }
    }
}

impl Stage {
    /// Clients that bear the key's token, one for each protocol.
    pub(crate) fn clients(&self) -> [Client; 2] {
        let client = || Client::new(&self.proxy).bearing(&self.store.token);
        [client(), client().by_http2()]
    }
}

/// Waits until a condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("it never came true that {what}"));
}
