//! Where tokens are, with few calls.

use std::time::Duration;

use tollgate_store::backend::{Backend, Expected, TokenOwner};
use tollgate_store::{KeyId, Name, Secret};

use super::account::{Account, fake};
use crate::calls::{Calls, Disturbance};
use crate::conformance::Place as _;
use crate::fake::Limits;
use crate::sample::{key_id, name};

/// Some keys' names and ids.
fn owners(count: usize) -> Vec<(Name, KeyId)> {
    let names = (0..count).map(|number| format!("key-{number}"));
    names.map(|text| (name(&text), key_id(&text))).collect()
}

fn owner((name, id): &(Name, KeyId)) -> TokenOwner<'_> {
    TokenOwner::Key { name, id }
}

async fn write(backend: &dyn Backend, owners: &[(Name, KeyId)]) {
    for one in owners {
        let token = Secret::new("hush".to_owned());
        let written = backend.write_token(owner(one), &token, &Expected::Absent);
        written.await.unwrap();
    }
}

/// How many of the tokens are found.
async fn found(backend: &dyn Backend, owners: &[(Name, KeyId)]) -> usize {
    let mut found = 0;
    for one in owners {
        let place = backend.token_place(owner(one)).await.unwrap();
        found += usize::from(place.is_some());
    }
    found
}

/// How often each operation was called, in order.
fn counted(calls: &Calls) -> Vec<(String, usize)> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for call in calls.take() {
        match counted.last_mut() {
            Some((operation, count)) if *operation == call => *count += 1,
            _ => counted.push((call, 1)),
        }
    }
    counted
}

fn times(operation: &str, count: usize) -> (String, usize) {
    (operation.to_owned(), count)
}

/// The fake, a namespace in it, and an endpoint that counts calls.
async fn counting(limits: Limits) -> Option<(Account, Calls)> {
    let (fake, place) = fake(limits).await?;
    let calls = Calls::to(&fake.endpoint()).await;
    // It lives as long as the test's process.
    std::mem::forget(fake);
    Some((place, calls))
}

#[tokio::test]
async fn a_new_token_is_one_call_and_so_is_its_removal_once_it_is_found() {
    let Some((place, calls)) = counting(Limits::default()).await else {
        return;
    };
    let backend = place.open_at(&calls.endpoint()).await;
    let owners = owners(1);

    write(&*backend, &owners).await;
    let written = counted(&calls);
    backend.delete_token(owner(&owners[0])).await.unwrap();
    let removed = counted(&calls);

    assert_eq!(written, [times("CreateSecret", 1)]);
    assert_eq!(
        removed,
        [times("DeleteSecret", 1), times("DescribeSecret", 1)]
    );
}

#[tokio::test]
async fn a_thousand_tokens_are_found_in_a_few_calls() {
    let Some((place, calls)) = counting(Limits::default()).await else {
        return;
    };
    let owners = owners(1_000);
    write(&*place.open().await, &owners).await;
    let backend = place.open_at(&calls.endpoint()).await;

    let places = found(&*backend, &owners).await;

    assert_eq!(places, 1_000);
    assert_eq!(
        counted(&calls),
        [times("DescribeSecret", 20), times("ListSecrets", 10)]
    );
}

#[tokio::test]
async fn a_token_that_the_list_does_not_tell_of_yet_is_asked_for() {
    let limits = Limits {
        list_lag: Duration::from_hours(1),
        ..Limits::default()
    };
    let Some((place, calls)) = counting(limits).await else {
        return;
    };
    let owners = owners(40);
    write(&*place.open().await, &owners).await;
    let backend = place.open_at(&calls.endpoint()).await;

    assert_eq!(found(&*backend, &owners).await, 40);
    assert_eq!(
        counted(&calls),
        [times("DescribeSecret", 40), times("ListSecrets", 1)]
    );
}

#[tokio::test]
async fn a_token_that_this_process_removed_is_gone_whatever_the_list_says() {
    let Some((place, calls)) = counting(Limits::default()).await else {
        return;
    };
    let owners = owners(30);
    let backend = place.open_at(&calls.endpoint()).await;
    write(&*backend, &owners).await;
    assert_eq!(found(&*backend, &owners).await, 30);

    backend.delete_token(owner(&owners[25])).await.unwrap();

    assert_eq!(found(&*backend, &owners).await, 29);
}

#[tokio::test]
async fn who_may_not_list_asks_for_each() {
    let limits = Limits {
        denied: ["ListSecrets"].into(),
        ..Limits::default()
    };
    let Some((place, calls)) = counting(limits).await else {
        return;
    };
    let owners = owners(30);
    write(&*place.open().await, &owners).await;
    let backend = place.open_at(&calls.endpoint()).await;

    assert_eq!(found(&*backend, &owners).await, 30);
    assert_eq!(
        counted(&calls),
        [times("DescribeSecret", 30), times("ListSecrets", 1)]
    );
}

#[tokio::test]
async fn a_token_whose_answer_was_lost_is_not_written_twice() {
    let Some((place, calls)) = counting(Limits::default()).await else {
        return;
    };
    let backend = place.open_at(&calls.endpoint()).await;
    calls.disturb("CreateSecret", Disturbance::LoseAnswer);
    calls.disturb("CreateSecret", Disturbance::LoseAnswer);

    write(&*backend, &owners(1)).await;

    let kept = backend.read_token(owner(&owners(1)[0])).await.unwrap();
    assert_eq!(kept.unwrap().token.expose(), "hush");
}

#[tokio::test]
async fn a_token_that_was_replaced_too_often_is_told_what_to_do() {
    let limits = Limits {
        versions_max: 1,
        ..Limits::default()
    };
    let Some((_fake, place)) = fake(limits).await else {
        return;
    };
    let backend = place.open().await;
    let owners = owners(1);
    write(&*backend, &owners).await;
    let kept = backend.read_token(owner(&owners[0])).await.unwrap();

    let expected = Expected::Revision(kept.unwrap().revision);
    let token = Secret::new("another".to_owned());
    let refused = backend.write_token(owner(&owners[0]), &token, &expected);

    let text = refused.await.unwrap_err().to_string();
    assert!(
        text.contains("100 versions") && text.contains("token/"),
        "{text}"
    );
}
