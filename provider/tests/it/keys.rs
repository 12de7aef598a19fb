//! What only a key has: its token.

use serde_json::json;
use tollgate_provider::value::{Value, to_json};
use tollgate_store::backend::{Backend, TokenOwner};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, token};

use crate::samples;
use crate::terraform::{Object, Terraform, namespace};
use crate::words::texts;

const KEY: &str = "tollgate_key";

fn name() -> Name {
    Name::parse("acme-ci").unwrap()
}

async fn create(terraform: &Terraform) -> Object {
    let config = terraform.config(KEY, &samples::key().full);
    let created = terraform.apply(KEY, None, &config).await;
    assert_eq!(created.diagnostics, []);
    created.object.unwrap()
}

#[tokio::test]
async fn the_state_says_where_the_token_is_and_how_to_recognise_it() {
    let terraform = Terraform::new().await;

    let created = create(&terraform).await;

    let token = terraform.store.token(&name()).unwrap();
    let id = KeyId::derive(&namespace(), &name());
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    let text = |name: &str| created.state.attribute(name).as_str().map(str::to_owned);
    assert_eq!(token::key_id(token.expose()), Some(id));
    assert!(token.expose().starts_with("tg_test_"));
    assert_eq!(text("id").as_deref(), Some(id.as_str()));
    assert_eq!(text("fingerprint").as_deref(), Some(fingerprint.as_str()));
    assert_eq!(
        text("secret_id").as_deref(),
        Some("memory/prod/token of key \"acme-ci\"")
    );
    assert_eq!(created.state.attribute("secret_arn"), &Value::Null);
    let versions = to_json(created.state.attribute("versions")).unwrap();
    assert_eq!(versions[0]["version"], 1);
    assert_eq!(versions[0]["fingerprint"], json!(fingerprint));
    assert_eq!(versions.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_answer_of_a_keys_whole_life_contains_its_token() {
    let terraform = Terraform::new().await;
    let config = terraform.config(KEY, &samples::key().full);
    let changed = terraform.config(KEY, &samples::key().changed());

    let created = create(&terraform).await;
    let token = terraform.store.token(&name()).unwrap();
    let read = terraform.refresh(KEY, &created).await.object.unwrap();
    let updated = terraform.apply(KEY, Some(&read), &changed).await;
    let updated = updated.object.unwrap();
    terraform.import(KEY, "acme-ci").await;
    terraform.apply(KEY, None, &config).await;
    terraform.apply(KEY, Some(&created), &config).await;
    terraform.destroy(KEY, &updated).await;

    let secret = &token.expose()["tg_test_".len() + 12..];
    assert!(!terraform.has_answered(token.expose()));
    assert!(!terraform.has_answered(secret));
    assert!(
        terraform.has_answered("acme-ci"),
        "the search finds what is there"
    );
}

#[tokio::test]
async fn an_update_keeps_the_token() {
    let terraform = Terraform::new().await;
    let created = create(&terraform).await;
    let token = terraform.store.token(&name()).unwrap();
    let changed = terraform.config(KEY, &samples::key().changed());

    let updated = terraform.apply(KEY, Some(&created), &changed).await;

    let state = updated.object.unwrap().state;
    for attribute in ["id", "secret_id", "fingerprint", "versions"] {
        assert_eq!(
            state.attribute(attribute),
            created.state.attribute(attribute)
        );
    }
    assert_eq!(
        terraform.store.token(&name()).unwrap().expose(),
        token.expose()
    );
}

#[tokio::test]
async fn another_environment_makes_another_token() {
    let terraform = Terraform::new().await;
    let created = create(&terraform).await;
    let live = samples::key().with("environment", json!(null));
    let config = terraform.config(KEY, &live);

    let plan = terraform.plan(KEY, Some(&created), Some(&config)).await;
    let replaced = terraform.apply(KEY, Some(&created), &config).await;

    assert_eq!(plan.replaces.len(), 1);
    let state = replaced.object.unwrap().state;
    assert_ne!(
        state.attribute("fingerprint"),
        created.state.attribute("fingerprint")
    );
    let token = terraform.store.token(&name()).unwrap();
    assert!(token.expose().starts_with("tg_live_"));
}

#[tokio::test]
async fn a_create_over_an_existing_key_leaves_its_token_alone() {
    let terraform = Terraform::new().await;
    create(&terraform).await;
    let token = terraform.store.token(&name()).unwrap();
    let config = terraform.config(KEY, &samples::key().full);

    let again = terraform.apply(KEY, None, &config).await;

    assert_eq!(again.diagnostics.len(), 1);
    assert_eq!(
        terraform.store.token(&name()).unwrap().expose(),
        token.expose()
    );
}

#[tokio::test]
async fn a_token_that_is_missing_is_told_and_made_anew() {
    let terraform = Terraform::new().await;
    let created = create(&terraform).await;
    let id = KeyId::derive(&namespace(), &name());
    let owner = TokenOwner::Key {
        name: &name(),
        id: &id,
    };
    terraform.store.delete_token(owner).await.unwrap();

    let read = terraform.refresh(KEY, &created).await;
    let read_object = read.object.unwrap();
    let config = terraform.config(KEY, &samples::key().full);
    let plan = terraform.plan(KEY, Some(&read_object), Some(&config)).await;

    assert_eq!(
        texts(&read.diagnostics),
        [
            "warning @\nThe token of key \"acme-ci\" is missing\nMemory, namespace \"prod\" holds the key but not its \
             token: a client that still has the token can use it, and nobody can read it again. The next apply makes \
             another one; the old one then ends, at once or after `rotation.overlap`. To keep it, put it back first: \
             Secrets Manager restores a secret that was deleted within its recovery window."
        ]
    );
    assert_eq!(read_object.state.attribute("secret_id"), &Value::Null);
    for changed in ["secret_id", "secret_arn", "versions", "fingerprint"] {
        assert_eq!(plan.state.attribute(changed), &Value::Unknown, "{changed}");
    }
    let applied = terraform.apply(KEY, Some(&read_object), &config).await;
    assert_eq!(applied.diagnostics, []);
    let object = applied.object.unwrap();
    let token = terraform.store.token(&name()).unwrap();
    assert_eq!(
        object.state.attribute("fingerprint"),
        &Value::String(Verifier::of(token.expose()).fingerprint())
    );
    let read = terraform.refresh(KEY, &object).await;
    assert_eq!(read.diagnostics, []);
    assert_eq!(read.object, Some(object));
}

#[tokio::test]
async fn two_resources_of_one_name_do_not_destroy_each_others_token() {
    let terraform = Terraform::new().await;
    let config = terraform.config(KEY, &samples::key().full);

    let (one, other) = tokio::join!(
        terraform.apply(KEY, None, &config),
        terraform.apply(KEY, None, &config)
    );

    let (made, refused) = if one.object.is_some() {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(refused.object, None);
    assert_eq!(refused.diagnostics.len(), 1);
    let token = terraform.store.token(&name()).unwrap();
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    assert_eq!(
        made.object.unwrap().state.attribute("fingerprint").as_str(),
        Some(fingerprint.as_str())
    );
}
