//! Tokens of key sets that no state knows, or nobody can read.

use serde_json::{Value as Json, json};
use tollgate_provider::value::Value;
use tollgate_store::Name;
use tollgate_store::backend::{Backend, Expected, TokenOwner};
use tollgate_store::document::{Document, Entry, Kind};
use tollgate_store::token::Verifier;

use crate::key_sets::{SET, apply, assert_whole, declared, keys, many, tokens};
use crate::terraform::{Terraform, key};
use crate::words::texts;

/// Changes every stored part of the set behind the provider's back.
async fn edit(terraform: &Terraform, edit: impl Fn(&mut Json)) {
    for entry in terraform.store.list().await.unwrap() {
        if entry.id.kind == Kind::KeySetPart.as_str() {
            let revision = entry.revision.unwrap();
            let document = entry.document.unwrap();
            let mut json = Entry::json(&document, &revision);
            edit(&mut json["spec"]["keys"]);
            let edited = Document::parse(&document.key(), json["spec"].take()).unwrap();
            let expected = Expected::Revision(revision);
            terraform.store.write(&edited, &expected).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_hash_that_was_written_by_hand_gives_way_to_the_keys_own_token() {
    let foreign = String::from(Verifier::of("a-token-of-somebody-elses"));
    let added = json!({"version": 2, "sha256": foreign, "created_at": "2026-01-01T00:00:00Z"});
    let swap = |keys: &mut Json| keys["a"]["versions"][0]["sha256"] = foreign.clone().into();
    let add = |keys: &mut Json| {
        keys["a"]["versions"]
            .as_array_mut()
            .unwrap()
            .push(added.clone());
    };
    for by_hand in [&swap as &dyn Fn(&mut Json), &add] {
        let terraform = Terraform::new().await;
        let wanted = json!({"a": {}, "b": {}});
        let created = apply(&terraform, None, &wanted).await;
        let (keys_before, tokens_before) = (keys(&terraform).await, tokens(&terraform));
        edit(&terraform, by_hand).await;

        let read = terraform.refresh(SET, &created).await;
        let [told] = texts(&read.diagnostics).try_into().unwrap();
        assert!(
            told.starts_with("warning @\n") && told.contains(": a. "),
            "{told}"
        );
        let read = read.object.unwrap();
        let again = terraform.refresh(SET, &read).await;
        assert_eq!(
            texts(&again.diagnostics),
            [told],
            "it is told until it is put in order"
        );
        let config = terraform.config(SET, &declared(&wanted));
        let plan = terraform.plan(SET, Some(&read), Some(&config)).await;
        let planned = known_fingerprints(&plan.state);
        assert_eq!(planned, ["b"], "only the one that changes is unknown");
        let repaired = apply(&terraform, Some(&read), &wanted).await;

        assert_eq!(tokens(&terraform), tokens_before);
        let keys = keys(&terraform).await;
        assert_eq!(
            keys["a"].versions[0].sha256,
            keys_before["a"].versions[0].sha256
        );
        assert_whole(&terraform, &repaired, &wanted).await;
    }
}

/// The keys whose fingerprint is known.
fn known_fingerprints(state: &Value) -> Vec<String> {
    let Value::Map(keys) = state.attribute("keys") else {
        panic!("{state:?} has keys");
    };
    let known = keys
        .iter()
        .filter(|(_, key)| key.attribute("fingerprint") != &Value::Unknown);
    known.map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn a_page_that_is_missing_is_told_and_its_tokens_are_made_anew() {
    let terraform = Terraform::new().await;
    let wanted = many(1_000);
    let created = apply(&terraform, None, &wanted).await;
    let before = tokens(&terraform);
    let set = Name::parse("partners").unwrap();
    let page = TokenOwner::Page {
        set: &set,
        generation: 1,
        page: 0,
    };
    terraform.store.delete_token(page).await.unwrap();
    let left = tokens(&terraform);
    assert!(!left.is_empty() && left.len() < before.len());

    let read = terraform.refresh(SET, &created).await;
    let told = texts(&read.diagnostics);
    assert!(
        told[0].contains("\nTokens of key set \"partners\" are missing\n"),
        "{told:?}"
    );
    assert!(told[0].contains(" more. Clients"), "{told:?}");
    let repaired = apply(&terraform, read.object.as_ref(), &wanted).await;

    let after = tokens(&terraform);
    assert!(left.iter().all(|(name, token)| after[name] == *token));
    let anew = before
        .iter()
        .filter(|(name, token)| after[*name] != **token);
    assert_eq!(anew.count(), before.len() - left.len());
    assert_whole(&terraform, &repaired, &wanted).await;
}

#[tokio::test]
async fn a_namespace_that_was_changed_by_hand_is_told_and_put_right() {
    let terraform = Terraform::new().await;
    let wanted = json!({"a": {}, "b": {}});
    let created = apply(&terraform, None, &wanted).await;
    let id = key("key_set", "partners");
    let entry = terraform.store.read(&id).await.unwrap().unwrap();
    let (revision, document) = (entry.revision.unwrap(), entry.document.unwrap());
    let mut json = Entry::json(&document, &revision);
    json["spec"]["namespace"] = "elsewhere".into();
    let edited = Document::parse(&id, json["spec"].take()).unwrap();
    let edited = edited.owned(document.owner().cloned());
    terraform
        .store
        .write(&edited, &Expected::Revision(revision))
        .await
        .unwrap();

    let read = terraform.refresh(SET, &created).await;

    assert!(texts(&read.diagnostics)[0].contains("has keys of other ids"));
    let read = read.object.unwrap();
    let config = terraform.config(SET, &declared(&wanted));
    let plan = terraform.plan(SET, Some(&read), Some(&config)).await;
    assert_ne!(plan.state, read.state, "the plan changes something");
    let repaired = apply(&terraform, Some(&read), &wanted).await;
    assert_whole(&terraform, &repaired, &wanted).await;
}

#[tokio::test]
async fn a_new_token_leaves_the_places_of_the_pages_known() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({"a": {}, "b": {}})).await;
    let pages = |plan: Value| plan.attribute("pages").clone();
    let planned = async |keys: Json| {
        let config = terraform.config(SET, &declared(&keys));
        let plan = terraform.plan(SET, Some(&created), Some(&config)).await;
        pages(plan.state)
    };

    let renewed = planned(json!({"a": {"token_version": 2}, "b": {}})).await;
    let fewer = planned(json!({"a": {}})).await;
    let hash = String::from(Verifier::of("a-token-from-elsewhere"));
    let hashed = planned(json!({"a": {}, "b": {"token_sha256": hash}})).await;

    assert_eq!(&renewed, created.state.attribute("pages"));
    assert_eq!([fewer, hashed], [Value::Unknown, Value::Unknown]);
}

#[tokio::test]
async fn another_timeout_alone_writes_nothing() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({"a": {}})).await;
    let revision = async || {
        let entry = terraform.store.read(&key("key_set", "partners")).await;
        entry.unwrap().unwrap().revision
    };
    let before = revision().await;
    let mut json = declared(&json!({"a": {}}));
    json["timeouts"] = json!({"update": "10m"});
    let config = terraform.config(SET, &json);

    let applied = terraform.apply(SET, Some(&created), &config).await;

    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    let applied = applied.object.unwrap();
    let limit = applied.state.attribute("timeouts").attribute("update");
    assert_eq!(limit, &Value::from("10m"));
    assert_eq!(revision().await, before);
    let read = terraform.refresh(SET, &applied).await;
    assert_eq!(read.object, Some(applied));
}
