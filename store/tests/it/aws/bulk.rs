//! Many documents at once, with few calls.

use std::collections::BTreeMap;

use tollgate_store::Secret;
use tollgate_store::backend::{Change, Expected, TokenOwner};
use tollgate_store::document::Document;

use super::account::{Account, fake};
use crate::calls::Calls;
use crate::conformance::Place as _;
use crate::fake::Limits;
use crate::sample::{key_id, name, upstream};

const SHARDS: usize = 16;

fn creates(count: usize) -> Vec<Change> {
    let documents = (0..count).map(|number| upstream(&format!("upstream-{number}"), 1));
    documents.map(create).collect()
}

fn create(document: Document) -> Change {
    Change::Write {
        document,
        expected: Expected::Absent,
    }
}

fn counted(calls: &Calls) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for call in calls.take() {
        *counted.entry(call).or_default() += 1;
    }
    counted
}

fn count(counted: &BTreeMap<String, usize>, operation: &str) -> usize {
    counted.get(operation).copied().unwrap_or_default()
}

async fn place() -> Option<(Account, Calls)> {
    let (fake, place) = fake(Limits::default()).await?;
    let calls = Calls::to(&fake.endpoint()).await;
    // It lives as long as the test's process.
    std::mem::forget(fake);
    Some((place, calls))
}

#[tokio::test]
async fn a_thousand_documents_write_each_shard_once() {
    let Some((place, calls)) = place().await else {
        return;
    };
    let backend = place.open_at(&calls.endpoint()).await;

    let outcomes = backend.commit(creates(1_000)).await;

    assert!(outcomes.iter().all(Result::is_ok));
    let counted = counted(&calls);
    assert_eq!(count(&counted, "CreateSecret"), SHARDS + 1, "{counted:?}");
    assert_eq!(count(&counted, "TagResource"), SHARDS, "{counted:?}");
    assert_eq!(count(&counted, "GetSecretValue"), SHARDS, "{counted:?}");
    assert_eq!(count(&counted, "PutSecretValue"), 0, "{counted:?}");
    assert!(counted.values().sum::<usize>() < 6 * SHARDS, "{counted:?}");
}

#[tokio::test]
async fn a_thousand_documents_are_changed_and_removed_shard_by_shard_too() {
    let Some((place, calls)) = place().await else {
        return;
    };
    let backend = place.open_at(&calls.endpoint()).await;
    let revisions = backend.commit(creates(1_000)).await;
    counted(&calls);

    let changes = revisions.into_iter().enumerate().map(|(number, revision)| {
        let expected = Expected::Revision(revision.unwrap().unwrap());
        let document = upstream(&format!("upstream-{number}"), 2);
        Change::Write { document, expected }
    });
    let revisions = backend.commit(changes.collect()).await;
    let changed = counted(&calls);
    let removals = revisions
        .into_iter()
        .enumerate()
        .map(|(number, revision)| Change::Delete {
            key: upstream(&format!("upstream-{number}"), 2).key(),
            expected: revision.unwrap().unwrap(),
        });
    let outcomes = backend.commit(removals.collect()).await;

    assert_eq!(count(&changed, "PutSecretValue"), SHARDS, "{changed:?}");
    assert_eq!(count(&changed, "TagResource"), SHARDS, "{changed:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(None))));
    assert_eq!(place.secrets().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_list_and_a_thousand_reads_cost_a_handful_of_calls() {
    let Some((place, calls)) = place().await else {
        return;
    };
    place.open().await.commit(creates(1_000)).await;
    let backend = place.open_at(&calls.endpoint()).await;

    let listed = backend.list().await.unwrap();
    for number in 0..1_000 {
        let key = upstream(&format!("upstream-{number}"), 1).key();
        assert!(backend.read(&key).await.unwrap().is_some());
    }

    assert_eq!(listed.len(), 1_000);
    let counted = counted(&calls);
    assert_eq!(count(&counted, "BatchGetSecretValue"), 1, "{counted:?}");
    assert!(counted.values().sum::<usize>() <= 5, "{counted:?}");
}

#[tokio::test]
async fn a_burst_within_the_rates_that_aws_allows_is_written_in_the_end() {
    let limits = Limits {
        writes_per_second: Some(50),
        ..Limits::default()
    };
    let Some((_fake, place)) = fake(limits).await else {
        return;
    };
    let backend = place.open().await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..300 {
        let backend = std::sync::Arc::clone(&backend);
        writers.spawn(async move {
            let text = format!("upstream-{number}");
            // Tokens are not written together: they are what meets the limit.
            let (name, id) = (name(&text), key_id(&text));
            let owner = TokenOwner::Key {
                name: &name,
                id: &id,
            };
            let token = Secret::new("hush".to_owned());
            let absent = Expected::Absent;
            backend.write_token(owner, &token, &absent).await.unwrap();
            backend.write(&upstream(&text, 1), &absent).await
        });
    }

    for written in writers.join_all().await {
        written.unwrap();
    }

    assert_eq!(place.open().await.list().await.unwrap().len(), 300);
}
