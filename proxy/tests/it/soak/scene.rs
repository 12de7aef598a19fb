//! The proxy, what is behind it, and what is known of both at a moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tollgate_store::Secret;
use tollgate_store::document::Kind;

use crate::support::{Authority, Echo, Files, GRANTED, Process, Store, TlsClient, Upstream, token};

/// The longest that a client thinks.
const THOUGHT_MAX: Duration = Duration::from_millis(25);

/// Everything that the load is about.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) proxy: Process,
    pub(super) files: Files,
    pub(super) authority: Authority,
    /// Where clients connect without TLS.
    pub(super) plain: SocketAddr,
    /// Where clients connect by TLS.
    pub(super) encrypted: SocketAddr,
    /// Of a key that comes and goes.
    pub(super) visitor: Secret,
    /// Of a key whose scope grants `/v1/reports` now and then, and `/v1/secrets` never.
    pub(super) clerk: Secret,
    /// Of a key that is in no store.
    pub(super) stranger: Secret,
    /// Whether the visitor's key is there.
    pub(super) has_visitor: Changing,
    /// Whether the clerk may read reports.
    pub(super) has_reports: Changing,
    /// Whether both targets of the upstream are up. While that is known, no connection is being cut.
    pub(super) are_both_up: Changing,
    /// Those that last: one target of the upstream, and the only one of another.
    pub(super) lasting: [Upstream; 2],
    _echo: Echo,
    seen: Mutex<BTreeMap<(&'static str, u16), u64>>,
    has_ended: AtomicBool,
}

/// Something that changes during the load.
#[derive(Default)]
pub(super) struct Changing(Mutex<Moment>);

/// What is known of it: nothing while it changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moment {
    changes: u64,
    value: Option<bool>,
}

impl Scene {
    /// With the target that is yet to be stopped and started.
    pub(super) async fn new() -> (Self, Upstream) {
        let [lasting, large] = [Upstream::start().await, Upstream::start().await];
        // At an address of its own, nobody else is given its port while it is stopped.
        let fragile = Upstream::start_at(([127, 0, 0, 3], 0).into()).await;
        let echo = Echo::start(GRANTED).await;
        let (store, files) = (Store::new(), Files::new());
        let authority = Authority::new("servers");
        files.put("edge.pem", &authority.server(&["localhost"]).pem);
        store.fill(&lasting.url()).await;
        declare_upstreams(&store, [&lasting, &fragile], &large, &echo).await;
        declare_listeners(&store, &files).await;
        let [visitor, clerk, stranger] = ["visitor", "clerk", "stranger"].map(token);
        store.put_key("visitor", &visitor, json!({})).await;
        let scene = Self {
            proxy: start(&store, &clerk).await,
            plain: ([0; 4], 0).into(),
            encrypted: ([0; 4], 0).into(),
            has_visitor: Changing::from(true),
            has_reports: Changing::from(false),
            are_both_up: Changing::from(true),
            lasting: [lasting, large],
            _echo: echo,
            seen: Mutex::default(),
            has_ended: AtomicBool::new(false),
            store,
            files,
            authority,
            visitor,
            clerk,
            stranger,
        };
        (scene.located().await, fragile)
    }

    async fn located(self) -> Self {
        let at = async |host: &str| {
            let is_it = |line: &Value| {
                let address = line["address"].as_str().unwrap_or_default();
                line["message"] == "listening" && address.starts_with(host)
            };
            let line = self.proxy.logged(is_it).await;
            line["address"].as_str().unwrap().parse().unwrap()
        };
        let (plain, encrypted) = (at("127.0.0.1:").await, at("127.0.0.2:").await);
        Self {
            plain,
            encrypted,
            ..self
        }
    }

    /// A client that speaks TLS.
    pub(super) fn tls(&self) -> TlsClient {
        TlsClient::trusting(&self.authority)
    }

    /// Declares what the clerk may do.
    pub(super) async fn put_reports(&self, are_granted: bool) {
        put_reports(&self.store, are_granted).await;
    }

    /// Notes an answer that the proxy must have counted, and by which route it came.
    pub(super) fn note(&self, route: &'static str, status: u16) {
        let mut seen = self.seen.lock().unwrap();
        *seen.entry((route, status)).or_default() += 1;
    }

    /// All answers, by route and status.
    pub(super) fn seen(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether the load still lasts.
    pub(super) fn goes_on(&self) -> bool {
        !self.has_ended.load(Ordering::SeqCst)
    }

    /// Lets the load come to its end.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

impl Changing {
    fn from(value: bool) -> Self {
        Self(Mutex::new(Moment {
            changes: 0,
            value: Some(value),
        }))
    }

    /// What is known now.
    pub(super) fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }

    /// From now on, nothing is known.
    pub(super) fn change(&self) {
        let mut moment = self.0.lock().unwrap();
        moment.changes += 1;
        moment.value = None;
    }

    /// From now on, it is known.
    pub(super) fn settle(&self, value: bool) {
        self.0.lock().unwrap().value = Some(value);
    }

    /// What it was all the time since a moment, where that is known.
    pub(super) fn since(&self, moment: Moment) -> Option<bool> {
        moment.value.filter(|_| self.now() == moment)
    }
}

/// Time in which a client does nothing.
pub(super) async fn think(chance: &mut StdRng) {
    tokio::time::sleep(chance.random_range(Duration::ZERO..THOUGHT_MAX)).await;
}

async fn start(store: &Store, clerk: &Secret) -> Process {
    put_reports(store, false).await;
    let scopes = json!({"scopes": ["clerical"]});
    store.put_key("clerk", clerk, scopes).await;
    Process::start(store, &[]).await
}

async fn put_reports(store: &Store, are_granted: bool) {
    let mut grants = vec![json!({"path": "/v1/orders"})];
    if are_granted {
        grants.push(json!({"path": "/v1/reports"}));
    }
    let scope = json!({ "grants": grants });
    store.put(Kind::Scope, "clerical", scope).await;
}

async fn declare_upstreams(store: &Store, both: [&Upstream; 2], large: &Upstream, echo: &Echo) {
    let upstream = json!({
        "targets": both.map(Upstream::url),
        "retries": {"attempts": 2},
        "health": {
            "path": "/healthz",
            "interval": "1s",
            "timeout": "10s",
            "healthy_after": 1,
            "unhealthy_after": 1,
        },
    });
    store.put(Kind::Upstream, "backend", upstream).await;
    for (name, url) in [("large", &large.url()), ("echo", &echo.url)] {
        let upstream = json!({"targets": [url]});
        store.put(Kind::Upstream, name, upstream).await;
    }
    for (name, path, upstream) in [
        ("mirror", "/v1/mirror", "large"),
        ("large", "/v1/large", "large"),
        ("sized", "/v1/sized", "large"),
        ("rude", "/v1/rude/**", "large"),
    ] {
        let route = json!({"proxy": "edge", "path": path, "upstream": upstream});
        store.put(Kind::Route, name, route).await;
    }
    let chat = json!({
        "proxy": "edge",
        "path": "/v1/chat",
        "upstream": "echo",
        "upgrades": ["websocket"],
    });
    store.put(Kind::Route, "chat", chat).await;
}

async fn declare_listeners(store: &Store, files: &Files) {
    let listen = json!({"listen": [
        {"address": "127.0.0.1:0"},
        {"address": "127.0.0.2:0", "tls": {"certificates": [files.place("edge.pem")]}},
    ]});
    store.put(Kind::Proxy, "edge", listen).await;
}
