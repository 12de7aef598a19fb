//! Stores that answer and yet do not count.

use super::*;

const FAILED: &str = "tollgate_counters_calls_total{result=\"failed\"} ";

/// How often the server was asked to run a script.
async fn runs(server: &RedisServer) -> u64 {
    let told: String = server.ask(&["INFO", "commandstats"]).await;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Whether the fleet goes without the server while that refuses, however often it is tried.
async fn stays_away(fleet: &Fleet, server: &RedisServer) {
    until("the store is given up", async || {
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
        fleet.proxies[0].metric(UP).await == Some(0.0)
    })
    .await;
    let (failed, tried) = (fleet.sum(FAILED).await, runs(server).await);
    until("it was tried some times", async || {
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
        assert_eq!(fleet.proxies[0].metric(UP).await, Some(0.0));
        runs(server).await >= tried + 4
    })
    .await;
    let now_failed = fleet.sum(FAILED).await;
    assert!((failed..=failed).contains(&now_failed), "{now_failed}");
}

#[tokio::test]
async fn a_store_that_refuses_to_write_is_not_asked_until_it_writes() {
    let server = RedisServer::start();
    let fleet = Fleet::start_counting(1, counters(&server), per_hour(500)).await;
    for (words, undone) in [
        // A replica of nobody that answers.
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
        (
            ["CONFIG SET", "maxmemory", "1"],
            ["CONFIG SET", "maxmemory", "0"],
        ),
    ] {
        let split = |words: [&'static str; 3]| -> Vec<&'static str> {
            words.iter().flat_map(|word| word.split(' ')).collect()
        };
        let () = server.ask(&split(words)).await;
        stays_away(&fleet, &server).await;
        let () = server.ask(&split(undone)).await;
        fleet.all_are(1.0).await;
        assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
    }
    let lines = fleet.proxies[0].output();
    let told = lines.matches("the fleet's counters can't be").count();
    assert!((1..=6).contains(&told), "{told}");
}

#[tokio::test]
async fn a_store_that_lost_the_script_counts_on() {
    let server = RedisServer::start();
    let fleet = Fleet::start_counting(1, counters(&server), per_hour(3)).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);
    let () = server.ask(&["SCRIPT", "FLUSH"]).await;

    assert_eq!(fleet.crowd(10).await, BTreeMap::from([(200, 2), (429, 8)]));
    let unheard = fleet.sum("tollgate_counters_unheard_requests_total ").await;
    assert!((0.0..=0.0).contains(&unheard), "{unheard}");
}

#[tokio::test]
async fn a_cluster_that_is_not_declared_as_one_is_told_and_never_asked() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    let () = server
        .ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .await;
    until("the cluster is one", async || {
        let info: String = server.ask(&["CLUSTER", "INFO"]).await;
        info.contains("cluster_state:ok")
    })
    .await;
    let fleet = Fleet::start(1, counters(&server), per_hour(3)).await;
    let refused = |line: &Value| {
        let fault = line["fault"].as_str().unwrap_or_default();
        fault.contains("it refuses") && fault.to_uppercase().contains("CROSSSLOT")
    };
    fleet.proxies[0].logged(refused).await;
    assert_eq!(fleet.proxies[0].metric(UP).await, Some(0.0));

    // Each process enforces its share meanwhile.
    assert_eq!(fleet.crowd(10).await, BTreeMap::from([(200, 3), (429, 7)]));
    let failed = fleet.sum(FAILED).await;
    assert!((0.0..=0.0).contains(&failed), "{failed}");
}

#[tokio::test]
async fn what_is_no_cluster_is_told_where_one_is_declared() {
    let server = RedisServer::start();
    let declared = json!({"url": server.url(), "cluster": true});
    let fleet = Fleet::start(1, declared, per_hour(3)).await;
    let refused = |line: &Value| {
        let fault = line["fault"].as_str().unwrap_or_default();
        fault.contains("cluster support disabled")
    };
    fleet.proxies[0].logged(refused).await;
    assert_eq!(fleet.crowd(10).await, BTreeMap::from([(200, 3), (429, 7)]));
}
