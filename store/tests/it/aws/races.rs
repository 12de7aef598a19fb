//! Writers at once, calls that come late, answers that never come.

use std::sync::Arc;

use tokio::task::JoinSet;
use tollgate_store::backend::{Depth, Expected};

use super::account::{everywhere, neighbours, shard_of};
use crate::calls::{Calls, Disturbance};
use crate::conformance::{self, Place as _, create, load, names, poll, read, remove};
use crate::sample::upstream;

#[tokio::test]
async fn writes_that_wait_for_one_shard_go_out_together() {
    everywhere(async |place| {
        let backend = place.open().await;
        let mut writers = JoinSet::new();
        for name in neighbours(10) {
            let backend = Arc::clone(&backend);
            writers.spawn(async move { create(&backend, &name).await });
        }
        writers.join_all().await;

        let versions = place.client.list_secret_version_ids();
        let versions = versions.secret_id(place.secret("shard-00"));
        let versions = versions.include_deprecated(true).send().await.unwrap();

        assert_eq!(load(&backend, None).await.entries.len(), 10);
        let count = versions.versions().len();
        assert!(count < 10, "{count} versions");
    })
    .await;
}

#[tokio::test]
async fn writers_of_one_shard_in_many_processes_are_all_kept() {
    everywhere(async |place| {
        let names = neighbours(12);
        let mut writers = JoinSet::new();
        for own in names.clone() {
            let backend = place.open().await;
            writers.spawn(async move { create(&backend, &own).await });
        }
        writers.join_all().await;

        let found = load(&place.open().await, None).await;

        assert_eq!(conformance::names(&found), names);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_closes_and_opens_all_the_time_loses_nothing() {
    everywhere(async |place| {
        let mut writers = JoinSet::new();
        for own in neighbours(4) {
            let backend = place.open().await;
            let witness = place.open().await;
            writers.spawn(async move {
                for _ in 0..10 {
                    let revision = create(&backend, &own).await;
                    let found = poll(&witness, None, Depth::Everything).await.unwrap();
                    assert!(names(&found).contains(&own.as_str()), "{own}");
                    remove(&backend, &own, &revision).await;
                }
            });
        }

        writers.join_all().await;

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_write_that_comes_late_spares_the_shard_that_was_made_meanwhile() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let (slow, quick) = (place.open_at(&calls.endpoint()).await, place.open().await);
        let [gone, late, new] = neighbours(3).try_into().unwrap();
        let revision = create(&quick, &gone).await;

        let gate = calls.hold("PutSecretValue");
        let own = late.clone();
        let writer = tokio::spawn(async move { create(&slow, &own).await });
        gate.arrived().await;
        remove(&quick, &gone, &revision).await;
        create(&quick, &new).await;
        gate.release();
        writer.await.unwrap();

        let found = load(&place.open().await, None).await;
        assert_eq!(names(&found), [late, new]);
    })
    .await;
}

#[tokio::test]
async fn a_removal_that_comes_late_spares_the_shard_that_was_made_meanwhile() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let (slow, quick) = (place.open_at(&calls.endpoint()).await, place.open().await);
        let [gone, new] = neighbours(2).try_into().unwrap();
        let revision = create(&quick, &gone).await;

        let gate = calls.hold("DeleteSecret");
        let closer = tokio::spawn(async move { remove(&slow, &gone, &revision).await });
        gate.arrived().await;
        create(&quick, &new).await;
        gate.release();
        closer.await.unwrap();

        let found = load(&place.open().await, None).await;
        assert_eq!(names(&found), [new]);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_is_removed_too_late_is_made_again() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let (slow, quick) = (place.open_at(&calls.endpoint()).await, place.open().await);
        let revision = create(&quick, "a").await;

        calls.disturb("DeleteSecret", Disturbance::Pass);
        let gate = calls.hold("DeleteSecret");
        let closer = tokio::spawn(async move { remove(&slow, "a", &revision).await });
        gate.arrived().await;
        create(&quick, "b").await;
        gate.release();
        closer.await.unwrap();

        let expected = ["index".to_owned(), shard_of("upstream", "b")];
        assert_eq!(place.secrets().await, expected);
        assert_eq!(names(&load(&quick, None).await), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_is_made_again_too_late_goes_with_the_shard_it_was_made_for() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let (slow, quick) = (place.open_at(&calls.endpoint()).await, place.open().await);
        let revision = create(&quick, "a").await;

        calls.disturb("DeleteSecret", Disturbance::Pass);
        let removes = calls.hold("DeleteSecret");
        let closer = tokio::spawn(async move { remove(&slow, "a", &revision).await });
        removes.arrived().await;
        let revision = create(&quick, "b").await;
        let makes = calls.hold("CreateSecret");
        removes.release();
        makes.arrived().await;
        remove(&quick, "b", &revision).await;
        makes.release();
        closer.await.unwrap();

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn an_index_that_a_late_writer_makes_goes_with_the_shard_that_is_gone_by_then() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let (slow, quick) = (place.open_at(&calls.endpoint()).await, place.open().await);
        let [own, other] = neighbours(2).try_into().unwrap();
        let first = create(&quick, &other).await;

        let gate = calls.hold("TagResource");
        let late = own.clone();
        let writer = tokio::spawn(async move { create(&slow, &late).await });
        gate.arrived().await;
        remove(&quick, &other, &first).await;
        let revision = read(&quick, &own).await.revision.unwrap();
        remove(&quick, &own, &revision).await;
        gate.release();
        writer.await.unwrap();

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_write_whose_answers_are_lost_finds_its_work_done() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let backend = place.open_at(&calls.endpoint()).await;
        create(&backend, "other").await;
        let first = create(&backend, "a").await;
        // Both attempts of the SDK.
        for operation in ["PutSecretValue", "PutSecretValue"] {
            calls.disturb(operation, Disturbance::LoseAnswer);
        }

        let expected = Expected::Revision(first);
        let second = backend.write(&upstream("a", 2), &expected).await.unwrap();

        let entry = read(&place.open().await, "a").await;
        assert_eq!(entry.document, Ok(upstream("a", 2)));
        assert_eq!(entry.revision, Some(second));
    })
    .await;
}

#[tokio::test]
async fn a_throttled_write_waits_and_succeeds() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let backend = place.open_at(&calls.endpoint()).await;
        for operation in [
            "GetSecretValue",
            "CreateSecret",
            "CreateSecret",
            "TagResource",
        ] {
            for _ in 0..3 {
                calls.disturb(operation, Disturbance::Throttle);
            }
        }

        create(&backend, "a").await;

        assert_eq!(names(&load(&backend, None).await), ["a"]);
    })
    .await;
}

const CLOSED: &str = r#"{"format":1,"nonce":"test","closed":true,"documents":[]}"#;

#[tokio::test]
async fn what_a_crashed_closer_left_is_tidied_up() {
    everywhere(async |place| {
        let shard = shard_of("upstream", "a");
        // Before its shard was removed, and after.
        for is_removed in [false, true] {
            create(&place.open().await, "a").await;
            if is_removed {
                place.delete(&shard).await;
            } else {
                place.set(&shard, CLOSED).await;
            }

            place.open().await.tidy().await.unwrap();

            assert_eq!(place.secrets().await, Vec::<String>::new());
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_crashed_closer_left_is_finished_by_the_next_writer() {
    everywhere(async |place| {
        let backend = place.open().await;
        let shard = shard_of("upstream", "a");
        create(&backend, "a").await;
        place.set(&shard, CLOSED).await;

        let revision = create(&backend, "a").await;
        assert_eq!(names(&load(&place.open().await, None).await), ["a"]);
        place.set(&shard, CLOSED).await;
        remove(&backend, "a", &revision).await;

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}
