//! Clusters of servers.

use super::*;

const SETTINGS: [&str; 4] = [
    "--cluster-enabled",
    "yes",
    "--cluster-require-full-coverage",
    "no",
];

/// Three servers, each with a third of the slots.
struct Cluster([RedisServer; 3]);

impl Cluster {
    async fn start() -> Self {
        let nodes = [(); 3].map(|()| RedisServer::start_with(&SETTINGS));
        for (number, range) in [["0", "5460"], ["5461", "10922"], ["10923", "16383"]]
            .iter()
            .enumerate()
        {
            let [first, last] = range;
            let () = nodes[number]
                .ask(&["CLUSTER", "ADDSLOTSRANGE", first, last])
                .await;
            let port = nodes[0].port.to_string();
            let () = nodes[number]
                .ask(&["CLUSTER", "MEET", "127.0.0.1", &port])
                .await;
        }
        let cluster = Self(nodes);
        for node in &cluster.0 {
            until("the cluster is one", async || {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        cluster
    }

    fn counters(&self, timeout: &str) -> Value {
        json!({"url": self.0[1].url(), "cluster": true, "timeout": timeout})
    }

    /// The number of the server that counts what has a tag.
    async fn owner(&self, tag: &str) -> usize {
        let slot: usize = self.0[0].ask(&["CLUSTER", "KEYSLOT", tag]).await;
        slot / 5_462
    }

    /// The name of a key that one of the servers counts.
    async fn key_at(&self, node: usize) -> String {
        for number in 0..1_000 {
            let name = format!("key-{number}");
            if self.owner(&format!("k|{}", key_id(&name))).await == node {
                return name;
            }
        }
        panic!("no key is there");
    }
}

/// A key that `quotas` count, once all proxies know it.
async fn put_key(fleet: &Fleet, name: &str, quotas: Value) -> Secret {
    let secret = token(name);
    let key = json!({"quotas": quotas});
    fleet.store.put_key(name, &secret, key).await;
    for proxy in &fleet.proxies {
        let client = Client::new(proxy).bearing(&secret);
        until("the key is known", async || {
            client.get("/v2").await.status == 403
        })
        .await;
    }
    secret
}

#[tokio::test]
async fn a_cluster_counts_a_request_where_its_subjects_are() {
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(2, cluster.counters("1s"), per_hour(5)).await;
    fleet.all_are(1.0).await;
    // A second quota counts the same requests by another subject, at another place.
    let addresses = json!({"limits": [{"requests": 3, "per": "1h"}], "each": "address"});
    fleet.store.put(Kind::Quota, "addresses", addresses).await;
    let second = put_key(&fleet, "second", json!(["free", "addresses"])).await;

    assert_eq!(fleet.crowd(20).await, BTreeMap::from([(200, 5), (429, 15)]));
    let mut admitted = 0;
    for number in 0..20 {
        let client = Client::new(&fleet.proxies[number % 2]).bearing(&second);
        admitted += usize::from(client.get("/v1/orders").await.status == 200);
    }
    assert_eq!(admitted, 3);
    let keys: Vec<Vec<String>> = join_all(cluster.0.iter().map(keys)).await;
    assert_eq!(keys.concat().len(), 3, "{keys:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_takes_only_its_own_part_of_the_counts() {
    let mut cluster = Cluster::start().await;
    let fleet = Fleet::start(2, cluster.counters("1s"), per_hour(6)).await;
    fleet.all_are(1.0).await;
    let (here, there) = (cluster.key_at(0).await, cluster.key_at(2).await);
    let here = put_key(&fleet, &here, json!(["free"])).await;
    let there = put_key(&fleet, &there, json!(["free"])).await;
    cluster.0[2].stop();
    let get = async |proxy: usize, token: &Secret| {
        let client = Client::new(&fleet.proxies[proxy]).bearing(token);
        client.get("/v1/orders").await
    };

    // Shares of three each, whichever proxy it comes to.
    let mut shares = [0; 2];
    for number in 0..20 {
        shares[number % 2] += usize::from(get(number % 2, &there).await.status == 200);
    }
    assert_eq!(shares, [3, 3]);
    fleet.all_are(0.0).await;
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    // All that the others count is exact, and one proxy may have all of it.
    for left in (0..6).rev() {
        let reply = get(0, &here).await;
        assert_eq!((reply.status, remaining(&reply)), (200, left));
    }
    assert_eq!(get(1, &here).await.status, 429);
    let still = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!((unheard..=unheard).contains(&still), "{unheard} {still}");

    cluster.0[2].restart();
    fleet.all_are(1.0).await;
}

#[tokio::test]
async fn what_one_server_charged_is_given_back_where_another_fails() {
    let mut cluster = Cluster::start().await;
    let mut free = per_hour(1_000);
    free["on_counter_failure"] = json!("deny");
    let mut fleet = Fleet::start(1, cluster.counters("1s"), free).await;
    fleet.all_are(1.0).await;
    let addresses = json!({"limits": [{"requests": 900, "per": "1h"}], "each": "address"});
    fleet.store.put(Kind::Quota, "addresses", addresses).await;
    // Addresses are asked for before keys.
    let first = cluster.owner("a|127.0.0.1").await;
    let second = (first + 1) % 3;
    let name = cluster.key_at(second).await;
    let secret = put_key(&fleet, &name, json!(["free", "addresses"])).await;
    let client = Client::new(&fleet.proxies[0]).bearing(&secret);
    assert_eq!(client.get("/v1/orders").await.status, 200);
    assert_eq!(counted(&cluster.0[first]).await, 1);

    cluster.0[second].stop();
    for _ in 0..5 {
        assert_eq!(client.get("/v1/orders").await.status, 503);
    }
    fleet.proxies[0].signal("TERM");
    assert_eq!(fleet.proxies[0].ended().await, 0);
    assert_eq!(counted(&cluster.0[first]).await, 1);
}

#[tokio::test]
async fn slots_that_move_are_followed() {
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(1, cluster.counters("1s"), per_hour(2)).await;
    fleet.all_are(1.0).await;
    let name = cluster.key_at(0).await;
    let secret = put_key(&fleet, &name, json!(["free"])).await;
    let tag = format!("k|{}", key_id(&name));
    let slot: u16 = cluster.0[0].ask(&["CLUSTER", "KEYSLOT", &tag]).await;
    let new: String = cluster.0[1].ask(&["CLUSTER", "MYID"]).await;
    for node in [1, 0, 2] {
        let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &new];
        let () = cluster.0[node].ask(&words).await;
    }

    let client = Client::new(&fleet.proxies[0]).bearing(&secret);
    for expected in [200, 200, 429] {
        assert_eq!(client.get("/v1/orders").await.status, expected);
    }
    assert_eq!(keys(&cluster.0[1]).await.len(), 1);
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!((0.0..=0.0).contains(&unheard), "{unheard}");
}

#[tokio::test]
async fn slots_that_are_being_moved_to_a_server_that_had_none_are_followed() {
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(1, cluster.counters("1s"), per_hour(3)).await;
    fleet.all_are(1.0).await;
    let name = cluster.key_at(0).await;
    let secret = put_key(&fleet, &name, json!(["free"])).await;
    let tag = format!("k|{}", key_id(&name));
    let slot: u16 = cluster.0[0].ask(&["CLUSTER", "KEYSLOT", &tag]).await;
    let slot = slot.to_string();
    let newcomer = RedisServer::start_with(&SETTINGS);
    let port = cluster.0[0].port.to_string();
    let () = newcomer.ask(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
    for node in cluster.0.iter().chain([&newcomer]) {
        until("the newcomer is known", async || {
            let info: String = node.ask(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
        })
        .await;
    }
    let old: String = cluster.0[0].ask(&["CLUSTER", "MYID"]).await;
    let new: String = newcomer.ask(&["CLUSTER", "MYID"]).await;
    let () = newcomer
        .ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old])
        .await;
    let () = cluster.0[0]
        .ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new])
        .await;

    let client = Client::new(&fleet.proxies[0]).bearing(&secret);
    for left in [2, 1] {
        let reply = client.get("/v1/orders").await;
        assert_eq!((reply.status, remaining(&reply)), (200, left));
    }
    assert_eq!(keys(&newcomer).await.len(), 1);
    for node in [&newcomer, &cluster.0[0], &cluster.0[1], &cluster.0[2]] {
        let () = node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &new]).await;
    }
    for expected in [200, 429] {
        assert_eq!(client.get("/v1/orders").await.status, expected);
    }
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!((0.0..=0.0).contains(&unheard), "{unheard}");
    fleet.all_are(1.0).await;
}
