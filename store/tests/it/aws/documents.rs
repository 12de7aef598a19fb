//! Promises, calls, and what is spoilt or lost.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use tollgate_store::Secret;
use tollgate_store::backend::{Depth, Expected, StoreError, TokenOwner};
use tollgate_store::document::{DocumentId, Kind};

use super::account::{Account, everywhere, shard_of};
use crate::calls::Calls;
use crate::conformance::{self, Place as _, create, load, names, poll, read, remove};
use crate::sample::{key, key_id, name, upstream};

#[tokio::test]
async fn secrets_manager_keeps_every_promise() {
    everywhere(async |place| conformance::hold(|| Account::new(&place.endpoint)).await).await;
}

#[tokio::test]
async fn a_quiet_poll_is_one_call_and_a_change_one_more() {
    everywhere(async |place| {
        let calls = Calls::to(&place.endpoint).await;
        let reader = place.open_at(&calls.endpoint()).await;
        let writer = place.open().await;
        create(&writer, "a").await;
        let seen = load(&reader, None).await;
        assert_eq!(calls.take(), ["BatchGetSecretValue", "DescribeSecret"]);

        let quiet = poll(&reader, Some(&seen.cursor), Depth::Signal).await;
        assert!(quiet.is_none());
        assert_eq!(calls.take(), ["DescribeSecret"]);

        create(&writer, "b").await;
        let changed = load(&reader, Some(&seen.cursor)).await;
        assert_eq!(names(&changed), ["a", "b"]);
        assert_eq!(calls.take(), ["BatchGetSecretValue", "DescribeSecret"]);
    })
    .await;
}

#[tokio::test]
async fn a_thousand_reads_are_a_handful_of_calls() {
    everywhere(async |place| {
        create(&place.open().await, "a").await;
        let calls = Calls::to(&place.endpoint).await;
        let backend = place.open_at(&calls.endpoint()).await;
        let mut readers = JoinSet::new();
        for number in 0..1000 {
            let backend = Arc::clone(&backend);
            let key = key(Kind::Key, &format!("key-{number}"));
            readers.spawn(async move { backend.read(&key).await.unwrap() });
        }

        readers.join_all().await;

        // All shards at once; and of the index, its tags twice and its value.
        let expected = [
            "BatchGetSecretValue",
            "DescribeSecret",
            "DescribeSecret",
            "GetSecretValue",
        ];
        assert_eq!(calls.take(), expected);
    })
    .await;
}

#[tokio::test]
async fn every_secret_carries_the_declared_tags_and_none_outlives_the_last_document() {
    everywhere(async |place| {
        let backend = place.open().await;
        let (one, other) = (create(&backend, "a").await, create(&backend, "b").await);
        let mut expected = vec!["index".to_owned()];
        expected.extend(["a", "b"].map(|name| shard_of("upstream", name)));
        expected.sort();
        assert_eq!(place.secrets().await, expected);
        for secret in &expected {
            let request = place
                .client
                .describe_secret()
                .secret_id(place.secret(secret));
            let tags = request.send().await.unwrap().tags.unwrap_or_default();
            assert!(tags.iter().any(|tag| tag.key() == Some("team")), "{secret}");
        }

        remove(&backend, "a", &one).await;
        remove(&backend, "b", &other).await;

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_lost_signal_is_healed_by_reading_everything() {
    everywhere(async |place| {
        let backend = place.open().await;
        create(&backend, "a").await;
        let seen = load(&backend, None).await;
        let id = DocumentId::from(key(Kind::Upstream, "b"));
        let document = json!({
            "kind": "upstream", "name": "b", "schema": 1, "revision": "0123456789abcdef",
            "spec": {"targets": ["http://127.0.0.1:1"]},
        });
        place.put(id, document).await;

        let cursor = Some(&seen.cursor);
        assert!(poll(&backend, cursor, Depth::Signal).await.is_none());
        let healed = poll(&backend, cursor, Depth::Everything).await.unwrap();

        assert_eq!(names(&healed), ["a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn a_lost_index_hides_nothing_and_comes_back_with_the_next_write() {
    everywhere(async |place| {
        let backend = place.open().await;
        let reader = place.open().await;
        create(&backend, "a").await;
        let seen = load(&reader, None).await;
        place.delete("index").await;

        let without = load(&reader, Some(&seen.cursor)).await;
        let cold = load(&place.open().await, None).await;
        create(&backend, "b").await;
        let with = load(&reader, Some(&without.cursor)).await;

        assert_eq!(names(&without), ["a"]);
        assert_eq!(names(&cold), ["a"]);
        assert_eq!(names(&with), ["a", "b"]);
        assert!(place.secrets().await.contains(&"index".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_corrupt_shard_keeps_its_last_good_documents_and_refuses_writes() {
    everywhere(async |place| {
        let backend = place.open().await;
        let revision = create(&backend, "a").await;
        create(&backend, "b").await;
        let seen = load(&backend, None).await;
        let shard = shard_of("upstream", "a");
        place.set(&shard, "{\"format\":1,").await;

        let found = poll(&backend, Some(&seen.cursor), Depth::Everything).await;
        let found = found.unwrap();
        let expected = Expected::Revision(revision);
        let write = backend.write(&upstream("a", 2), &expected).await;
        let write = write.unwrap_err();
        let cold = place.open().await.read(&key(Kind::Upstream, "a")).await;

        assert_eq!(names(&found), ["a", "b", &place.secret(&shard)]);
        assert!(matches!(write, StoreError::Corrupt { .. }), "{write}");
        assert!(matches!(cold, Err(StoreError::Corrupt { .. })), "{cold:?}");
        assert_eq!(
            read(&place.open().await, "b").await.document,
            Ok(upstream("b", 1))
        );
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_a_newer_build_laid_out_is_refused() {
    everywhere(async |place| {
        create(&place.open().await, "a").await;
        place.set("index", r#"{"format":3}"#).await;

        let backend = place.open().await;
        let poll = backend.poll(None, Depth::Signal).await.unwrap_err();
        let write = backend.write(&upstream("b", 1), &Expected::Absent).await;

        assert!(poll.to_string().contains("upgrade it"), "{poll}");
        assert!(
            matches!(write, Err(StoreError::Corrupt { .. })),
            "{write:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_token_is_a_secret_of_its_own_that_names_its_key() {
    everywhere(async |place| {
        let backend = place.open().await;
        let (owner_name, id) = (name("Team/acme:ci"), key_id("Team/acme:ci"));
        let owner = TokenOwner::Key {
            name: &owner_name,
            id: &id,
        };

        let token = Secret::new("hush".to_owned());
        let kept = backend
            .write_token(owner, &token, &Expected::Absent)
            .await
            .unwrap();

        let own = format!("token/{id}");
        assert_eq!(kept.secret_id, place.secret(&own));
        assert_eq!(place.value(&own).await, "hush");
        let arn = kept.secret_arn.unwrap();
        let described = place.client.describe_secret().secret_id(&arn).send().await;
        let tags = described.unwrap().tags.unwrap_or_default();
        let key = tags.iter().find(|tag| tag.key() == Some("tollgate-key"));
        assert_eq!(key.unwrap().value(), Some("Team/acme:ci"));

        backend.delete_token(owner).await.unwrap();
        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}
