//! Where names lead, and that it is followed. Each test has a file of its own in place of `/etc/hosts`.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, token, until};

/// The system's names.
struct Hosts(tempfile::NamedTempFile);

impl Hosts {
    /// `None` where the system lets nobody have names of their own.
    fn new(test: &str, text: &str) -> Option<Self> {
        if !Process::may_have_hosts() {
            println!("skipped {test}: there may be no namespace of mounts (unshare)");
            return None;
        }
        let hosts = Self(tempfile::NamedTempFile::new().unwrap());
        hosts.write(text);
        Some(hosts)
    }

    /// In place: what is mounted is the file, not its name.
    fn write(&self, text: &str) {
        let mut file = self.0.as_file();
        file.set_len(0).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    async fn start(&self, store: &Store) -> Process {
        Process::start_with_hosts(store, self.0.path()).await
    }
}

fn requests(upstream: &Upstream) -> usize {
    upstream.gate.requests.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_upstream_is_followed_where_its_name_leads() {
    let test = "an_upstream_is_followed_where_its_name_leads";
    let Some(hosts) = Hosts::new(test, "127.0.0.2 orders.test\n") else {
        return;
    };
    let old = Upstream::start_at(([127, 0, 0, 2], 0).into()).await;
    let port = old.address().port();
    let new = Upstream::start_at(SocketAddr::from(([127, 0, 0, 3], port))).await;
    let store = Store::new();
    store.fill(&format!("http://orders.test:{port}")).await;
    let proxy = hosts.start(&store).await;
    let client = Client::new(&proxy).bearing(&store.token);
    assert_eq!(client.get("/v1/orders").await.status, 200);
    assert_eq!((requests(&old), requests(&new)), (1, 0));

    hosts.write("127.0.0.3 orders.test\n");
    // Also those that were kept: no connection to where it led is used any more.
    until("all requests go where it leads", async || {
        let before = requests(&old);
        for _ in 0..20 {
            assert_eq!(client.get("/v1/orders").await.status, 200);
        }
        requests(&old) == before
    })
    .await;

    hosts.write("127.0.0.4 another.test\n");
    let kept = |line: &Value| line["host"] == "orders.test" && line["level"] == "WARN";
    proxy.logged(kept).await;
    assert_eq!(client.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn a_fleet_is_as_large_as_its_name_has_addresses() {
    let test = "a_fleet_is_as_large_as_its_name_has_addresses";
    let names = "127.0.0.2 two.test\n127.0.0.3 two.test\n\
                 127.0.0.2 three.test\n127.0.0.3 three.test\n127.0.0.4 three.test\n";
    let Some(hosts) = Hosts::new(test, names) else {
        return;
    };
    let upstream = Upstream::start().await;
    let store = Store::new();
    store.fill(&upstream.url()).await;
    let quota = json!({"limits": [{"requests": 12, "per": "1h"}]});
    store.put(Kind::Quota, "free", quota).await;
    let declare = async |name: &str| {
        let fleet = json!({"dns": name});
        let document = json!({"listen": [{"address": "127.0.0.1:0"}], "fleet": fleet});
        store.put(Kind::Proxy, "edge", document).await;
        let (key, quotas) = (name.trim_end_matches(".test"), json!({"quotas": ["free"]}));
        let counted = token(key);
        store.put_key(key, &counted, quotas).await;
        counted
    };
    declare("two.test").await;
    let proxy = hosts.start(&store).await;
    for (name, size, share) in [("two.test", 2, 6), ("three.test", 3, 4)] {
        let counted = declare(name).await;
        let is_told = |line: &Value| line["name"] == name && line["size"] == size;
        proxy.logged(is_told).await;
        let client = Client::new(&proxy).bearing(&counted);
        until("the key is known", async || {
            client.get("/v2").await.status == 403
        })
        .await;
        let mut admitted = 0;
        while client.get("/v1/orders").await.status == 200 {
            admitted += 1;
        }
        assert_eq!(admitted, share, "{name}");
    }
}
