//! How a key's token is replaced, or brought along.

use serde_json::{Value as Json, json};
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::validate_resource_config;
use tollgate_provider::value::{Value, to_json};
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::{Document, Entry, Key, KeyVersion, Spec};
use tollgate_store::token::Verifier;
use tonic::Request;

use crate::backend::{CALLS, Fault, Unreliable};
use crate::terraform::{Object, Terraform, key, wire, with};
use crate::words::texts;

pub(crate) const KEY: &str = "tollgate_key";
pub(crate) const FOREIGN: &str = "sk_4eC39HqLyjWDarjtT1zdp7dc";

pub(crate) fn declared(more: &Json) -> Json {
    let mut json = json!({"name": "acme-ci", "scopes": ["base:read"]});
    json.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json
}

pub(crate) async fn apply(terraform: &Terraform, prior: Option<&Object>, more: &Json) -> Object {
    let config = terraform.config(KEY, &declared(more));
    let applied = terraform.apply(KEY, prior, &config).await;
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    applied.object.unwrap()
}

pub(crate) async fn stored(terraform: &Terraform) -> Key {
    let entry = terraform.store.read(&key("key", "acme-ci")).await.unwrap();
    match entry.unwrap().document.unwrap().spec() {
        Spec::Key(key) => key.clone(),
        other => panic!("{other:?} is no key"),
    }
}

/// Changes the stored key behind the provider's back.
pub(crate) async fn edit(terraform: &Terraform, edit: impl FnOnce(&mut Json)) {
    let id = key("key", "acme-ci");
    let entry = terraform.store.read(&id).await.unwrap().unwrap();
    let revision = entry.revision.unwrap();
    let document = entry.document.unwrap();
    let mut json = Entry::json(&document, &revision);
    edit(&mut json["spec"]);
    let edited = Document::parse(&id, json["spec"].take()).unwrap();
    let edited = edited.owned(document.owner().cloned());
    let expected = Expected::Revision(revision);
    terraform.store.write(&edited, &expected).await.unwrap();
}

pub(crate) fn kept(terraform: &Terraform) -> Verifier {
    let token = terraform.store.token(&key("key", "acme-ci").name);
    Verifier::of(token.unwrap().expose())
}

pub(crate) fn newest(key: &Key) -> &KeyVersion {
    key.versions.last().unwrap()
}

/// The client's token is the key's newest, nothing is half done, and a second plan is empty.
pub(crate) async fn assert_whole(terraform: &Terraform, object: &Object, more: &Json) {
    let key = stored(terraform).await;
    assert_eq!(newest(&key).sha256, kept(terraform));
    assert!(key.versions.iter().all(|version| !version.pending));
    let read = terraform.refresh(KEY, object).await;
    assert_eq!(read.object.as_ref(), Some(object));
    let config = terraform.config(KEY, &declared(more));
    let plan = terraform.plan(KEY, Some(object), Some(&config)).await;
    assert_eq!(plan.state, object.state);
}

#[tokio::test]
async fn another_trigger_makes_another_token_and_the_old_one_ends_after_the_overlap() {
    let terraform = Terraform::new().await;
    let first = json!({"rotation": {"overlap": "24h", "trigger": "spring"}});
    let created = apply(&terraform, None, &first).await;
    let old = kept(&terraform);
    let second = json!({"rotation": {"overlap": "24h", "trigger": "autumn"}});

    let rotated = apply(&terraform, Some(&created), &second).await;

    let key = stored(&terraform).await;
    let [before, after] = key.versions.as_slice() else {
        panic!("{key:?} has two versions");
    };
    assert_eq!((before.version, after.version), (1, 2));
    assert_eq!(before.sha256, old);
    let lasts = before
        .expires_at
        .as_ref()
        .unwrap()
        .at()
        .duration_since(after.created_at.at());
    assert!((86_390..=86_410).contains(&lasts.as_secs()), "{lasts:?}");
    assert_eq!(after.expires_at, None);
    let shown = to_json(rotated.state.attribute("versions")).unwrap();
    assert_eq!(shown[0]["expires_at"], json!(before.expires_at));
    assert_eq!(
        rotated.state.attribute("secret_id"),
        created.state.attribute("secret_id"),
        "the client looks where it always did"
    );
    assert_whole(&terraform, &rotated, &second).await;
}

#[tokio::test]
async fn without_an_overlap_the_old_token_ends_at_once() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({})).await;

    let second = json!({"rotation": {"trigger": "leaked"}});
    let rotated = apply(&terraform, Some(&created), &second).await;

    let key = stored(&terraform).await;
    assert_eq!(key.versions.len(), 1);
    assert_eq!(newest(&key).version, 2);
    assert_whole(&terraform, &rotated, &second).await;
}

#[tokio::test]
async fn a_token_is_replaced_by_the_first_apply_after_its_age_and_not_before() {
    let terraform = Terraform::new().await;
    let rotation = json!({"rotation": {"every": "30d", "overlap": "24h"}});
    let created = apply(&terraform, None, &rotation).await;
    assert_whole(&terraform, &created, &rotation).await;
    let old = kept(&terraform);
    edit(&terraform, |spec| {
        spec["versions"][0]["created_at"] = "2026-01-01T00:00:00Z".into();
    })
    .await;

    let read = terraform.refresh(KEY, &created).await.object.unwrap();
    let config = terraform.config(KEY, &declared(&rotation));
    let plan = terraform.plan(KEY, Some(&read), Some(&config)).await;
    let rotated = terraform.apply(KEY, Some(&read), &config).await;

    assert_eq!(plan.state.attribute("fingerprint"), &Value::Unknown);
    assert_eq!(texts(&rotated.diagnostics), [""; 0]);
    let rotated = rotated.object.unwrap();
    assert_ne!(kept(&terraform), old);
    assert_whole(&terraform, &rotated, &rotation).await;
}

#[tokio::test]
async fn a_rotation_that_fails_anywhere_is_finished_by_the_next_apply() {
    let faults = [Fault::Refused, Fault::AnswerLost, Fault::Panics];
    for (call, fault) in CALLS
        .iter()
        .flat_map(|call| faults.map(|fault| (*call, fault)))
    {
        for passes in 0..2 {
            interrupt_a_rotation(call, fault, passes).await;
        }
    }
}

/// `passes` is how often the call still succeeds: a document is written before its token, and after.
async fn interrupt_a_rotation(call: &'static str, fault: Fault, passes: usize) {
    let place = format!("{call} {fault:?} after {passes}");
    let (terraform, store) = Unreliable::terraform().await;
    let created = apply(&terraform, None, &json!({"rotation": {"overlap": "1h"}})).await;
    let wanted = json!({"rotation": {"overlap": "1h", "trigger": "now"}});
    let config = terraform.config(KEY, &declared(&wanted));
    store.fail_after(call, fault, passes);

    let interrupted = terraform.apply(KEY, Some(&created), &config).await;

    store.recover();
    let token = kept(&terraform);
    let versions = stored(&terraform).await.versions;
    let opens = versions.iter().any(|version| version.sha256 == token);
    assert!(opens, "{place}: the client is locked out");
    let read = terraform.refresh(KEY, &interrupted.object.unwrap()).await;
    let whole = apply(&terraform, read.object.as_ref(), &wanted).await;
    assert_whole(&terraform, &whole, &wanted).await;
    assert_eq!(newest(&stored(&terraform).await).version, 2, "{place}");
}

#[tokio::test]
async fn an_existing_token_comes_along_and_is_in_no_answer() {
    let terraform = Terraform::new().await;
    let brought = json!({"token_wo": FOREIGN, "token_wo_version": 1});

    let created = apply(&terraform, None, &brought).await;

    let key = stored(&terraform).await;
    assert!(newest(&key).imported);
    assert_eq!(newest(&key).sha256, Verifier::of(FOREIGN));
    assert_eq!(kept(&terraform), Verifier::of(FOREIGN));
    assert_eq!(created.state.attribute("token_wo"), &Value::Null);
    assert_eq!(created.state.attribute("token_sha256"), &Value::Null);
    assert_whole(&terraform, &created, &brought).await;

    let other = json!({"token_wo": "another-token-of-theirs", "token_wo_version": 2});
    let changed = apply(&terraform, Some(&created), &other).await;
    assert_eq!(kept(&terraform), Verifier::of("another-token-of-theirs"));
    assert_whole(&terraform, &changed, &other).await;
    assert!(!terraform.has_answered(FOREIGN));
    assert!(!terraform.has_answered("another-token-of-theirs"));
}

#[tokio::test]
async fn a_terraform_that_would_keep_it_in_its_state_is_refused_a_token() {
    let terraform = Terraform::new().await;
    let brought = json!({"token_wo": FOREIGN, "token_wo_version": 1});
    let config = terraform.config(KEY, &declared(&brought));
    let request = validate_resource_config::Request {
        type_name: KEY.to_owned(),
        config: Some(wire(&config)),
        client_capabilities: None,
    };

    let response = terraform
        .provider
        .validate_resource_config(Request::new(request))
        .await;

    assert_eq!(
        texts(&response.unwrap().into_inner().diagnostics),
        [
            "error @.token_wo\nInvalid token_wo\nThis version of Terraform would keep it in the state: it must be \
             Terraform 1.11, OpenTofu 1.11 or newer; or give token_sha256, which is no secret, in its place."
        ]
    );
}

#[tokio::test]
async fn the_same_version_leaves_the_token_as_it_is() {
    let terraform = Terraform::new().await;
    let brought = json!({"token_wo": FOREIGN, "token_wo_version": 1});
    let created = apply(&terraform, None, &brought).await;

    let other =
        json!({"token_wo": "another-token-of-theirs", "token_wo_version": 1, "enabled": false});
    apply(&terraform, Some(&created), &other).await;

    assert_eq!(kept(&terraform), Verifier::of(FOREIGN));
}

#[tokio::test]
async fn a_token_that_only_its_hash_tells_of_is_kept_nowhere() {
    let terraform = Terraform::new().await;
    let hash = String::from(Verifier::of(FOREIGN));
    let brought = json!({"token_sha256": hash});

    let created = apply(&terraform, None, &brought).await;

    let stored_key = stored(&terraform).await;
    assert!(newest(&stored_key).imported);
    assert_eq!(newest(&stored_key).sha256, Verifier::of(FOREIGN));
    assert!(terraform.store.tokens().is_empty());
    assert_eq!(created.state.attribute("secret_id"), &Value::Null);
    let read = terraform.refresh(KEY, &created).await;
    assert_eq!(texts(&read.diagnostics), [""; 0], "no token is missing");
    assert_eq!(read.object.as_ref(), Some(&created));
    let imported = terraform.import(KEY, "acme-ci").await;
    assert_eq!(imported.object.as_ref(), Some(&created));

    let generated = apply(
        &terraform,
        Some(&created),
        &json!({"rotation": {"trigger": "ours"}}),
    )
    .await;
    assert_ne!(generated.state.attribute("secret_id"), &Value::Null);
    let back = apply(&terraform, Some(&generated), &brought).await;
    assert_eq!(back.state.attribute("secret_id"), &Value::Null);
    assert!(terraform.store.tokens().is_empty());
}

#[tokio::test]
async fn a_hash_that_is_taken_out_gives_way_to_a_token_of_our_own() {
    let terraform = Terraform::new().await;
    let brought = json!({"token_sha256": String::from(Verifier::of(FOREIGN))});
    let created = apply(&terraform, None, &brought).await;
    let config = terraform.config(KEY, &declared(&json!({})));
    let plan = terraform.plan(KEY, Some(&created), Some(&config)).await;
    for changed in ["secret_id", "versions", "fingerprint"] {
        assert_eq!(plan.state.attribute(changed), &Value::Unknown, "{changed}");
    }

    let own = apply(&terraform, Some(&created), &json!({})).await;

    let versions = stored(&terraform).await.versions;
    assert!(versions.iter().all(|version| !version.imported));
    assert_whole(&terraform, &own, &json!({})).await;
}

#[tokio::test]
async fn a_create_that_nobody_remembers_is_taken_over_where_it_is_the_same() {
    let terraform = Terraform::new().await;
    let forgotten = apply(&terraform, None, &json!({})).await;
    let token = kept(&terraform);
    let other = crate::failures::neighbour(&terraform).await;
    let config = terraform.config(KEY, &declared(&json!({})));

    let again = other.apply(KEY, None, &config).await;

    assert_eq!(
        texts(&again.diagnostics),
        [
            "warning @\nKey \"acme-ci\" was there already\nMemory, namespace \"prod\" held key \"acme-ci\" just as it is \
             declared here, created within the last day from this folder, workspace and backend: an apply that was \
             interrupted left it, or a resource of another address, for which there is no `moved` block. This resource \
             goes on with it, and a token that a client has stays good."
        ]
    );
    let again = again.object.unwrap();
    assert_eq!(kept(&terraform), token, "the client goes on as before");
    assert_whole(&other, &again, &json!({})).await;
    let read = terraform.refresh(KEY, &forgotten).await;
    assert_eq!(read.object, None);
    let removed = terraform.destroy(KEY, &forgotten).await;
    assert_eq!(texts(&removed.diagnostics), [""; 0]);
    assert_whole(&other, &again, &json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_since_or_differs_is_not_taken_over() {
    let terraform = Terraform::new().await;
    let created = apply(&terraform, None, &json!({})).await;
    let other = crate::failures::neighbour(&terraform).await;
    let different = terraform.config(KEY, &declared(&json!({"enabled": false})));
    let refused = other.apply(KEY, None, &different).await;
    assert!(texts(&refused.diagnostics)[0].contains("already exists"));

    let changed = terraform.apply(KEY, Some(&created), &different).await;
    let refused = other.apply(KEY, None, &different).await;

    assert!(texts(&refused.diagnostics)[0].contains("already exists"));
    assert_eq!(refused.object, None);
    let changed = changed.object.unwrap();
    let state = with(&changed.state, "token_wo", Value::Null);
    assert_eq!(state, changed.state);
    assert_whole(&terraform, &changed, &json!({"enabled": false})).await;
}
