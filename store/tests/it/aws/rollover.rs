//! Shards that move to their next secret when their versions are used up.

use std::sync::Arc;

use tollgate_store::backend::{Backend, Depth, Expected, StoreError};
use tollgate_store::document::Kind;

use super::account::{Account, everywhere, fake, neighbours};
use super::crash::{self, Crash, create_all, in_between};
use crate::calls::{Calls, Disturbance};
use crate::conformance::{Place as _, create, load, names, poll, read, remove};
use crate::fake::{Fake, Limits};
use crate::sample::{key, upstream};

/// Of a shard's versions, when the next write is the last.
const LAST_BUT_ONE: u32 = 89;
const SECOND: &str = "shard-00of16.1.2";

/// A shard that moves with its next write, with documents in it.
async fn about_to_move(place: &Account, documents: usize) -> Vec<String> {
    let names = neighbours(documents);
    create_all(&place.open().await, &names).await;
    place.age("shard-00", LAST_BUT_ONE).await;
    names
}

/// The documents that a new proxy serves.
async fn served(place: &Account) -> Vec<String> {
    let served = poll(&place.open().await, None, Depth::Everything).await;
    let served = served.unwrap();
    names(&served).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_shard_takes_more_writes_than_a_secret_takes_versions() {
    let Some((fake, place)) = fake(Limits::default()).await else {
        return;
    };
    let backend = place.open().await;
    let reader = place.open().await;
    let [own] = neighbours(1).try_into().unwrap();
    let mut revision = create(&backend, &own).await;
    let mut seen = load(&reader, None).await;
    for port in 2..200 {
        let expected = Expected::Revision(revision);
        revision = backend
            .write(&upstream(&own, port), &expected)
            .await
            .unwrap();
        seen = load(&reader, Some(&seen.cursor)).await;
        assert_eq!(seen.entries[0].document, Ok(upstream(&own, port)));
    }

    assert_eq!(place.secrets().await, ["index", "shard-00of16.1.3"]);
    assert!(fake.versions(&place.secret("shard-00of16.1.3")) < 30);
    assert_eq!(
        read(&place.open().await, &own).await.revision,
        Some(revision.clone())
    );
    remove(&backend, &own, &revision).await;
    assert_eq!(place.secrets().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_shard_that_moves_is_seen_by_those_who_knew_it_and_those_who_did_not() {
    everywhere(async |place| {
        let mut expected = about_to_move(&place, 3).await;
        let reader = place.open().await;
        let seen = load(&reader, None).await;
        expected.extend(neighbours(4).pop());

        create(&place.open().await, &expected[3]).await;

        assert_eq!(names(&load(&reader, Some(&seen.cursor)).await), expected);
        assert_eq!(served(&place).await, expected);
        assert_eq!(place.secrets().await, ["index", SECOND]);
    })
    .await;
}

struct Move;

#[async_trait::async_trait]
impl Crash for Move {
    async fn prepare(&self, place: &Account) {
        about_to_move(place, 3).await;
    }

    async fn act(&self, place: &Account, endpoint: &str) {
        let backend = place.open_at(endpoint).await;
        let own = neighbours(4).pop().unwrap();
        let _ = backend.write(&upstream(&own, 1), &Expected::Absent).await;
    }

    async fn check(&self, place: &Account, got_through: bool) {
        let standing = served(place).await;
        let all = neighbours(5);
        assert!(standing == all[..3] || standing == all[..4], "{standing:?}");
        assert!(!got_through || standing.len() == 4);

        let next = place.open().await;
        create(&next, &all[4]).await;
        let own = read_or_create(&next, &all[3]).await;
        assert_eq!(own, upstream(&all[3], 1));
        assert_eq!(served(place).await, all);
        assert_eq!(place.secrets().await, ["index", SECOND]);
    }
}

async fn read_or_create(
    backend: &Arc<dyn Backend>,
    own: &str,
) -> tollgate_store::document::Document {
    if backend
        .read(&key(Kind::Upstream, own))
        .await
        .unwrap()
        .is_none()
    {
        create(backend, own).await;
    }
    read(backend, own).await.document.unwrap()
}

#[tokio::test]
async fn a_mover_may_crash_anywhere() {
    crash::everywhere(24, &Move).await;
}

#[tokio::test]
async fn whoever_polls_meanwhile_sees_everything() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let before = about_to_move(&place, 3).await;
    let warm = place.open().await;
    let seen = load(&warm, None).await;

    in_between(
        &place,
        async |place, endpoint| {
            create(&place.open_at(endpoint).await, &neighbours(4)[3]).await;
        },
        async |step| {
            for reader in [&warm, &place.open().await] {
                for since in [None, Some(&seen.cursor)] {
                    let found = reader.poll(since, Depth::Everything).await.unwrap();
                    if let Some(found) = found {
                        let found = names(&found);
                        assert_eq!(found[..3], before, "before {step}");
                    }
                }
                let listed = reader.list().await.unwrap();
                assert!(listed.len() >= 3, "before {step}");
            }
        },
    )
    .await;

    assert_eq!(served(&place).await, neighbours(4));
}

#[tokio::test]
async fn movers_at_once_lose_nothing() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    about_to_move(&place, 1).await;
    let all = neighbours(9);
    let mut writers = tokio::task::JoinSet::new();
    for own in &all[1..] {
        let own = own.clone();
        let backend = place.open().await;
        writers.spawn(async move { create(&backend, &own).await });
    }
    writers.join_all().await;

    assert_eq!(served(&place).await, all);
    assert_eq!(place.secrets().await, ["index", SECOND]);
}

/// A mover is held after so many calls; meanwhile the shard moves, is emptied, and perhaps a new one is made in its
/// place. `false` where there are no more calls.
async fn is_late_after(count: usize, is_made_anew: bool) -> bool {
    let fake = Fake::with(Limits::default()).await;
    let place = Account::new(&fake.endpoint());
    let old = about_to_move(&place, 2).await;
    let [_, _, late, new] = neighbours(4).try_into().unwrap();
    let calls = Calls::to(&place.endpoint).await;
    let gate = calls.hold_after(count);
    let slow = place.open_at(&calls.endpoint()).await;
    let own = late.clone();
    let mut writer = tokio::spawn(async move {
        let written = slow.write(&upstream(&own, 1), &Expected::Absent).await;
        written.unwrap()
    });
    if !gate.arrived_before(&mut writer).await {
        return false;
    }

    let quick = place.open().await;
    let mut expected = vec![late.clone(), new.clone()];
    for name in old.iter().chain([&late]) {
        let entry = quick.read(&key(Kind::Upstream, name)).await.unwrap();
        if let Some(entry) = entry {
            remove(&quick, name, &entry.revision.unwrap()).await;
            expected.retain(|expected| expected != name);
        }
    }
    if is_made_anew {
        create(&quick, &new).await;
    }
    gate.release();
    writer.await.unwrap();
    if !is_made_anew {
        create(&quick, &new).await;
    }

    assert_eq!(served(&place).await, expected, "late after {count}");
    let listed = place.open().await.list().await.unwrap();
    assert_eq!(listed.len(), expected.len(), "late after {count}");
    true
}

#[tokio::test]
async fn what_was_removed_does_not_come_back_by_a_late_mover() {
    crash::late_everywhere(31, async |count| is_late_after(count, true).await).await;
    crash::late_everywhere(31, async |count| is_late_after(count, false).await).await;
}

#[tokio::test]
async fn versions_that_somebody_else_used_up_are_told() {
    let Some((fake, place)) = fake(Limits::default()).await else {
        return;
    };
    let backend = place.open().await;
    let names = neighbours(2);
    create(&backend, &names[0]).await;
    fake.limit(|limits| limits.versions_max = 1);

    let refused = backend
        .write(&upstream(&names[1], 1), &Expected::Absent)
        .await;
    fake.advance(std::time::Duration::from_hours(24));
    create(&backend, &names[1]).await;

    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("100 versions") && text.contains("day old"),
        "{text}"
    );
}

#[tokio::test]
async fn a_signal_that_was_lost_is_healed_across_a_move() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let calls = Calls::to(&place.endpoint).await;
    let writer = place.open_at(&calls.endpoint()).await;
    let reader = place.open().await;
    let all = neighbours(4);
    create(&writer, &all[0]).await;
    let seen = load(&reader, None).await;

    // Both attempts of the SDK.
    for _ in 0..2 {
        calls.disturb("TagResource", Disturbance::Lose);
    }
    create(&writer, &all[1]).await;
    assert!(
        poll(&reader, Some(&seen.cursor), Depth::Signal)
            .await
            .is_none()
    );
    let healed = poll(&reader, Some(&seen.cursor), Depth::Everything).await;
    assert_eq!(names(&healed.unwrap()), all[..2]);

    place.age("shard-00", LAST_BUT_ONE).await;
    // Of the write, and of the move, which then is not finished.
    for _ in 0..4 {
        calls.disturb("TagResource", Disturbance::Lose);
    }
    create(&writer, &all[2]).await;
    let healed = poll(&reader, Some(&seen.cursor), Depth::Everything).await;
    assert_eq!(names(&healed.unwrap()), all[..3]);
    create(&place.open().await, &all[3]).await;
    assert_eq!(names(&load(&reader, Some(&seen.cursor)).await), all);
    assert_eq!(place.secrets().await, ["index", SECOND]);
}

#[tokio::test]
async fn a_signal_that_comes_late_hides_nothing_and_is_repaired() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let old = about_to_move(&place, 2).await;
    let all = neighbours(4);
    create(&place.open().await, &all[2]).await;
    let tag = aws_sdk_secretsmanager::types::Tag::builder();
    let late = tag.key("shard-00").value("16.1.1-late").build();
    let request = place.client.tag_resource().secret_id(place.secret("index"));
    request.tags(late).send().await.unwrap();

    assert_eq!(served(&place).await, all[..3]);
    let cold = place.open().await;
    assert_eq!(
        read(&cold, &old[0]).await.document,
        Ok(upstream(&old[0], 1))
    );
    let again = cold.write(&upstream(&old[0], 2), &Expected::Absent).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    create(&cold, &all[3]).await;

    let index = place
        .client
        .describe_secret()
        .secret_id(place.secret("index"));
    let tags = index.send().await.unwrap().tags.unwrap();
    let tag = tags
        .iter()
        .find(|tag| tag.key() == Some("shard-00"))
        .unwrap();
    assert!(tag.value().unwrap().starts_with("16.1.2-"), "{tag:?}");
}

#[tokio::test]
async fn a_lost_index_is_made_anew_with_every_generation() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let old = about_to_move(&place, 1).await;
    create(&place.open().await, &neighbours(2)[1]).await;
    place.delete("index").await;

    create(&place.open().await, "a").await;

    let served = served(&place).await;
    assert!(served.contains(&old[0]) && served.len() == 3, "{served:?}");
}
