//! Tokens of keys that no state knows.

use serde_json::{Value as Json, json};
use tollgate_provider::value::Value;
use tollgate_store::token::Verifier;

use crate::rotation::{FOREIGN, KEY, apply, assert_whole, declared, edit, kept, newest, stored};
use crate::terraform::{Object, Terraform};
use crate::words::texts;

#[tokio::test]
async fn a_hash_that_was_changed_by_hand_is_shown_and_repaired() {
    let terraform = Terraform::new().await;
    let brought = json!({"token_sha256": String::from(Verifier::of(FOREIGN))});
    let created = apply(&terraform, None, &brought).await;
    edit(&terraform, |spec| {
        spec["versions"][0]["sha256"] = "0".repeat(64).into();
    })
    .await;

    let read = terraform.refresh(KEY, &created).await.object.unwrap();
    assert_ne!(read.state, created.state);
    apply(&terraform, Some(&read), &brought).await;

    let key = stored(&terraform).await;
    assert_eq!(newest(&key).sha256, Verifier::of(FOREIGN));
}

/// Reads the key, is told of tokens that are not known, and applies the same configuration again.
async fn repair(terraform: &Terraform, object: &Object, more: &Json) -> (Vec<String>, Object) {
    let read = terraform.refresh(KEY, object).await;
    let told = texts(&read.diagnostics);
    let read = read.object.unwrap();
    let config = terraform.config(KEY, &declared(more));
    let plan = terraform.plan(KEY, Some(&read), Some(&config)).await;
    assert_eq!(plan.state.attribute("versions"), &Value::Unknown);
    let again = terraform.refresh(KEY, &read).await;
    assert_eq!(
        texts(&again.diagnostics),
        told,
        "it is told until it is put in order"
    );
    (told, apply(terraform, Some(&read), more).await)
}

#[tokio::test]
async fn a_hash_that_was_added_by_hand_is_told_and_taken_away() {
    let added = |number: u32| {
        json!({
            "version": number,
            "sha256": String::from(Verifier::of(FOREIGN)),
            "created_at": "2026-01-01T00:00:00Z",
        })
    };
    for (number, pending) in [(2, false), (2, true)] {
        let terraform = Terraform::new().await;
        let created = apply(&terraform, None, &json!({})).await;
        let before = stored(&terraform).await;
        edit(&terraform, |spec| {
            let mut version = added(number);
            version["pending"] = pending.into();
            spec["versions"].as_array_mut().unwrap().push(version);
        })
        .await;

        let (told, repaired) = repair(&terraform, &created, &json!({})).await;

        if !pending {
            let fingerprint = Verifier::of(FOREIGN).fingerprint();
            assert_eq!(
                told,
                [format!(
                    "warning @\nKey \"acme-ci\" has tokens that are not known\nMemory, namespace \"prod\" holds hashes \
                     of tokens that this state did not put there: {fingerprint}. Somebody wrote them by hand, or an \
                     apply whose state was lost. The next apply takes away what is not the token that the client was \
                     given."
                )]
            );
            assert_eq!(stored(&terraform).await.versions, before.versions);
        }
        let foreign = Verifier::of(FOREIGN);
        let versions = stored(&terraform).await.versions;
        assert!(versions.iter().all(|version| version.sha256 != foreign));
        assert_whole(&terraform, &repaired, &json!({})).await;
    }
}

#[tokio::test]
async fn a_hash_in_the_tokens_place_gives_way_to_another_token() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({})).await;
    edit(&terraform, |spec| {
        spec["versions"][0]["sha256"] = String::from(Verifier::of(FOREIGN)).into();
    })
    .await;

    let (told, repaired) = repair(&terraform, &created, &json!({})).await;

    assert!(told[0].contains(&Verifier::of(FOREIGN).fingerprint()));
    assert_eq!(stored(&terraform).await.versions.len(), 1);
    assert_whole(&terraform, &repaired, &json!({})).await;
}

#[tokio::test]
async fn an_older_token_whose_end_was_put_off_ends_at_once() {
    let terraform = Terraform::new().await;
    let overlap = |trigger| json!({"rotation": {"overlap": "24h", "trigger": trigger}});
    let created = apply(&terraform, None, &overlap("spring")).await;
    let rotated = apply(&terraform, Some(&created), &overlap("autumn")).await;
    let before = stored(&terraform).await;
    edit(&terraform, |spec| {
        spec["versions"][0]["expires_at"] = "2099-01-01T00:00:00Z".into();
    })
    .await;

    let (_, repaired) = repair(&terraform, &rotated, &overlap("autumn")).await;

    assert_eq!(stored(&terraform).await.versions, before.versions[1..]);
    assert_whole(&terraform, &repaired, &overlap("autumn")).await;
}

#[tokio::test]
async fn a_state_that_was_restored_leaves_the_client_its_token() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({})).await;
    let rotation = json!({"rotation": {"trigger": "leaked"}});
    apply(&terraform, Some(&created), &rotation).await;
    let token = kept(&terraform);

    let (_, repaired) = repair(&terraform, &created, &rotation).await;

    assert_eq!(kept(&terraform), token);
    assert_whole(&terraform, &repaired, &rotation).await;
}

#[tokio::test]
async fn an_id_that_was_changed_by_hand_is_told_and_put_right() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({})).await;
    let (before, token) = (stored(&terraform).await, kept(&terraform));
    edit(&terraform, |spec| spec["id"] = "000000000000".into()).await;

    let read = terraform.refresh(KEY, &created).await;

    assert_eq!(
        texts(&read.diagnostics),
        [
            "warning @\nKey \"acme-ci\" has another id\nMemory, namespace \"prod\" holds it under the id 000000000000, \
             which is not the one that derives from its name: somebody changed it by hand, and no token of Tollgate's own \
             opens it. The next apply puts it right."
        ]
    );
    let read = read.object.unwrap();
    let config = terraform.config(KEY, &declared(&json!({})));
    let plan = terraform.plan(KEY, Some(&read), Some(&config)).await;
    assert_ne!(plan.state, read.state, "the plan changes something");
    let whole = apply(&terraform, Some(&read), &json!({})).await;
    assert_eq!(stored(&terraform).await, before);
    assert_eq!(kept(&terraform), token);
    assert_whole(&terraform, &whole, &json!({})).await;
}

#[tokio::test]
async fn a_token_that_is_older_than_its_rotation_allows_is_told_with_the_reason() {
    let terraform = Terraform::new().await;
    let rotating = json!({"rotation": {"every": "30d"}});
    let created = apply(&terraform, None, &rotating).await;
    edit(&terraform, |spec| {
        spec["versions"][0]["created_at"] = "2026-01-01T00:00:00Z".into();
    })
    .await;

    let read = terraform.refresh(KEY, &created).await;

    assert_eq!(
        texts(&read.diagnostics),
        [
            "warning @\nKey \"acme-ci\" is due for a new token\nIts token was made on 2026-01-01T00:00:00Z, longer ago than \
             `rotation.every` allows: the next apply makes another one."
        ]
    );
    let rotated = apply(&terraform, read.object.as_ref(), &rotating).await;
    assert_whole(&terraform, &rotated, &rotating).await;
}
