//! Quotas of a fleet that counts in a real Redis or Valkey.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate_store::Secret;
use tollgate_store::document::Kind;

use crate::support::{
    Authority, Client, Files, Process, RedisServer, Store, Upstream, key_id, token, until,
};

mod clusters;
mod endings;
mod refusals;
mod secrets;

/// So many at once, and one each is as small as it can be.
const FLEET: usize = 10;
const UP: &str = "tollgate_counters_up ";

/// A fleet that counts a key together.
struct Fleet {
    store: Store,
    _upstream: Upstream,
    proxies: Vec<Process>,
    counted: Secret,
}

impl Fleet {
    async fn start(size: usize, counters: Value, quota: Value) -> Self {
        Self::start_in(size, (counters, quota), &[]).await
    }

    /// The same with more environment variables.
    async fn start_in(
        size: usize,
        (counters, quota): (Value, Value),
        variables: &[(&str, &str)],
    ) -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill(&upstream.url()).await;
        let listen = json!([{"address": "127.0.0.1:0"}]);
        let edge = json!({"listen": listen, "counters": counters, "fleet": {"size": size}});
        store.put(Kind::Proxy, "edge", edge).await;
        store.put(Kind::Quota, "free", quota).await;
        let counted = token("counted");
        let key = json!({"quotas": ["free"]});
        store.put_key("counted", &counted, key).await;
        let workers = ["--workers", "1"];
        let starting = (0..size).map(|_| Process::start_in(&store, &workers, variables));
        Self {
            proxies: join_all(starting).await,
            store,
            _upstream: upstream,
            counted,
        }
    }

    /// The same, once all have reached their store.
    async fn start_counting(size: usize, counters: Value, quota: Value) -> Self {
        let fleet = Self::start(size, counters, quota).await;
        fleet.all_are(1.0).await;
        fleet
    }

    fn client(&self, proxy: usize) -> Client {
        Client::new(&self.proxies[proxy % self.proxies.len()]).bearing(&self.counted)
    }

    /// Sends so many requests at once, one from each client, to the proxies in turn: how many got each status.
    async fn crowd(&self, requests: usize) -> BTreeMap<u16, usize> {
        let asking = (0..requests).map(async |number| {
            let reply = self.client(number).get("/v1/orders").await;
            if reply.status == 200 {
                assert!(reply.header("ratelimit").is_some());
            }
            reply.status
        });
        let mut statuses = BTreeMap::new();
        for status in join_all(asking).await {
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }

    async fn all_are(&self, up: f64) {
        for proxy in &self.proxies {
            until("the counters are as expected", async || {
                proxy.metric(UP).await == Some(up)
            })
            .await;
        }
    }

    async fn sum(&self, series: &str) -> f64 {
        let values = self.proxies.iter().map(|proxy| proxy.metric(series));
        let values = join_all(values).await;
        values.into_iter().flatten().sum()
    }
}

fn counters(server: &RedisServer) -> Value {
    json!({"url": server.url(), "timeout": "1s"})
}

fn per_hour(requests: u32) -> Value {
    json!({"limits": [{"requests": requests, "per": "1h"}]})
}

/// The keys of what it counts, without those that only try whether it does.
async fn keys(server: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    keys.retain(|key| !key.ends_with("}probe") && !key.contains("|b|"));
    keys
}

/// All that it counts, of strict limits.
async fn counted(server: &RedisServer) -> usize {
    let mut counted = 0;
    for key in keys(server).await {
        let cells: Vec<usize> = server.ask(&["HVALS", &key]).await;
        counted += cells.iter().sum::<usize>();
    }
    counted
}

fn remaining(reply: &crate::support::Reply) -> u32 {
    let limit = reply.header("ratelimit").unwrap();
    let rest = limit.split(";r=").nth(1).unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_proxies_admit_ten_of_a_crowd_and_tell_each_how_it_stands() {
    let server = RedisServer::start();
    let quota = json!({"limits": [{"requests": 10, "per": "1m"}]});
    let fleet = Fleet::start_counting(FLEET, counters(&server), quota).await;

    let asking = (0..100).map(async |number| fleet.client(number).get("/v1/orders").await);
    let replies = join_all(asking).await;
    let (admitted, refused): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.status == 200);
    let mut told: Vec<_> = admitted.iter().map(|reply| remaining(reply)).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(refused.len(), 90);
    for reply in refused {
        assert_eq!((reply.status, remaining(reply)), (429, 0));
        assert!(reply.header("retry-after").is_some());
    }
    let asked = fleet
        .sum("tollgate_counters_calls_total{result=\"admitted\"} ")
        .await;
    assert!((10.0..=10.0).contains(&asked), "{asked}");
    // Every key goes by itself.
    let keys = keys(&server).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].starts_with("tollgate:test:edge:{k|"), "{keys:?}");
    let left: i64 = server.ask(&["PTTL", &keys[0]]).await;
    assert!((1..=62_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_client_that_goes_from_proxy_to_proxy_has_one_count() {
    let server = RedisServer::start();
    let fleet = Fleet::start_counting(3, counters(&server), per_hour(6)).await;

    for number in 0..6 {
        let reply = fleet.client(number).get("/v1/orders").await;
        let left = 5 - u32::try_from(number).unwrap();
        assert_eq!((reply.status, remaining(&reply)), (200, left));
    }
    for number in 0..3 {
        assert_eq!(fleet.client(number).get("/v1/orders").await.status, 429);
    }
    // A process that is new knows of it at once.
    let newcomer = Process::start(&fleet.store, &[]).await;
    let client = Client::new(&newcomer).bearing(&fleet.counted);
    assert_eq!(client.get("/v1/orders").await.status, 429);
}

#[tokio::test]
async fn without_its_store_each_proxy_admits_its_share_and_the_store_learns_of_it() {
    let mut server = RedisServer::start();
    let fleet = Fleet::start_counting(2, counters(&server), per_hour(8)).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);

    server.stop();
    let statuses = fleet.crowd(40).await;
    // One of the first one's share is used up before.
    assert_eq!(statuses, BTreeMap::from([(200, 7), (429, 33)]));
    fleet.all_are(0.0).await;
    let lost = fleet.proxies[0]
        .logged(|line| line["message"].as_str().unwrap().contains("can't be asked"))
        .await;
    assert_eq!(lost["level"], "WARN");

    server.restart();
    fleet.all_are(1.0).await;
    // Each has 4 of 8, and the larger of the two counts.
    let statuses = fleet.crowd(40).await;
    assert_eq!(statuses, BTreeMap::from([(200, 4), (429, 36)]));
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_by_more_than_a_few_requests() {
    let server = RedisServer::start();
    let declared = json!({"url": server.url(), "timeout": "200ms"});
    let fleet = Fleet::start_counting(1, declared, per_hour(999)).await;
    server.freeze();

    for _ in 0..50 {
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
    }
    fleet.all_are(0.0).await;
    let late = fleet
        .sum("tollgate_counters_calls_total{result=\"late\"} ")
        .await;
    assert!((1.0..=5.0).contains(&late), "{late}");
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!((50.0..=50.0).contains(&unheard), "{unheard}");

    server.thaw();
    fleet.all_are(1.0).await;
    let reply = fleet.client(0).get("/v1/orders").await;
    assert_eq!((reply.status, remaining(&reply)), (200, 948));
}

#[tokio::test]
async fn a_quota_says_what_becomes_of_requests_without_the_store() {
    for (mode, status) in [("allow", 200), ("deny", 503)] {
        let mut server = RedisServer::start();
        let mut quota = per_hour(1);
        quota["on_counter_failure"] = json!(mode);
        let fleet = Fleet::start_counting(1, counters(&server), quota).await;
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 429);

        server.stop();
        until("the store is given up", async || {
            fleet.client(0).get("/v1/orders").await.status == status
        })
        .await;
        let reply = fleet.client(0).get("/v1/orders").await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("retry-after").is_some(), mode == "deny");
        server.restart();
        fleet.all_are(1.0).await;
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 429);
    }
}

/// Clients that go on asking until they are told to stop, and what they were answered.
struct Load {
    is_over: AtomicBool,
    answers: AtomicUsize,
    admitted: AtomicUsize,
    others: Mutex<Vec<u16>>,
}

impl Load {
    /// A client goes from proxy to proxy, with the principal's keys in turn.
    async fn go_on(&self, fleet: &Fleet, keys: &[Secret], number: usize) {
        for turn in number.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let proxy = &fleet.proxies[turn % FLEET];
            let client = Client::new(proxy).bearing(&keys[turn / FLEET % keys.len()]);
            match client.get("/v1/orders").await.status {
                200 => {
                    self.admitted.fetch_add(1, Ordering::Relaxed);
                }
                429 => {}
                other => self.others.lock().unwrap().push(other),
            }
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for so many more answers; how many were let through in all by then.
    async fn after(&self, more: usize) -> usize {
        let until_there_are = self.answers.load(Ordering::Relaxed) + more;
        until("there are more answers", async || {
            self.answers.load(Ordering::Relaxed) >= until_there_are
        })
        .await;
        self.admitted.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_store_that_is_killed_and_restarted_in_mid_load_lets_nobody_have_more_than_declared() {
    const LIMIT: usize = 30;
    const ANSWERS: usize = 300;
    let mut server = RedisServer::start();
    let quota = json!({"limits": [{"requests": LIMIT, "per": "10m"}]});
    let fleet = Fleet::start_counting(FLEET, counters(&server), quota).await;
    let role = json!({"scopes": ["everything"]});
    fleet.store.put(Kind::Role, "clients", role).await;
    let team = json!({"roles": ["clients"], "quotas": ["free"]});
    fleet.store.put(Kind::Principal, "team", team).await;
    let keys = ["one", "other"].map(token);
    for (name, secret) in ["one", "other"].iter().zip(&keys) {
        let of_team = json!({"principal": "team"});
        fleet.store.put_key(name, secret, of_team).await;
    }
    for (proxy, key) in fleet
        .proxies
        .iter()
        .flat_map(|proxy| keys.iter().map(move |key| (proxy, key)))
    {
        let client = Client::new(proxy).bearing(key);
        until("the key is known", async || {
            client.get("/v2").await.status == 403
        })
        .await;
    }
    let load = Load {
        is_over: AtomicBool::new(false),
        answers: AtomicUsize::new(0),
        admitted: AtomicUsize::new(0),
        others: Mutex::default(),
    };
    let crowd = join_all((0..100).map(|number| load.go_on(&fleet, &keys, number)));
    let story = async {
        assert_eq!(load.after(ANSWERS).await, LIMIT);
        server.stop();
        fleet.all_are(0.0).await;
        // At most the share of each that it did not use before.
        let without = load.after(ANSWERS).await;
        assert!((LIMIT..=2 * LIMIT).contains(&without), "{without}");
        server.restart();
        fleet.all_are(1.0).await;
        // The store learns what the one that counted most knows, of which each has its share at least.
        let with = load.after(ANSWERS).await - without;
        assert!(with <= LIMIT - LIMIT / FLEET, "{with}");
        let all = load.after(ANSWERS).await;
        assert_eq!(load.after(ANSWERS).await, all, "all is used up");
        load.is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(crowd, story);
    assert_eq!(*load.others.lock().unwrap(), [0; 0]);
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!(unheard > 0.0, "the load met no outage");
}

#[tokio::test]
async fn a_large_limit_is_lent_and_never_exceeded() {
    let server = RedisServer::start();
    let fleet = Fleet::start_counting(3, counters(&server), per_hour(1_200)).await;
    let mut admitted = 0;
    for _ in 0..15 {
        admitted += fleet.crowd(90).await.get(&200).copied().unwrap_or_default();
    }

    assert!((1_150..=1_200).contains(&admitted), "{admitted}");
    assert!(fleet.sum("tollgate_counters_lent_requests_total ").await > 0.0);
    assert!(fleet.sum("tollgate_counters_leases_total ").await > 0.0);
}

#[tokio::test]
async fn a_password_is_read_from_its_file_and_is_in_no_log() {
    const PASSWORD: &str = "a-word-that-nobody-may-see";
    let server = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let files = Files::new();
    files.put("password", "another\n");
    let declared = json!({"url": server.url(), "password": files.place("password")});
    let fleet = Fleet::start(1, declared, per_hour(1)).await;
    let refused = |line: &Value| {
        line["message"]
            .as_str()
            .unwrap()
            .contains("can't be reached")
    };
    fleet.proxies[0].logged(refused).await;

    files.put("password", &format!("{PASSWORD}\n"));
    fleet.all_are(1.0).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 429);
    assert!(!fleet.proxies[0].output().contains(PASSWORD));
}

#[tokio::test]
async fn a_store_is_spoken_to_by_tls_and_verified_by_the_declared_authority() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let files = Files::new();
    let pem = authority.server(&["localhost"]).pem;
    files.put("server.pem", &pem);
    files.put("ca.pem", &stranger.pem());
    let server = RedisServer::start_tls(&files.path("server.pem"));
    let url = format!("rediss://localhost:{}", server.port);
    let declared = json!({"url": url, "ca": files.place("ca.pem")});
    let fleet = Fleet::start(1, declared, per_hour(2)).await;
    fleet.all_are(0.0).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);

    files.put("ca.pem", &authority.pem());
    fleet.all_are(1.0).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 429);
}
