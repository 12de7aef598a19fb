//! Namespaces that are laid out anew over another number of shards.

use std::sync::Arc;

use tollgate_store::backend::{Backend, Change, Depth, Expected, StoreError};
use tollgate_store::document::Kind;

use super::account::{Account, everywhere, fake};
use super::crash::{self, Crash, create_all, in_between};
use crate::calls::Calls;
use crate::conformance::{Place as _, create, load, names, poll, read, remove};
use crate::fake::{Fake, Limits};
use crate::sample::{key, upstream};

fn documents(count: usize) -> Vec<String> {
    (100..100 + count)
        .map(|number| format!("document-{number}"))
        .collect()
}

/// The documents that a new proxy serves.
async fn served(place: &Account) -> Vec<String> {
    let served = poll(&place.open().await, None, Depth::Everything).await;
    let served = served.unwrap();
    names(&served).into_iter().map(str::to_owned).collect()
}

/// The secrets of a namespace of this edition, with a shard for each number that has documents.
async fn secrets_are_of(place: &Account, ending: &str) {
    let secrets = place.secrets().await;
    let of_it = |secret: &String| secret == "index" || secret.ends_with(ending);
    assert!(
        secrets.len() > 1 && secrets.iter().all(of_it),
        "{secrets:?}"
    );
}

async fn index_tags(place: &Account) -> Vec<String> {
    let index = place
        .client
        .describe_secret()
        .secret_id(place.secret("index"));
    let tags = index.send().await.unwrap().tags.unwrap();
    let tags = tags.into_iter().filter_map(|tag| tag.key);
    tags.filter(|tag| tag.starts_with("shard-")).collect()
}

#[tokio::test]
async fn a_namespace_grows_and_shrinks_under_its_readers() {
    everywhere(async |place| {
        let all = documents(12);
        create_all(&place.open().await, &all[..9]).await;
        let reader = place.open().await;
        let listing = place.open().await;
        let mut seen = load(&reader, None).await;
        assert_eq!(listing.list().await.unwrap().len(), 9);

        for (shards, count, ending) in [
            (20, 10, "of20.2.1"),
            (3, 11, "of3.3.1"),
            (16, 12, "of16.4.1"),
        ] {
            let backend = place.open_over(&place.endpoint, shards).await;
            create(&backend, &all[count - 1]).await;

            seen = load(&reader, Some(&seen.cursor)).await;
            assert_eq!(names(&seen), all[..count]);
            assert_eq!(served(&place).await, all[..count]);
            assert_eq!(place.open().await.list().await.unwrap().len(), count);
            secrets_are_of(&place, ending).await;
            let beyond = format!("shard-{shards:02}");
            assert!(index_tags(&place).await.iter().all(|tag| *tag < beyond));
        }
        assert!(
            poll(&reader, Some(&seen.cursor), Depth::Everything)
                .await
                .is_none()
        );
        let backend = place.open().await;
        for name in &all {
            let revision = read(&backend, name).await.revision.unwrap();
            remove(&backend, name, &revision).await;
        }
        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_new_namespace_starts_with_what_is_declared() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    create_all(&place.open_over(&place.endpoint, 3).await, &documents(5)).await;

    assert_eq!(served(&place).await, documents(5));
    secrets_are_of(&place, "of3.1.1").await;
}

#[tokio::test]
async fn what_was_open_before_goes_on_writing_and_reading() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let all = documents(8);
    let old = place.open().await;
    create_all(&old, &all[..5]).await;
    let revision = read(&old, &all[0]).await.revision.unwrap();

    create(&place.open_over(&place.endpoint, 5).await, &all[5]).await;
    create_all(&old, &all[6..]).await;
    let expected = Expected::Revision(revision);
    old.write(&upstream(&all[0], 2), &expected).await.unwrap();

    assert_eq!(served(&place).await, all);
    assert_eq!(old.list().await.unwrap().len(), 8);
    assert_eq!(read(&old, &all[0]).await.document, Ok(upstream(&all[0], 2)));
    secrets_are_of(&place, "of5.2.1").await;
}

struct Reshard {
    from: u8,
    to: u8,
}

#[async_trait::async_trait]
impl Crash for Reshard {
    async fn prepare(&self, place: &Account) {
        let backend = place.open_over(&place.endpoint, self.from).await;
        create_all(&backend, &documents(4)).await;
    }

    async fn act(&self, place: &Account, endpoint: &str) {
        let backend = place.open_over(endpoint, self.to).await;
        let own = documents(5).pop().unwrap();
        let _ = backend.write(&upstream(&own, 1), &Expected::Absent).await;
    }

    async fn check(&self, place: &Account, got_through: bool) {
        let all = documents(6);
        let standing = served(place).await;
        assert!(standing == all[..4] || standing == all[..5], "{standing:?}");
        assert!(!got_through || standing.len() == 5);
        assert!(place.open().await.list().await.unwrap().len() >= 4);

        let next = place.open_over(&place.endpoint, self.to).await;
        create(&next, &all[5]).await;
        if next
            .read(&key(Kind::Upstream, &all[4]))
            .await
            .unwrap()
            .is_none()
        {
            create(&next, &all[4]).await;
        }
        assert_eq!(served(place).await, all);
        secrets_are_of(place, &format!("of{}.2.1", self.to)).await;
    }
}

#[tokio::test]
async fn whoever_lays_out_anew_over_more_shards_may_crash_anywhere() {
    crash::everywhere(80, &Reshard { from: 2, to: 3 }).await;
}

#[tokio::test]
async fn whoever_lays_out_anew_over_fewer_shards_may_crash_anywhere() {
    crash::everywhere(80, &Reshard { from: 3, to: 1 }).await;
}

#[tokio::test]
async fn whoever_polls_meanwhile_sees_everything() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let all = documents(7);
    create_all(&place.open_over(&place.endpoint, 3).await, &all[..6]).await;
    let warm = place.open().await;
    let seen = load(&warm, None).await;

    in_between(
        &place,
        async |place, endpoint| {
            create(&place.open_over(endpoint, 5).await, &documents(7)[6]).await;
        },
        async |step| {
            for reader in [&warm, &place.open().await] {
                for since in [None, Some(&seen.cursor)] {
                    let found = reader.poll(since, Depth::Everything).await.unwrap();
                    if let Some(found) = found {
                        assert_eq!(names(&found)[..6], all[..6], "before {step}");
                    }
                }
                let listed = reader.list().await.unwrap();
                assert!(listed.len() >= 6, "before {step}");
            }
        },
    )
    .await;

    assert_eq!(served(&place).await, all);
}

#[tokio::test]
async fn two_who_lay_out_alike_help_each_other() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let all = documents(12);
    create_all(&place.open().await, &all[..4]).await;
    let mut writers = tokio::task::JoinSet::new();
    for own in &all[4..] {
        let own = own.clone();
        let backend = place.open_over(&place.endpoint, 5).await;
        writers.spawn(async move { create(&backend, &own).await });
    }
    writers.join_all().await;

    assert_eq!(served(&place).await, all);
    secrets_are_of(&place, "of5.2.1").await;
}

/// One who lays out anew is held after so many calls while another finishes the work and documents are removed;
/// `false` where there are no more calls.
async fn is_late_after(count: usize) -> bool {
    let fake = Fake::with(Limits::default()).await;
    let place = Account::new(&fake.endpoint());
    let all = documents(4);
    create_all(&place.open_over(&place.endpoint, 1).await, &all[..2]).await;
    let calls = Calls::to(&place.endpoint).await;
    let gate = calls.hold_after(count);
    let slow = place.open_over(&calls.endpoint(), 2).await;
    let own = all[2].clone();
    let mut writer = tokio::spawn(async move {
        let written = slow.write(&upstream(&own, 1), &Expected::Absent).await;
        written.unwrap()
    });
    if !gate.arrived_before(&mut writer).await {
        return false;
    }

    let quick = place.open_over(&place.endpoint, 2).await;
    create(&quick, &all[3]).await;
    for name in &all[..2] {
        let revision = read(&quick, name).await.revision.unwrap();
        remove(&quick, name, &revision).await;
    }
    gate.release();
    writer.await.unwrap();

    assert_eq!(served(&place).await, all[2..], "late after {count}");
    true
}

#[tokio::test]
async fn what_was_removed_does_not_come_back_by_one_who_is_late() {
    crash::late_everywhere(79, is_late_after).await;
}

#[tokio::test]
async fn what_does_not_fit_fails_before_anything_is_sealed() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let backend = place.open().await;
    let noise = |number: usize| {
        let text = std::iter::repeat_with(|| rand::random_range('a'..='z')).take(450);
        let description: String = text.collect();
        let spec =
            serde_json::json!({"targets": ["http://127.0.0.1:1"], "description": description});
        let key = key(Kind::Upstream, &format!("noise-{number}"));
        tollgate_store::document::Document::parse(&key, spec).unwrap()
    };
    let changes = (0..280).map(|number| Change::Write {
        document: noise(number),
        expected: Expected::Absent,
    });
    for outcome in backend.commit(changes.collect()).await {
        outcome.unwrap();
    }
    let fill = backend.fill().await.unwrap().unwrap();
    assert!(fill.bytes > 5_000 && !fill.is_worth_a_warning(), "{fill:?}");

    let fewer = place.open_over(&place.endpoint, 1).await;
    let refused = fewer.write(&upstream("a", 1), &Expected::Absent).await;

    assert!(
        matches!(refused, Err(StoreError::Full { .. })),
        "{refused:?}"
    );
    create(&backend, "b").await;
    let more = place.open_over(&place.endpoint, 2).await;
    create(&more, "c").await;
    let fill = more.fill().await.unwrap().unwrap();
    assert!(fill.is_worth_a_warning(), "{fill:?}");
    assert_eq!(served(&place).await.len(), 282);
}

#[tokio::test]
async fn an_apply_that_died_is_told_with_the_number_that_helps() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    create(&place.open_over(&place.endpoint, 2).await, "a").await;
    let calls = Calls::to(&place.endpoint).await;
    let dead = place.open_over(&calls.endpoint(), 3).await;
    let gate = calls.hold("CreateSecret");
    let dying: tokio::task::JoinHandle<()> = tokio::spawn(async move {
        let _ = dead.write(&upstream("b", 1), &Expected::Absent).await;
    });
    gate.arrived().await;

    let other = place.open_over(&place.endpoint, 4).await;
    let refused = other.write(&upstream("c", 1), &Expected::Absent).await;

    let text = refused.unwrap_err().to_string();
    assert!(text.contains("shards = 3"), "{text}");
    dying.abort();
}

#[tokio::test]
async fn a_lost_index_of_a_later_layout_is_made_anew() {
    let Some((_, place)) = fake(Limits::default()).await else {
        return;
    };
    let all = documents(5);
    create_all(&place.open().await, &all[..3]).await;
    create(&place.open_over(&place.endpoint, 5).await, &all[3]).await;
    place.delete("index").await;

    let next: Arc<dyn Backend> = place.open().await;
    create(&next, &all[4]).await;

    assert_eq!(served(&place).await, all);
    secrets_are_of(&place, "of5.2.1").await;
}
