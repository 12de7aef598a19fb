//! Sets of keys: what only they have.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tollgate_provider::value::{Value, to_json};
use tollgate_store::backend::Backend;
use tollgate_store::document::{KeySet, Kind, SetKey, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, token};

use crate::backend::{CALLS, Fault, Unreliable};
use crate::failures::neighbour;
use crate::terraform::{Object, Terraform, key, namespace};
use crate::words::texts;

pub(crate) const SET: &str = "tollgate_key_set";

pub(crate) fn declared(keys: &Json) -> Json {
    json!({"name": "partners", "scopes": ["base:read"], "keys": keys})
}

pub(crate) fn many(count: usize) -> Json {
    let keys = (0..count).map(|number| (format!("client-{number:05}"), json!({})));
    Json::Object(keys.collect())
}

pub(crate) async fn apply(terraform: &Terraform, prior: Option<&Object>, keys: &Json) -> Object {
    let config = terraform.config(SET, &declared(keys));
    let applied = terraform.apply(SET, prior, &config).await;
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    applied.object.unwrap()
}

/// Like Terraform, which applies nothing where nothing changes.
async fn apply_if_planned(terraform: &Terraform, prior: Object, keys: &Json) -> Object {
    let config = terraform.config(SET, &declared(keys));
    let plan = terraform.plan(SET, Some(&prior), Some(&config)).await;
    if plan.state == prior.state {
        return prior;
    }
    apply(terraform, Some(&prior), keys).await
}

async fn header(terraform: &Terraform) -> KeySet {
    let entry = terraform
        .store
        .read(&key("key_set", "partners"))
        .await
        .unwrap();
    match entry.unwrap().document.unwrap().spec() {
        Spec::KeySet(set) => set.clone(),
        other => panic!("{other:?} is no set"),
    }
}

/// The keys of the generation that counts.
pub(crate) async fn keys(terraform: &Terraform) -> BTreeMap<String, SetKey> {
    let generation = header(terraform).await.generation;
    let start = format!("partners/{generation}/");
    let entries = terraform.store.list().await.unwrap().into_iter();
    let parts = entries.filter(|entry| entry.id.name.starts_with(&start));
    let mut keys = BTreeMap::new();
    for part in parts {
        if let Spec::KeySetPart(part) = part.document.unwrap().spec() {
            let named = part.keys.iter();
            keys.extend(named.map(|(name, key)| (name.to_string(), key.clone())));
        }
    }
    keys
}

pub(crate) fn tokens(terraform: &Terraform) -> BTreeMap<String, String> {
    let pages = terraform.store.tokens();
    let pages = pages
        .iter()
        .map(|page| serde_json::from_str::<BTreeMap<String, String>>(page.expose()).unwrap());
    pages.flatten().collect()
}

/// Every key's token opens it and nothing else, and a second plan is empty.
pub(crate) async fn assert_whole(terraform: &Terraform, object: &Object, keys_given: &Json) {
    let (keys, tokens) = (keys(terraform).await, tokens(terraform));
    assert_eq!(keys.len(), keys_given.as_object().unwrap().len());
    let own = keys.iter().filter(|(_, key)| !key.versions[0].imported);
    assert_eq!(own.clone().count(), tokens.len());
    for (name, key) in own {
        assert_eq!(
            key.versions[0].sha256,
            Verifier::of(&tokens[name]),
            "{name}"
        );
        let set = Name::parse("partners").unwrap();
        let id = KeyId::derive_in_set(&namespace(), &set, &Name::parse(name).unwrap());
        assert_eq!(token::key_id(&tokens[name]), Some(id));
    }
    let generation = header(terraform).await.generation;
    let stray = terraform
        .store
        .list()
        .await
        .unwrap()
        .into_iter()
        .filter(|entry| {
            entry.id.kind == Kind::KeySetPart.as_str()
                && !entry
                    .id
                    .name
                    .starts_with(&format!("partners/{generation}/"))
        });
    assert_eq!(stray.count(), 0, "parts of other generations are gone");
    let read = terraform.refresh(SET, object).await;
    assert_eq!(texts(&read.diagnostics), [""; 0]);
    assert_eq!(read.object.as_ref(), Some(object));
    let config = terraform.config(SET, &declared(keys_given));
    let plan = terraform.plan(SET, Some(object), Some(&config)).await;
    assert_eq!(plan.state, object.state);
}

#[tokio::test]
async fn ten_thousand_keys_stand_in_few_documents_and_pages() {
    let terraform = Terraform::new().await;
    let declared = many(10_000);

    let created = apply(&terraform, None, &declared).await;

    let pages = terraform.store.tokens().len();
    assert!(pages < 40, "{pages} pages");
    assert_whole(&terraform, &created, &declared).await;
    let token = tokens(&terraform)["client-04711"].clone();
    assert!(!terraform.has_answered(&token));
    let shown = to_json(created.state.attribute("pages")).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), pages);
}

#[tokio::test]
async fn one_changed_key_leaves_all_others_and_every_token_as_they_are() {
    let terraform = Terraform::new().await;
    let mut wanted = many(1_000);
    let created = apply(&terraform, None, &wanted).await;
    let (keys_before, tokens_before) = (keys(&terraform).await, tokens(&terraform));
    wanted["client-00007"] = json!({"enabled": false, "metadata": {"owner": "acme"}});

    let changed = apply(&terraform, Some(&created), &wanted).await;

    assert_eq!(tokens(&terraform), tokens_before);
    let mut keys = keys(&terraform).await;
    let key = keys.insert(
        "client-00007".to_owned(),
        keys_before["client-00007"].clone(),
    );
    assert!(!key.unwrap().enabled);
    assert_eq!(keys, keys_before);
    assert_whole(&terraform, &changed, &wanted).await;
}

#[tokio::test]
async fn a_key_that_is_taken_out_loses_its_token_and_a_new_one_gets_its_own() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({"a": {}, "b": {}})).await;
    let before = tokens(&terraform);

    let wanted = json!({"b": {}, "c": {}});
    let changed = apply(&terraform, Some(&created), &wanted).await;

    let after = tokens(&terraform);
    assert_eq!(after.keys().collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(after["b"], before["b"]);
    assert_whole(&terraform, &changed, &wanted).await;
    let again = json!({"a": {}, "b": {}, "c": {}});
    let again = apply(&terraform, Some(&changed), &again).await;
    assert_ne!(
        tokens(&terraform)["a"],
        before["a"],
        "the old token stays worthless"
    );
    assert_ne!(again.state, changed.state);
}

#[tokio::test]
async fn another_token_version_makes_another_token() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({"a": {}, "b": {}})).await;
    let before = tokens(&terraform);
    let wanted = json!({"a": {"token_version": 2}, "b": {}});
    let config = terraform.config(SET, &declared(&wanted));
    let plan = terraform.plan(SET, Some(&created), Some(&config)).await;
    let planned = match plan.state.attribute("keys") {
        Value::Map(keys) => keys.clone(),
        other => panic!("{other:?} is no map"),
    };
    assert_eq!(planned["a"].attribute("fingerprint"), &Value::Unknown);
    assert_ne!(planned["b"].attribute("fingerprint"), &Value::Unknown);

    let changed = apply(&terraform, Some(&created), &wanted).await;

    let after = tokens(&terraform);
    assert_ne!(after["a"], before["a"]);
    assert_eq!(after["b"], before["b"]);
    assert_whole(&terraform, &changed, &wanted).await;
}

#[tokio::test]
async fn tokens_that_only_their_hashes_tell_of_are_in_no_page() {
    let terraform = Terraform::new().await;
    let hash = |text: &str| String::from(Verifier::of(text));
    let wanted = json!({"a": {"token_sha256": hash("one")}, "b": {"token_sha256": hash("two")}});

    let created = apply(&terraform, None, &wanted).await;

    assert!(terraform.store.tokens().is_empty());
    assert_eq!(created.state.attribute("pages"), &Value::List(Vec::new()));
    assert_whole(&terraform, &created, &wanted).await;
    let other = json!({"a": {"token_sha256": hash("three")}, "b": {}});
    let changed = apply(&terraform, Some(&created), &other).await;
    assert_eq!(
        keys(&terraform).await["a"].versions[0].sha256,
        Verifier::of("three")
    );
    assert_whole(&terraform, &changed, &other).await;
}

#[tokio::test]
async fn a_set_that_outgrows_its_layout_keeps_every_token() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &many(50)).await;
    let (before, first) = (tokens(&terraform), header(&terraform).await);

    let grown = apply(&terraform, Some(&created), &many(3_000)).await;

    let (after, second) = (tokens(&terraform), header(&terraform).await);
    assert_eq!((first.generation, second.generation), (1, 2));
    assert!(second.parts > first.parts && second.pages > first.pages);
    assert!(
        before
            .iter()
            .all(|(name, token)| after.get(name) == Some(token))
    );
    assert_whole(&terraform, &grown, &many(3_000)).await;
}

#[tokio::test]
async fn a_set_that_is_removed_leaves_nothing_behind() {
    let terraform = Terraform::new().await;
    let standing = terraform.store.list().await.unwrap().len();
    let created = apply(&terraform, None, &many(500)).await;

    let gone = terraform.destroy(SET, &created).await;

    assert_eq!(texts(&gone.diagnostics), [""; 0]);
    assert!(terraform.store.tokens().is_empty());
    assert_eq!(terraform.store.list().await.unwrap().len(), standing);
}

#[tokio::test]
async fn a_change_that_fails_anywhere_is_finished_by_the_next_apply() {
    let faults = [Fault::Refused, Fault::AnswerLost, Fault::Panics];
    for (call, fault) in CALLS
        .iter()
        .flat_map(|call| faults.map(|fault| (*call, fault)))
    {
        for (passes, count) in [(0, 60), (1, 60), (0, 600), (1, 600), (2, 600)] {
            let (terraform, store) = Unreliable::terraform().await;
            let created = apply(&terraform, None, &many(50)).await;
            let before = tokens(&terraform);
            let wanted = many(count);
            store.fail_after(call, fault, passes);

            let config = terraform.config(SET, &declared(&wanted));
            let failed = terraform.apply(SET, Some(&created), &config).await;

            store.recover();
            let left = failed.object.unwrap();
            let read = terraform.refresh(SET, &left).await;
            let whole = apply_if_planned(&terraform, read.object.unwrap(), &wanted).await;
            assert_whole(&terraform, &whole, &wanted).await;
            let after = tokens(&terraform);
            let kept = before
                .iter()
                .all(|(name, token)| after.get(name) == Some(token));
            assert!(kept, "{call} {fault:?} after {passes}: a token was lost");
        }
    }
}

#[tokio::test]
async fn a_create_that_nobody_remembers_is_gone_on_with_and_keeps_its_tokens() {
    for (call, passes) in [
        ("write", 1),
        ("write", 2),
        ("write_token", 0),
        ("write_token", 1),
    ] {
        let (terraform, store) = Unreliable::terraform().await;
        store.fail_after(call, Fault::AnswerLost, passes);
        let config = terraform.config(SET, &declared(&many(1_000)));
        terraform.apply(SET, None, &config).await;
        store.recover();
        let before = tokens(&terraform);
        assert!(!before.is_empty());

        let other = neighbour(&terraform).await;
        let again = other.apply(SET, None, &config).await;

        let problems = texts(&again.diagnostics);
        assert!(problems[0].contains("was there already"), "{problems:?}");
        let after = tokens(&terraform);
        assert!(
            before
                .iter()
                .all(|(name, token)| after.get(name) == Some(token))
        );
        assert_whole(&other, &again.object.unwrap(), &many(1_000)).await;
    }
}

#[tokio::test]
async fn a_create_that_is_gone_on_with_as_a_smaller_set_leaves_no_token_behind() {
    for (call, passes) in [
        ("write", 0),
        ("write_token", 0),
        ("write_token", 1),
        ("write_token", 9),
    ] {
        let (terraform, store) = Unreliable::terraform().await;
        store.fail_after(call, Fault::AnswerLost, passes);
        let config = terraform.config(SET, &declared(&many(4_000)));
        terraform.apply(SET, None, &config).await;
        store.recover();

        let other = neighbour(&terraform).await;
        let smaller = many(3);
        let config = terraform.config(SET, &declared(&smaller));
        let again = other.apply(SET, None, &config).await;

        assert_whole(&other, &again.object.unwrap(), &smaller).await;
    }
}

#[tokio::test]
async fn of_two_who_change_a_set_at_once_one_is_told_to_plan_again() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &many(10)).await;
    let other = neighbour(&terraform).await;
    let wanted = many(11);
    apply(&other, Some(&created), &wanted).await;

    let config = terraform.config(SET, &declared(&many(12)));
    let refused = terraform.apply(SET, Some(&created), &config).await;

    assert!(texts(&refused.diagnostics)[0].contains("plan again"));
    let read = terraform.refresh(SET, &refused.object.unwrap()).await;
    let whole = apply(&terraform, read.object.as_ref(), &many(12)).await;
    assert_whole(&terraform, &whole, &many(12)).await;
}

#[tokio::test]
async fn a_key_that_names_a_scope_which_does_not_exist_is_refused_where_it_stands() {
    let terraform = Terraform::new().await;
    let config = declared(&json!({"a": {}, "b": {"scopes": ["no:scope"]}}));
    let config = terraform.config(SET, &config);

    let refused = terraform.apply(SET, None, &config).await;

    let [text] = texts(&refused.diagnostics).try_into().unwrap();
    assert!(
        text.starts_with("error @.keys\nKey set \"partners\" names scope \"no:scope\""),
        "{text}"
    );
    assert_eq!(refused.object, None);
}
