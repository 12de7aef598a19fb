//! A token for one run.

use serde_json::json;
use tollgate_provider::value::Value;
use tollgate_store::backend::{Backend, TokenOwner};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name};

use crate::backend::{Fault, Unreliable};
use crate::samples;
use crate::terraform::{Terraform, namespace};
use crate::words::texts;

const KEY: &str = "tollgate_key";

async fn create(terraform: &Terraform) {
    let config = terraform.config(KEY, &samples::key().full);
    let created = terraform.apply(KEY, None, &config).await;
    assert_eq!(created.diagnostics, []);
}

#[tokio::test]
async fn an_opened_key_is_its_token_and_how_to_recognise_it() {
    let terraform = Terraform::new().await;
    create(&terraform).await;
    let name = Name::parse("acme-ci").unwrap();
    let token = terraform.store.token(&name).unwrap();

    let opened = terraform.open(KEY, &json!({"name": "acme-ci"})).await;

    let opened = opened.answer();
    let is = |attribute: &str, text: &str| opened.attribute(attribute) == &Value::from(text);
    assert!(is("token", token.expose()));
    assert!(is("id", KeyId::derive(&namespace(), &name).as_str()));
    assert!(is(
        "fingerprint",
        &Verifier::of(token.expose()).fingerprint()
    ));
    assert!(!terraform.has_answered(token.expose()));
}

#[tokio::test]
async fn a_key_that_is_not_there_can_not_be_opened() {
    let terraform = Terraform::new().await;

    let opened = terraform.open(KEY, &json!({"name": "acme-ci"})).await;

    assert_eq!(
        texts(&opened.diagnostics),
        [
            "error @.name\nThere is no key \"acme-ci\"\nMemory, namespace \"prod\" holds no key \"acme-ci\". Check the name \
             and the provider's namespace; where a tollgate_key of this configuration makes it, name it by that \
             resource's attribute, so that Terraform makes it first."
        ]
    );
    assert_eq!(opened.value, None);
}

#[tokio::test]
async fn a_key_without_a_token_says_how_to_make_one() {
    let terraform = Terraform::new().await;
    create(&terraform).await;
    let name = &Name::parse("acme-ci").unwrap();
    let id = &KeyId::derive(&namespace(), name);
    let owner = TokenOwner::Key { name, id };
    terraform.store.delete_token(owner).await.unwrap();

    let opened = terraform.open(KEY, &json!({"name": "acme-ci"})).await;

    assert_eq!(
        texts(&opened.diagnostics),
        [
            "error @.name\nThe token of key \"acme-ci\" is missing\nMemory, namespace \"prod\" holds key \"acme-ci\" but not \
             its token: it was removed there, and nobody can read it again. To make a new one, replace the key where it \
             is declared: `terraform apply -replace=ADDRESS`, where ADDRESS is that tollgate_key's."
        ]
    );
}

#[tokio::test]
async fn a_wrong_name_is_told_at_its_place() {
    let terraform = Terraform::new().await;

    let opened = terraform.open(KEY, &json!({"name": "acme ci"})).await;

    let [problem] = &texts(&opened.diagnostics)[..] else {
        panic!("one problem: {opened:?}");
    };
    assert!(problem.starts_with("error @.name\nInvalid name\n\"acme ci\" is not a name"));
}

#[tokio::test]
async fn a_store_that_fails_is_an_error() {
    let (terraform, store) = Unreliable::terraform().await;
    create(&terraform).await;

    for call in ["read", "read_token"] {
        store.fail(call, Fault::Refused);
        let opened = terraform.open(KEY, &json!({"name": "acme-ci"})).await;
        assert_eq!(opened.value, None);
        assert_eq!(
            opened.diagnostics[0].summary,
            "Key \"acme-ci\" was not opened"
        );
    }
}
