use std::time::Duration;

use serde_json::json;

use super::state::{OUT_MIN, WEIGHT_MIN};
use super::*;
use crate::upstream::target::tests::places;

fn standings(count: usize) -> (Arc<Standings>, Vec<Arc<Place>>) {
    let places = places(count);
    (Standings::next(&declared(true), &places, None), places)
}

fn declared(has_checks: bool) -> document::Upstream {
    let checks = json!({"path": "/", "healthy_after": 2, "unhealthy_after": 3});
    let mut spec = json!({"targets": ["http://t0"], "slow_start": "10s"});
    if has_checks {
        spec["health"] = checks;
    }
    serde_json::from_value(spec).unwrap()
}

fn fail(standings: &Standings, places: &[Arc<Place>], number: usize) -> Option<Change> {
    let changes = [(); 5].map(|()| standings.fail(&places[number]));
    assert_eq!(changes[..4], [None; 4]);
    changes[4]
}

fn weights(places: &[Arc<Place>]) -> Vec<u32> {
    places.iter().map(|place| place.tally.weight()).collect()
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_put_a_target_out_and_an_answer_begins_anew() {
    let (standings, places) = standings(2);
    for _ in 0..4 {
        assert_eq!(standings.fail(&places[0]), None);
    }
    assert!(places[0].tally.has_failed());
    standings.succeed(&places[0]);
    assert!(!places[0].tally.has_failed());
    assert!(standings.are_sound());

    assert_eq!(fail(&standings, &places, 0), Some(Change::Out(OUT_MIN)));
    assert_eq!(weights(&places), [0, FULL_WEIGHT]);
    assert!(!standings.are_sound());
}

#[tokio::test(start_paused = true)]
async fn at_least_half_of_the_targets_stay_and_one_alone_always_does() {
    let (three, places) = standings(3);
    assert!(fail(&three, &places, 0).is_some());
    assert!(fail(&three, &places, 1).is_none());
    assert_eq!(weights(&places), [0, FULL_WEIGHT, FULL_WEIGHT]);

    let (one, places) = standings(1);
    assert!(fail(&one, &places, 0).is_none());
    assert_eq!(weights(&places), [FULL_WEIGHT]);
}

#[tokio::test(start_paused = true)]
async fn a_target_returns_slowly_and_one_that_fails_at_once_is_out_for_longer() {
    let (standings, places) = standings(2);
    fail(&standings, &places, 0);
    tokio::time::advance(OUT_MIN / 2).await;
    assert_eq!(standings.tend(), []);
    tokio::time::advance(OUT_MIN / 2).await;
    assert_eq!(
        standings.tend(),
        [(places[0].url().clone(), Change::Returned)]
    );
    assert_eq!(weights(&places), [WEIGHT_MIN, FULL_WEIGHT]);
    tokio::time::advance(Duration::from_secs(5)).await;
    standings.tend();
    assert_eq!(weights(&places), [FULL_WEIGHT / 2, FULL_WEIGHT]);

    assert_eq!(standings.fail(&places[0]), Some(Change::Out(OUT_MIN * 2)));
    tokio::time::advance(OUT_MIN * 2).await;
    standings.tend();
    tokio::time::advance(Duration::from_secs(10)).await;
    standings.succeed(&places[0]);
    assert!(standings.are_sound());
}

#[tokio::test(start_paused = true)]
async fn checks_put_a_target_out_and_bring_it_back_as_declared() {
    let (standings, places) = standings(2);
    let check = |is_good| standings.check(&places[1], is_good);
    assert_eq!([(); 2].map(|()| check(false)), [None; 2]);
    assert_eq!(check(true), None);
    assert_eq!([(); 2].map(|()| check(false)), [None; 2]);
    assert_eq!(check(false), Some(Change::Failing));
    assert_eq!(weights(&places), [FULL_WEIGHT, 0]);

    assert_eq!(standings.check(&places[1], true), None);
    assert_eq!(standings.check(&places[1], true), Some(Change::Well));
    assert_eq!(weights(&places), [FULL_WEIGHT, WEIGHT_MIN]);
    tokio::time::advance(Duration::from_secs(10)).await;
    standings.tend();
    assert!(standings.are_sound());
}

#[tokio::test(start_paused = true)]
async fn checks_may_put_all_out_as_requests_may_not() {
    let (standings, places) = standings(2);
    for number in [0, 1, 0, 1, 0, 1] {
        standings.check(&places[number], false);
    }

    assert_eq!(weights(&places), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn another_document_changes_nothing_for_targets_that_stay_and_new_ones_begin_slowly() {
    let (old, three) = standings(3);
    fail(&old, &three, 0);
    fail(&old, &three, 2);
    let four = places(4);
    let kept = [&three[..2], &four[3..]].concat();
    let next = Standings::next(&declared(true), &kept, Some(&old));
    assert_eq!(weights(&kept), [0, FULL_WEIGHT, WEIGHT_MIN]);
    assert!(next.fail(&three[2]).is_none(), "it is no target any more");

    tokio::time::advance(OUT_MIN).await;
    let returned = (three[0].url().clone(), Change::Returned);
    assert_eq!(next.tend(), [returned]);
    assert_eq!(next.fail(&three[0]), Some(Change::Out(OUT_MIN * 2)));
}

#[tokio::test(start_paused = true)]
async fn whom_checks_put_out_returns_slowly_once_nobody_checks() {
    let (old, places) = standings(2);
    for _ in 0..3 {
        old.check(&places[0], false);
    }
    Standings::next(&declared(true), &places, Some(&old));
    assert_eq!(weights(&places), [0, FULL_WEIGHT]);

    Standings::next(&declared(false), &places, Some(&old));
    assert_eq!(weights(&places), [WEIGHT_MIN, FULL_WEIGHT]);
}
