//! The data sources that tell of keys.

use serde_json::{Value as Json, json};
use tollgate_provider::value::{Value, to_json};
use tollgate_store::document::{DocumentId, Kind};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name};

use crate::asking::Asked;
use crate::backend::{Fault, Unreliable};
use crate::terraform::{Terraform, namespace};
use crate::words::texts;
use crate::{samples, sets};

const KEY: &str = "tollgate_key";
const KEYS: &str = "tollgate_keys";

/// The key of the samples, by itself.
async fn create(terraform: &Terraform) -> Value {
    let config = terraform.config(KEY, &samples::key().full);
    let created = terraform.apply(KEY, None, &config).await;
    assert_eq!(created.diagnostics, []);
    created.object.unwrap().state
}

/// A key with scopes of its own, one that acts as a principal, one with a role, and those of a set.
async fn stocked() -> Terraform {
    let terraform = Terraform::new().await;
    sets::partners(&terraform.store).await;
    for (name, claim) in [
        (
            "acme-ci",
            json!({
                "scopes": ["orders:read", "orders:write"], "quotas": ["free"], "environment": "test",
                "metadata": {"owner": "acme", "note": "x"}, "expires_at": "2046-01-01T00:00:00Z",
            }),
        ),
        ("zeta", json!({"principal": "acme"})),
        (
            "beta",
            json!({"roles": ["partner"], "metadata": {"owner": "acme"}}),
        ),
    ] {
        let mut spec = claim;
        spec["id"] = json!(KeyId::derive(&namespace(), &Name::parse(name).unwrap()));
        spec["versions"] = json!([
            {"version": 1, "sha256": "00".repeat(32), "created_at": "2026-01-01T00:00:00Z"},
        ]);
        sets::put(&terraform.store, Kind::Key, name, spec).await;
    }
    terraform
}

async fn names(terraform: &Terraform, filter: Json) -> Json {
    let answer = terraform.ask(KEYS, &filter).await.answer();
    to_json(answer.attribute("names")).unwrap()
}

#[tokio::test]
async fn a_key_is_told_as_its_resource_has_it() {
    let terraform = Terraform::new().await;
    let Value::Object(state) = create(&terraform).await else {
        panic!("a state is an object");
    };

    let answer = terraform
        .ask(KEY, &json!({"name": "acme-ci"}))
        .await
        .answer();

    for (name, value) in state {
        assert_eq!(answer.attribute(&name), &value, "{name}");
    }
    assert_eq!(answer.attribute("key_set"), &Value::Null);
}

#[tokio::test]
async fn a_key_of_a_set_has_what_the_set_gives_it() {
    let terraform = stocked().await;
    let asked = |name: &str| json!({"name": name, "key_set": "partners"});

    let own = terraform.ask(KEY, &asked("a")).await.answer();
    let common = terraform.ask(KEY, &asked("c")).await.answer();

    let is = |answer: &Value, attribute: &str, expected: Json| {
        assert_eq!(
            to_json(answer.attribute(attribute)),
            Some(expected),
            "{attribute}"
        );
    };
    is(&own, "scopes", json!(["orders:write"]));
    is(&common, "scopes", json!(["orders:read"]));
    is(&common, "quotas", json!(["free"]));
    is(&common, "id", json!(sets::id("c")));
    is(&common, "expires_at", json!("2030-01-01T00:00:00Z"));
    is(&common, "enabled", json!(true));
    is(
        &common,
        "secret_id",
        json!("memory/prod/page 2.0 of the tokens of key set \"partners\""),
    );
}

#[tokio::test]
async fn a_key_that_is_not_there_is_an_error() {
    let terraform = stocked().await;

    for (asked, expected) in [
        (
            json!({"name": "acme"}),
            "error @.name\nThere is no key \"acme\"\nMemory, namespace \"prod\" holds no key \"acme\". Check the name and the \
             provider's namespace; where a resource of this configuration makes it, name that one in depends_on, so that \
             Terraform makes it first.",
        ),
        (
            json!({"name": "z", "key_set": "partners"}),
            "error @.name\nThere is no key \"z\" in key set \"partners\"\nMemory, namespace \"prod\" holds no key \"z\" in key \
             set \"partners\". Check the name and the provider's namespace; where a resource of this configuration \
             makes it, name that one in depends_on, so that Terraform makes it first.",
        ),
    ] {
        let Asked { value, diagnostics } = terraform.ask(KEY, &asked).await;
        assert_eq!(texts(&diagnostics), [expected]);
        assert_eq!(value, None);
    }
}

#[tokio::test]
async fn a_broken_key_is_an_error_of_its_own() {
    let terraform = Terraform::new().await;
    let place = DocumentId {
        kind: "key".to_owned(),
        name: "odd".to_owned(),
    };
    terraform.store.put(place, json!({"kind": "key"}));

    let Asked { value, diagnostics } = terraform.ask(KEY, &json!({"name": "odd"})).await;

    assert_eq!(diagnostics[0].summary, "Key \"odd\" is broken");
    assert_eq!(value, None);
}

#[tokio::test]
async fn every_key_is_listed_in_the_order_of_its_name() {
    let terraform = stocked().await;

    let answer = terraform.ask(KEYS, &json!({})).await.answer();

    let names = to_json(answer.attribute("names")).unwrap();
    assert_eq!(
        names,
        json!([
            "acme-ci",
            "beta",
            "partners/a",
            "partners/b",
            "partners/c",
            "zeta"
        ])
    );
    let keys = to_json(answer.attribute("keys")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 6);
    assert_eq!(
        (&keys[2]["name"], &keys[2]["key_set"]),
        (&json!("a"), &json!("partners"))
    );
    assert_eq!(keys[0]["environment"], "test");
    assert_eq!(keys[0].get("key_set"), None);
    assert_eq!(keys[0].get("secret_id"), None);
}

#[tokio::test]
async fn an_empty_namespace_has_no_keys() {
    let terraform = Terraform::new().await;

    assert_eq!(names(&terraform, json!({})).await, json!([]));
}

#[tokio::test]
async fn each_filter_leaves_the_keys_that_fit() {
    let terraform = stocked().await;

    for (filter, expected) in [
        (
            json!({"name_prefix": "a"}),
            json!(["acme-ci", "partners/a"]),
        ),
        (json!({"principal": "acme"}), json!(["zeta"])),
        (
            json!({"scope": "orders:read"}),
            json!(["acme-ci", "partners/b", "partners/c"]),
        ),
        (
            json!({"scope": "orders:write"}),
            json!(["acme-ci", "partners/a"]),
        ),
        (json!({"role": "partner"}), json!(["beta"])),
        (
            json!({"quota": "free"}),
            json!(["acme-ci", "partners/a", "partners/b", "partners/c"]),
        ),
        (json!({"environment": "test"}), json!(["acme-ci"])),
        (json!({"enabled": false}), json!(["partners/b"])),
        (
            json!({"expires_before": "2030-01-01T00:00:01Z"}),
            json!(["partners/c"]),
        ),
        (json!({"expires_before": "2030-01-01T00:00:00Z"}), json!([])),
        (
            json!({"metadata": {"owner": "acme"}}),
            json!(["acme-ci", "beta"]),
        ),
        (
            json!({"metadata": {"owner": "a", "tier": "gold"}}),
            json!(["partners/a"]),
        ),
        (
            json!({"metadata": {"owner": "a", "tier": "tin"}}),
            json!([]),
        ),
        (
            json!({"key_set": "partners"}),
            json!(["partners/a", "partners/b", "partners/c"]),
        ),
        (json!({"key_set": "others"}), json!([])),
        (
            json!({"key_set": "partners", "scope": "orders:write"}),
            json!(["partners/a"]),
        ),
    ] {
        assert_eq!(
            names(&terraform, filter.clone()).await,
            expected,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn a_disabled_set_has_only_disabled_keys() {
    let terraform = Terraform::new().await;
    let set = json!({
        "namespace": "prod", "scopes": ["orders:read"], "enabled": false, "generation": 1, "parts": 1, "pages": 1,
    });
    let version =
        json!({"version": 1, "sha256": "00".repeat(32), "created_at": "2026-01-01T00:00:00Z"});
    sets::put(&terraform.store, Kind::KeySet, "old", set).await;
    let part = json!({"keys": {"a": {"versions": [version]}}});
    sets::put(&terraform.store, Kind::KeySetPart, "old/1/1", part).await;

    assert_eq!(names(&terraform, json!({"enabled": true})).await, json!([]));
    assert_eq!(
        names(&terraform, json!({"enabled": false})).await,
        json!(["old/a"])
    );
}

#[tokio::test]
async fn keys_that_no_proxy_can_read_are_left_out_with_a_warning() {
    let terraform = stocked().await;
    let place = DocumentId {
        kind: "key".to_owned(),
        name: "odd".to_owned(),
    };
    terraform.store.put(place, json!({"kind": "key"}));
    let orphan = json!({"namespace": "prod", "generation": 1, "parts": 1, "pages": 1});
    let version =
        json!({"version": 1, "sha256": "00".repeat(32), "created_at": "2026-01-01T00:00:00Z"});
    sets::put(&terraform.store, Kind::KeySet, "bare", orphan).await;
    let part = json!({"keys": {"a": {"versions": [version]}}});
    sets::put(&terraform.store, Kind::KeySetPart, "bare/1/1", part).await;

    let Asked { value, diagnostics } = terraform.ask(KEYS, &json!({"name_prefix": "b"})).await;

    let names = to_json(value.unwrap().attribute("names")).unwrap();
    assert_eq!(names, json!(["beta", "partners/b"]));
    let [warning] = &texts(&diagnostics)[..] else {
        panic!("one warning: {diagnostics:?}");
    };
    assert!(
        warning.starts_with(
            "warning @\nSome keys are broken\nThey are left out here, and proxies leave them out too. key \"bare/a\": scopes: a \
             key needs a principal, or scopes or roles of its own: give one of them; key \"odd\": "
        ),
        "{warning}"
    );
}

#[tokio::test]
async fn no_answer_holds_a_token_or_its_whole_hash() {
    let terraform = Terraform::new().await;
    create(&terraform).await;
    let member = sets::partners(&terraform.store).await;
    let name = Name::parse("acme-ci").unwrap();
    let own = terraform.store.token(&name).unwrap();

    terraform
        .ask(KEY, &json!({"name": "acme-ci"}))
        .await
        .answer();
    terraform.ask(KEYS, &json!({})).await.answer();

    assert!(
        terraform.has_answered("partners"),
        "the search finds what is there"
    );
    for token in [own, member] {
        let secret = token.expose().rsplit('_').next().unwrap();
        assert!(!terraform.has_answered(secret));
        let hash = String::from(Verifier::of(token.expose()));
        assert!(terraform.has_answered(&hash[..16]) && !terraform.has_answered(&hash));
    }
}

#[tokio::test]
async fn wrong_filters_are_told_at_their_places() {
    let terraform = Terraform::new().await;
    let asked = json!({"name_prefix": "-", "expires_before": "tomorrow", "environment": "Test"});

    let Asked { diagnostics, .. } = terraform.ask(KEYS, &asked).await;

    let summaries: Vec<_> = diagnostics.iter().map(|one| &one.summary).collect();
    assert_eq!(
        summaries,
        [
            "Invalid name_prefix",
            "Invalid environment",
            "Invalid expires_before"
        ]
    );
}

#[tokio::test]
async fn what_is_unknown_is_never_wrong() {
    let terraform = Terraform::new().await;
    for source in [KEY, KEYS, "tollgate_iam_policy"] {
        let Value::Object(attributes) = terraform.data_config(source, &json!({})).await else {
            panic!("a configuration is an object");
        };
        let computed = [
            "id",
            "secret_id",
            "secret_arn",
            "fingerprint",
            "versions",
            "keys",
            "names",
            "json",
        ];
        let given = attributes.into_keys().map(|name| {
            let is_given = match source {
                KEY => ["name", "key_set"].contains(&name.as_str()),
                _ => !computed.contains(&name.as_str()),
            };
            let value = if is_given {
                Value::Unknown
            } else {
                Value::Null
            };
            (name, value)
        });
        let config = Value::Object(given.collect());
        assert_eq!(
            terraform.validate_data(source, &config).await,
            [],
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_an_error() {
    let (terraform, store) = Unreliable::terraform().await;
    create(&terraform).await;

    for (call, source, asked, summary) in [
        (
            "read",
            KEY,
            json!({"name": "acme-ci"}),
            "Key \"acme-ci\" was not read",
        ),
        (
            "token_place",
            KEY,
            json!({"name": "acme-ci"}),
            "Key \"acme-ci\" was not read completely",
        ),
        ("list", KEYS, json!({}), "The store was not read"),
    ] {
        store.fail(call, Fault::Refused);
        let Asked { value, diagnostics } = terraform.ask(source, &asked).await;
        assert_eq!(value, None);
        assert_eq!(diagnostics[0].summary, summary);
    }
}
