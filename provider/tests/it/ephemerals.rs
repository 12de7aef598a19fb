//! A token for one run.

use serde_json::json;
use tollgate_provider::value::Value;
use tollgate_store::backend::{Backend, TokenOwner};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name};

use crate::backend::{Fault, Unreliable};
use crate::terraform::{Terraform, namespace};
use crate::words::texts;
use crate::{samples, sets};

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
             and the provider's namespace; where a resource of this configuration makes it, give fingerprint that \
             resource's own, so that Terraform makes it first."
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
             its token: it was removed there, or was made elsewhere and never came here. Nobody can read it again. To \
             make a new one, replace the key where it is declared."
        ]
    );
}

#[tokio::test]
async fn a_token_of_another_fingerprint_than_was_asked_for_is_refused() {
    let terraform = Terraform::new().await;
    create(&terraform).await;
    let token = terraform
        .store
        .token(&Name::parse("acme-ci").unwrap())
        .unwrap();
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    let asked = |fingerprint: &str| json!({"name": "acme-ci", "fingerprint": fingerprint});

    let same = terraform.open(KEY, &asked(&fingerprint)).await;
    let other = terraform.open(KEY, &asked("0123456789abcdef")).await;

    assert_eq!(same.diagnostics, []);
    assert_eq!(
        texts(&other.diagnostics),
        [format!(
            "error @.fingerprint\nInvalid fingerprint\nThe token that memory, namespace \"prod\" holds for key \"acme-ci\" \
             has the fingerprint {fingerprint}: it was made anew meanwhile. Plan again; the resource's own fingerprint is \
             then the same."
        )]
    );
    assert_eq!(other.value, None);
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

#[tokio::test]
async fn a_key_of_a_set_is_found_on_whichever_page_has_its_token() {
    let terraform = Terraform::new().await;
    let token = sets::partners(&terraform.store).await;

    let asked = json!({"name": "c", "key_set": "partners"});
    let opened = terraform.open(KEY, &asked).await.answer();

    assert!(opened.attribute("token") == &Value::from(token.expose()));
    assert_eq!(
        opened.attribute("id").as_str(),
        Some(sets::id("c").as_str())
    );
}

#[tokio::test]
async fn a_set_without_the_key_or_its_token_says_so() {
    let terraform = Terraform::new().await;
    sets::partners(&terraform.store).await;
    sets::write_page(&terraform.store, 1, &json!({})).await;
    let summary = async |name: &str, set: &str| {
        let asked = json!({"name": name, "key_set": set});
        terraform.open(KEY, &asked).await.diagnostics[0]
            .summary
            .clone()
    };

    for (name, set, expected) in [
        (
            "c",
            "partners",
            "The token of key \"c\" in key set \"partners\" is missing",
        ),
        (
            "x",
            "partners",
            "There is no key \"x\" in key set \"partners\"",
        ),
        (
            "z",
            "partners",
            "There is no key \"z\" in key set \"partners\"",
        ),
        ("a", "others", "There is no key \"a\" in key set \"others\""),
    ] {
        assert_eq!(summary(name, set).await, expected);
    }
}

#[tokio::test]
async fn a_broken_page_is_named_without_what_it_holds() {
    let terraform = Terraform::new().await;
    sets::partners(&terraform.store).await;
    sets::write_page(&terraform.store, 0, &json!("tg_live_something")).await;

    let asked = json!({"name": "c", "key_set": "partners"});
    let opened = terraform.open(KEY, &asked).await;

    assert_eq!(
        texts(&opened.diagnostics),
        [
            "error @\nA page of the tokens of key_set \"partners\" is broken\nWhat memory/prod/page 2.0 of the tokens of \
             key_set \"partners\" holds must be a JSON object that maps the names of keys to their tokens, and is \
             something else: somebody changed it by hand. Put back what it held before."
        ]
    );
}
