//! Tokens from elsewhere that several keys claim.

use serde_json::{Value as Json, json};
use tollgate_store::token::Verifier;

use crate::backend::Unreliable;
use crate::key_sets::{self, SET};
use crate::rotation::{FOREIGN, KEY};
use crate::terraform::{Result, Terraform};
use crate::words::texts;

fn hash() -> String {
    String::from(Verifier::of(FOREIGN))
}

fn brought(name: &str, more: &Json) -> Json {
    let mut json = json!({"name": name, "scopes": ["base:read"]});
    json.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json
}

async fn apply(terraform: &Terraform, resource: &str, json: &Json) -> Result {
    let config = terraform.config(resource, json);
    terraform.apply(resource, None, &config).await
}

#[tokio::test]
async fn a_token_opens_one_key_alone() {
    let by_hash = json!({"token_sha256": hash()});
    let by_token = json!({"token_wo": FOREIGN, "token_wo_version": 1});
    for (first, second, place) in [
        (&by_hash, &by_hash, "token_sha256"),
        (&by_hash, &by_token, "token_wo"),
        (&by_token, &by_hash, "token_sha256"),
    ] {
        let terraform = Terraform::new().await;
        let one = apply(&terraform, KEY, &brought("one", first)).await;
        assert_eq!(texts(&one.diagnostics), [""; 0]);

        let two = apply(&terraform, KEY, &brought("two", second)).await;
        let set = key_sets::declared(&json!({"a": {"token_sha256": hash()}}));
        let set = apply(&terraform, SET, &set).await;

        let told = "the key \"one\" has that token already, and proxies would refuse a token of two keys: give each client \
                    a token of its own.";
        let told = told.replacen('t', "T", 1);
        assert_eq!(
            texts(&two.diagnostics),
            [format!("error @.{place}\nInvalid {place}\n{told}")]
        );
        assert_eq!(two.object, None);
        assert_eq!(
            texts(&set.diagnostics),
            [format!(
                "error @.keys\nInvalid keys[\"a\"].token_sha256\n{told}"
            )]
        );
        let again = terraform.refresh(KEY, &one.object.unwrap()).await;
        assert_eq!(texts(&again.diagnostics), [""; 0]);
    }
}

#[tokio::test]
async fn a_token_of_a_sets_key_is_no_other_keys() {
    let terraform = Terraform::new().await;
    let set = key_sets::declared(&json!({"a": {"token_sha256": hash()}}));
    let set = apply(&terraform, SET, &set).await;
    assert_eq!(texts(&set.diagnostics), [""; 0]);

    let key = brought("one", &json!({"token_sha256": hash()}));
    let key = apply(&terraform, KEY, &key).await;

    assert!(texts(&key.diagnostics)[0].contains("\"partners/a\" has that token already"));
}

#[tokio::test]
async fn of_two_keys_of_one_apply_one_gets_the_token() {
    let (terraform, _store) = Unreliable::terraform().await;
    let more = json!({"token_sha256": hash()});
    let (one, two) = (brought("one", &more), brought("two", &more));

    let (one, two) = tokio::join!(apply(&terraform, KEY, &one), apply(&terraform, KEY, &two));

    let refused = if one.object.is_some() { two } else { one };
    assert_eq!(refused.object, None);
    assert!(texts(&refused.diagnostics)[0].contains("Another key of this apply"));
}

#[tokio::test]
async fn a_set_that_gives_a_token_twice_is_refused_before_anything_is_applied() {
    let terraform = Terraform::new().await;
    let keys = json!({"a": {"token_sha256": hash()}, "b": {}, "c": {"token_sha256": hash()}});
    let config = terraform.config(SET, &key_sets::declared(&keys));

    let problems = terraform.validate(SET, &config).await;

    assert_eq!(
        texts(&problems),
        [
            "error @.keys\nInvalid keys[\"c\"].token_sha256\nThe key \"a\" has the same, and proxies would refuse a token of \
             two keys: give each client a token of its own."
        ]
    );
}
