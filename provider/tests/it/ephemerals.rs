//! A token for one run.

use serde_json::json;
use tollgate_provider::value::{Value, to_json};
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
             make a new one, replace the tollgate_key that declares it."
        ]
    );
}

#[tokio::test]
async fn what_is_no_fingerprint_is_told_before_anything_is_opened() {
    let terraform = Terraform::new().await;
    let asked = json!({"name": "acme-ci", "fingerprint": "xyz"});

    let refused = terraform.open(KEY, &asked).await;

    assert_eq!(
        texts(&refused.diagnostics),
        [
            "error @.fingerprint\nInvalid fingerprint\n\"xyz\" is no fingerprint: it must be 16 lower-case hexadecimal digits, \
             as the resource's `fingerprint` is."
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
async fn a_key_of_a_set_is_opened_with_the_token_on_its_page() {
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
async fn a_key_of_a_set_that_its_resource_made_is_opened() {
    let terraform = Terraform::new().await;
    let config = terraform.config("tollgate_key_set", &samples::key_set().full);
    let created = terraform.apply("tollgate_key_set", None, &config).await;
    assert_eq!(created.diagnostics, []);
    let asked = |name: &str| json!({"name": name, "key_set": "partners"});

    let made = terraform.open(KEY, &asked("Team/x:1")).await.answer();
    let migrated = terraform.open(KEY, &asked("zoo")).await;

    let state = to_json(&created.object.unwrap().state).unwrap();
    let expected = &state["keys"]["Team/x:1"];
    for attribute in ["id", "fingerprint"] {
        assert_eq!(
            to_json(made.attribute(attribute)).as_ref(),
            Some(&expected[attribute])
        );
    }
    assert_eq!(
        migrated.diagnostics[0].summary,
        "The token of key \"zoo\" in key set \"partners\" is missing"
    );
    assert!(
        migrated.diagnostics[0]
            .detail
            .ends_with("raise its token_version in the tollgate_key_set.")
    );
}

#[tokio::test]
async fn a_token_that_is_none_of_the_keys_is_refused() {
    let terraform = Terraform::new().await;
    sets::partners(&terraform.store).await;
    sets::write_page(&terraform.store, &json!({"c": "tg_live_another"})).await;

    let asked = json!({"name": "c", "key_set": "partners"});
    let opened = terraform.open(KEY, &asked).await;

    assert_eq!(opened.value, None);
    assert_eq!(
        texts(&opened.diagnostics),
        [
            "error @.name\nThe token of key \"c\" in key set \"partners\" opens nothing\nThe token that memory, namespace \
             \"prod\" holds for key \"c\" in key set \"partners\" is none that the key has: an apply changes it at this \
             moment, or ended half-way. Try again, after that key was applied."
        ]
    );
}

#[tokio::test]
async fn a_set_without_the_key_or_its_token_says_so() {
    let terraform = Terraform::new().await;
    sets::partners(&terraform.store).await;
    sets::write_page(&terraform.store, &json!({})).await;
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
    sets::write_page(&terraform.store, &json!("tg_live_something")).await;

    let asked = json!({"name": "c", "key_set": "partners"});
    let opened = terraform.open(KEY, &asked).await;

    assert_eq!(
        texts(&opened.diagnostics),
        [
            "error @\nThe page 2.0 of the tokens of key set \"partners\" is broken\nMemory/prod/page 2.0 of the tokens of key \
             set \"partners\" is no JSON object of tokens. Write an earlier version's value back, or remove it: its \
             keys then need another `token_version`."
        ]
    );
}
