//! What becomes of what was lent.

use std::cell::Cell;

use super::*;

#[tokio::test]
async fn a_process_that_drains_gives_back_what_it_did_not_spend() {
    let server = RedisServer::start();
    let mut fleet = Fleet::start_counting(2, counters(&server), per_hour(20_000)).await;
    let mut admitted = 0;
    for _ in 0..6 {
        admitted += fleet.crowd(60).await[&200];
    }
    assert_eq!(admitted, 360);
    let lent = counted(&server).await;
    assert!(lent > 360, "{lent}");

    for proxy in &mut fleet.proxies {
        proxy.signal("TERM");
        assert_eq!(proxy.ended().await, 0);
    }
    assert_eq!(counted(&server).await, 360);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_does_not_burn_the_limit() {
    let server = RedisServer::start();
    let declared = json!({"url": server.url(), "timeout": "100ms"});
    let mut quota = per_hour(20_000);
    quota["on_counter_failure"] = json!("deny");
    let mut fleet = Fleet::start_counting(1, declared, quota).await;
    let admitted = Cell::new(fleet.crowd(30).await[&200]);
    server.freeze();
    // Until what was lent is used up, and one request has waited in vain.
    until("the store is waited for", async || {
        match fleet.client(0).get("/v1/orders").await.status {
            200 => admitted.set(admitted.get() + 1),
            status => assert_eq!(status, 503),
        }
        let late = fleet
            .sum("tollgate_counters_calls_total{result=\"late\"} ")
            .await;
        late > 0.0
    })
    .await;
    server.thaw();
    until("its answer is heard", async || {
        fleet.sum("tollgate_counters_late_answers_total ").await > 0.0
    })
    .await;
    fleet.all_are(1.0).await;

    fleet.proxies[0].signal("TERM");
    assert_eq!(fleet.proxies[0].ended().await, 0);
    assert_eq!(counted(&server).await, admitted.get());
}
