//! The promises of the trait `Backend`, one function each. A backend's test names a place and has them all held.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_store::Secret;
use tollgate_store::backend::{
    Backend, Change, Cursor, Depth, Expected, Load, StoreError, TokenOwner,
};
use tollgate_store::document::{DocumentId, Entry, Kind, Revision};

use crate::sample::{key, key_id, name, scope, upstream};

/// A place that holds one namespace.
#[async_trait::async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens the namespace as another process would.
    async fn open(&self) -> Arc<dyn Backend>;

    /// Puts JSON in a document's place behind the backend's back.
    async fn put(&self, id: DocumentId, json: Value);
}

/// Holds the backend to every promise, each in a new place.
pub(crate) async fn hold<P: Place>(new_place: impl Fn() -> P) {
    a_namespace_starts_missing_and_ends_empty(&new_place()).await;
    a_document_is_created_read_changed_and_removed(&new_place()).await;
    a_second_create_is_told_that_it_exists(&new_place()).await;
    a_stale_revision_is_a_conflict(&new_place()).await;
    a_revision_of_an_earlier_life_is_a_conflict(&new_place()).await;
    parallel_writers_of_different_documents_are_all_kept(&new_place()).await;
    one_of_many_writers_of_one_document_wins(&new_place()).await;
    a_poll_is_quiet_while_nothing_changes(&new_place()).await;
    a_signal_tells_of_every_change(&new_place()).await;
    another_process_sees_what_was_written(&new_place()).await;
    tokens_are_kept_apart_and_never_polled(&new_place()).await;
    a_token_is_only_written_over_the_one_that_is_expected(&new_place()).await;
    many_changes_are_committed_each_by_itself(&new_place()).await;
    a_broken_document_hides_no_other(&new_place()).await;
    tidying_takes_nothing_that_is_in_use(&new_place()).await;
}

async fn a_namespace_starts_missing_and_ends_empty(place: &dyn Place) {
    let backend = place.open().await;
    for depth in [Depth::Signal, Depth::Everything] {
        let error = backend.poll(None, depth).await.unwrap_err();
        assert!(matches!(error, StoreError::NoNamespace { .. }), "{error}");
    }

    let revision = create(&backend, "a").await;
    let full = load(&backend, None).await;
    remove(&backend, "a", &revision).await;
    let emptied = load(&backend, Some(&full.cursor)).await;

    assert_eq!(names(&full), ["a"]);
    assert!(emptied.entries.is_empty());
    assert_eq!(backend.list().await.unwrap(), []);
    let error = backend.poll(None, Depth::Signal).await.unwrap_err();
    assert!(matches!(error, StoreError::NoNamespace { .. }), "{error}");
}

async fn a_document_is_created_read_changed_and_removed(place: &dyn Place) {
    let backend = place.open().await;
    let id = key(Kind::Upstream, "a");
    assert_eq!(backend.read(&id).await.unwrap(), None);

    let first = create(&backend, "a").await;
    let entry = backend.read(&id).await.unwrap().unwrap();
    assert_eq!(entry.document, Ok(upstream("a", 1)));
    assert_eq!(entry.revision.as_ref(), Some(&first));

    let changed = upstream("a", 2);
    let expected = Expected::Revision(first.clone());
    let second = backend.write(&changed, &expected).await.unwrap();
    let entry = backend.read(&id).await.unwrap().unwrap();
    assert_eq!(entry.document, Ok(changed));
    assert_eq!(entry.revision.as_ref(), Some(&second));
    assert_ne!(first, second);

    remove(&backend, "a", &second).await;
    assert_eq!(backend.read(&id).await.unwrap(), None);
    remove(&backend, "a", &second).await;
}

async fn a_second_create_is_told_that_it_exists(place: &dyn Place) {
    let backend = place.open().await;
    create(&backend, "a").await;

    let again = backend.write(&upstream("a", 2), &Expected::Absent).await;

    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    let entry = backend.read(&key(Kind::Upstream, "a")).await.unwrap();
    assert_eq!(entry.unwrap().document, Ok(upstream("a", 1)));
}

async fn a_stale_revision_is_a_conflict(place: &dyn Place) {
    let backend = place.open().await;
    let stale = create(&backend, "a").await;
    let expected = Expected::Revision(stale.clone());
    backend.write(&upstream("a", 2), &expected).await.unwrap();

    let write = backend.write(&upstream("a", 3), &expected).await;
    let delete = backend.delete(&key(Kind::Upstream, "a"), &stale).await;

    assert!(matches!(write, Err(StoreError::Conflict { .. })));
    assert!(matches!(delete, Err(StoreError::Conflict { .. })));
    let entry = backend.read(&key(Kind::Upstream, "a")).await.unwrap();
    assert_eq!(entry.unwrap().document, Ok(upstream("a", 2)));
}

async fn a_revision_of_an_earlier_life_is_a_conflict(place: &dyn Place) {
    let backend = place.open().await;
    let earlier = create(&backend, "a").await;
    remove(&backend, "a", &earlier).await;
    let expected = Expected::Revision(earlier.clone());

    let removed = backend.write(&upstream("a", 2), &expected).await;
    create(&backend, "a").await;
    let recreated = backend.write(&upstream("a", 2), &expected).await;
    let delete = backend.delete(&key(Kind::Upstream, "a"), &earlier).await;

    assert!(matches!(removed, Err(StoreError::Conflict { .. })));
    assert!(matches!(recreated, Err(StoreError::Conflict { .. })));
    assert!(matches!(delete, Err(StoreError::Conflict { .. })));
}

async fn parallel_writers_of_different_documents_are_all_kept(place: &dyn Place) {
    const WRITERS: u16 = 32;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let backend = place.open().await;
        writers.spawn(async move {
            let document = upstream(&format!("writer-{number}"), number + 1);
            backend.write(&document, &Expected::Absent).await
        });
    }
    for written in writers.join_all().await {
        written.unwrap();
    }

    let backend = place.open().await;
    let found = load(&backend, None).await;

    assert_eq!(found.entries.len(), usize::from(WRITERS));
    assert!(found.entries.iter().all(|entry| entry.document.is_ok()));
}

async fn one_of_many_writers_of_one_document_wins(place: &dyn Place) {
    let first = create(&place.open().await, "a").await;
    let mut writers = JoinSet::new();
    for port in 2..10 {
        let backend = place.open().await;
        let expected = Expected::Revision(first.clone());
        writers.spawn(async move { backend.write(&upstream("a", port), &expected).await });
    }
    let results = writers.join_all().await;

    let won: Vec<_> = results.iter().filter_map(|it| it.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    for lost in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(lost, StoreError::Conflict { .. }), "{lost}");
    }
    let backend = place.open().await;
    let standing = backend.read(&key(Kind::Upstream, "a")).await.unwrap();
    assert_eq!(standing.unwrap().revision.as_ref(), Some(won[0]));
}

async fn a_poll_is_quiet_while_nothing_changes(place: &dyn Place) {
    let backend = place.open().await;
    create(&backend, "a").await;
    let Load { cursor, .. } = load(&backend, None).await;

    for depth in [Depth::Signal, Depth::Everything, Depth::Signal] {
        let poll = backend.poll(Some(&cursor), depth).await.unwrap();
        assert!(poll.is_none(), "{depth:?}");
    }
}

async fn a_signal_tells_of_every_change(place: &dyn Place) {
    let backend = place.open().await;
    let reader = place.open().await;
    let revision = create(&backend, "a").await;
    let seen = load(&reader, None).await;

    create(&backend, "b").await;
    let created = load(&reader, Some(&seen.cursor)).await;
    let expected = Expected::Revision(revision);
    let revision = backend.write(&upstream("a", 2), &expected).await.unwrap();
    let changed = load(&reader, Some(&created.cursor)).await;
    remove(&backend, "a", &revision).await;
    let removed = load(&reader, Some(&changed.cursor)).await;

    assert_eq!(names(&created), ["a", "b"]);
    assert!(holds(&changed, &upstream("a", 2)));
    assert_eq!(names(&removed), ["b"]);
}

async fn another_process_sees_what_was_written(place: &dyn Place) {
    let one = place.open().await;
    create(&one, "a").await;
    one.write(&scope("a"), &Expected::Absent).await.unwrap();

    let other = place.open().await;

    assert_eq!(load(&other, None).await.entries.len(), 2);
    let read = other.read(&key(Kind::Scope, "a")).await.unwrap().unwrap();
    assert_eq!(read.document, Ok(scope("a")));
}

async fn tokens_are_kept_apart_and_never_polled(place: &dyn Place) {
    let backend = place.open().await;
    let owner_name = name("Team/acme:ci");
    let id = key_id("Team/acme:ci");
    let owner = TokenOwner::Key {
        name: &owner_name,
        id: &id,
    };
    let token = |text: &str| Secret::new(format!("canary-{text}"));
    assert_eq!(backend.token_place(owner).await.unwrap(), None);
    backend.delete_token(owner).await.unwrap();

    let absent = Expected::Absent;
    let written = backend.write_token(owner, &token("one"), &absent).await;
    let first = backend.read_token(owner).await.unwrap().unwrap();
    let expected = Expected::Revision(first.revision.clone());
    let again = backend.write_token(owner, &token("two"), &expected).await;
    create(&backend, "a").await;
    let found = load(&backend, None).await;

    let (written, again) = (written.unwrap(), again.unwrap());
    assert_eq!(written, again);
    assert_eq!(first.token.expose(), "canary-one");
    assert_eq!(first.place, written);
    assert_eq!(backend.token_place(owner).await.unwrap(), Some(again));
    assert_eq!(names(&found), ["a"]);
    assert!(!format!("{found:?}{backend:?}{first:?}").contains("canary"));

    backend.delete_token(owner).await.unwrap();
    assert_eq!(backend.token_place(owner).await.unwrap(), None);
    assert!(backend.read_token(owner).await.unwrap().is_none());
    let again = backend.write_token(owner, &token("three"), &absent).await;
    again.unwrap();
    backend.delete_token(owner).await.unwrap();
}

async fn a_token_is_only_written_over_the_one_that_is_expected(place: &dyn Place) {
    let backend = place.open().await;
    let set = name("Team/partners:all");
    let owner = TokenOwner::Page {
        set: &set,
        generation: 1,
        page: 0,
    };
    let other = TokenOwner::Page {
        set: &set,
        generation: 1,
        page: 1,
    };
    let token = |text: &str| Secret::new(text.to_owned());
    let absent = Expected::Absent;
    let first = backend.write_token(owner, &token("one"), &absent).await;
    first.unwrap();
    let stale = backend.read_token(owner).await.unwrap().unwrap().revision;
    let stale = Expected::Revision(stale);
    let second = backend.write_token(owner, &token("two"), &stale).await;
    second.unwrap();

    let created = backend.write_token(owner, &token("three"), &absent).await;
    let replaced = backend.write_token(owner, &token("four"), &stale).await;
    let missing = backend.write_token(other, &token("five"), &stale).await;

    for refused in [created, replaced, missing] {
        assert!(
            matches!(refused, Err(StoreError::TokenStands { .. })),
            "{refused:?}"
        );
    }
    let kept = backend.read_token(owner).await.unwrap().unwrap();
    assert_eq!(kept.token.expose(), "two");
    assert!(backend.read_token(other).await.unwrap().is_none());
    backend.delete_token(owner).await.unwrap();
}

async fn many_changes_are_committed_each_by_itself(place: &dyn Place) {
    let backend = place.open().await;
    let (old, stale) = (create(&backend, "old").await, create(&backend, "a").await);
    let write = |text: &str, port, expected| Change::Write {
        document: upstream(text, port),
        expected,
    };
    let delete = |text: &str, expected: &Revision| Change::Delete {
        key: key(Kind::Upstream, text),
        expected: expected.clone(),
    };
    let expected = Expected::Revision(stale.clone());
    backend.write(&upstream("a", 2), &expected).await.unwrap();
    let mut changes: Vec<Change> = (0..40)
        .map(|number| write(&format!("new-{number}"), 1, Expected::Absent))
        .collect();
    changes.push(write("a", 3, Expected::Revision(stale)));
    changes.push(write("old", 2, Expected::Absent));
    changes.push(delete("old", &old));
    changes.push(delete("never", &old));

    let outcomes = backend.commit(changes).await;

    let (new, rest) = outcomes.split_at(40);
    assert!(new.iter().all(|outcome| matches!(outcome, Ok(Some(_)))));
    assert!(matches!(rest[0], Err(StoreError::Conflict { .. })));
    assert!(matches!(rest[1], Err(StoreError::AlreadyExists { .. })));
    assert!(matches!(rest[2..], [Ok(None), Ok(None)]));
    let listed = backend.list().await.unwrap();
    let other = place.open().await.list().await.unwrap();
    assert_eq!((listed.len(), other.len()), (41, 41));
    assert_eq!(read(&backend, "a").await.document, Ok(upstream("a", 2)));
    let new = read(&backend, "new-7").await;
    assert_eq!(new.revision, *outcomes[7].as_ref().unwrap());
}

async fn tidying_takes_nothing_that_is_in_use(place: &dyn Place) {
    let backend = place.open().await;
    backend.tidy().await.unwrap();
    let revision = create(&backend, "a").await;
    let seen = load(&backend, None).await;

    backend.tidy().await.unwrap();

    assert_eq!(read(&backend, "a").await.revision, Some(revision));
    let again = poll(&backend, Some(&seen.cursor), Depth::Everything).await;
    assert!(again.is_none(), "tidying changed something");
}

async fn a_broken_document_hides_no_other(place: &dyn Place) {
    let backend = place.open().await;
    create(&backend, "a").await;
    let broken = key(Kind::Upstream, "broken");
    let envelope = json!({
        "kind": "upstream", "name": "broken", "schema": 1, "revision": "0123456789abcdef",
        "spec": {"targets": "none"},
    });
    place.put(broken.clone().into(), envelope).await;

    let found = poll(&backend, None, Depth::Everything).await.unwrap();
    let entry = backend.read(&broken).await.unwrap().unwrap();

    assert_eq!(names(&found), ["a", "broken"]);
    assert!(holds(&found, &upstream("a", 1)));
    let problem = entry.document.unwrap_err();
    assert_eq!(problem.place(), "targets");
    // What Terraform needs to mend it: the revision that stands there.
    let standing = entry.revision.unwrap();
    let mended = upstream("broken", 1);
    let expected = Expected::Revision(standing);
    backend.write(&mended, &expected).await.unwrap();
    assert_eq!(read(&backend, "broken").await.document, Ok(mended));
}

pub(crate) async fn create(backend: &Arc<dyn Backend>, text: &str) -> Revision {
    let document = upstream(text, 1);
    backend.write(&document, &Expected::Absent).await.unwrap()
}

pub(crate) async fn remove(backend: &Arc<dyn Backend>, text: &str, revision: &Revision) {
    let key = key(Kind::Upstream, text);
    backend.delete(&key, revision).await.unwrap();
}

pub(crate) async fn read(backend: &Arc<dyn Backend>, text: &str) -> Entry {
    let key = key(Kind::Upstream, text);
    backend.read(&key).await.unwrap().unwrap()
}

pub(crate) async fn poll(
    backend: &Arc<dyn Backend>,
    since: Option<&Cursor>,
    depth: Depth,
) -> Option<Load> {
    backend.poll(since, depth).await.unwrap()
}

/// What a signal brings; panics where it brings nothing.
pub(crate) async fn load(backend: &Arc<dyn Backend>, since: Option<&Cursor>) -> Load {
    poll(backend, since, Depth::Signal).await.unwrap()
}

/// The names of the entries, sorted, each once.
pub(crate) fn names(load: &Load) -> Vec<&str> {
    let names: BTreeSet<&str> = load.entries.iter().map(|it| it.id.name.as_str()).collect();
    names.into_iter().collect()
}

fn holds(load: &Load, document: &tollgate_store::document::Document) -> bool {
    load.entries
        .iter()
        .any(|entry| entry.document.as_ref() == Ok(document))
}
