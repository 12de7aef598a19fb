use serde_json::json;

use super::*;

mod keys;

fn parse(kind: Kind, spec: serde_json::Value) -> Result<Document, String> {
    let name = match kind {
        Kind::KeySetPart => "orders/1/1",
        _ => "orders",
    };
    let key = DocumentKey {
        kind,
        name: Name::parse(name).unwrap(),
    };
    Document::parse(&key, spec).map_err(|problem| problem.to_string())
}

fn key_spec() -> serde_json::Value {
    json!({
        "id": "0aB1cD2eF3gH",
        "scopes": ["orders:read"],
        "versions": [{
            "version": 1,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "created_at": "2026-01-01T00:00:00Z",
        }],
    })
}

#[test]
fn every_kind_survives_its_envelope() {
    let specs = [
        (
            Kind::Scope,
            json!({"grants": [{"methods": ["GET"], "path": "/v1/**"}]}),
        ),
        (
            Kind::Quota,
            json!({"limits": [{"requests": 10, "per": "1m"}], "each": "principal"}),
        ),
        (
            Kind::Role,
            json!({"scopes": ["orders:read"], "condition": "context.hour > 8", "time_zone": "Europe/Berlin"}),
        ),
        (
            Kind::Principal,
            json!({"kind": "user", "roles": ["partner"], "quotas": ["free"], "metadata": {"owner": "a"},
                "subjects": [{"issuer": "login", "claim": "client_id", "value": "acme"}]}),
        ),
        (
            Kind::Issuer,
            json!({
                "url": "https://login.example.com/", "audiences": ["orders"], "algorithms": ["RS256", "EdDSA"],
                "clock_skew": "10s", "token_types": ["JWT"], "roles_claim": "realm_access.roles",
                "roles": {"buyers": "partner"}, "any_subject": true, "quotas": ["free"],
            }),
        ),
        (Kind::Key, key_spec()),
        (
            Kind::KeySet,
            json!({"namespace": "prod", "roles": ["partner"], "generation": 1, "parts": 2, "pages": 1}),
        ),
        (Kind::KeySetPart, keys::part_spec()),
        (
            Kind::Upstream,
            json!({"targets": ["http://127.0.0.1:9000"], "timeouts": {"connect": "1s"}}),
        ),
        (
            Kind::Route,
            json!({"proxy": "edge", "path": "/**", "upstream": "orders"}),
        ),
        (
            Kind::Proxy,
            json!({"listen": [{"address": "127.0.0.1:8080"}]}),
        ),
    ];
    assert_eq!(specs.len(), Kind::ALL.len());
    for (kind, spec) in specs {
        let document = parse(kind, spec).unwrap();
        let revision = Revision::draw().unwrap();

        let entry = Entry::parse(document.key().into(), Entry::json(&document, &revision));

        assert_eq!(entry.document, Ok(document));
        assert_eq!(entry.revision, Some(revision));
    }
}

#[test]
fn a_problem_names_the_place_and_what_would_be_right() {
    for (kind, spec, expected) in [
        (
            Kind::Scope,
            json!({"grants": []}),
            "grants: must not be empty: give at least one, or leave it out",
        ),
        (
            Kind::Scope,
            json!({"grants": [{"path": "/a"}, {"path": "b"}]}),
            "grants[1].path: \"b\" is not a path: it must start with '/', like \"/v1/orders/**\"",
        ),
        (
            Kind::Scope,
            json!({"grants": [{"path": "/a", "methods": []}]}),
            "grants[0].methods: must not be empty: give at least one, or leave it out",
        ),
        (
            Kind::Quota,
            json!({"limits": [{"requests": 0, "per": "1m"}]}),
            "limits[0].requests: 0 is out of bounds: it must be 1 to 1000000000",
        ),
        (
            Kind::Quota,
            json!({"limits": [{"requests": 1, "per": "60s"}, {"requests": 2, "per": "1m"}]}),
            "limits[1].per: 1m is the period of an earlier limit: keep the smaller of the two",
        ),
        (
            Kind::Quota,
            json!({"limits": [{"requests": 1, "per": "1m"}], "each": "user"}),
            "each: unknown variant `user`, expected one of `principal`, `key`, `address`, `route`, `proxy`",
        ),
        (
            Kind::Proxy,
            json!({"listen": [{"address": "0.0.0.0:80"}, {"address": "0.0.0.0:80"}]}),
            "listen[1].address: 0.0.0.0:80 is already listened on: remove one of the two",
        ),
    ] {
        assert_eq!(parse(kind, spec).unwrap_err(), expected);
    }
}

#[test]
fn an_unknown_field_is_named_rather_than_dropped() {
    let problem = parse(
        Kind::Upstream,
        json!({"targets": ["http://a"], "weight": 1}),
    )
    .unwrap_err();

    let expected = "weight: unknown field `weight`, expected one of `description`, `targets`, ";
    assert!(problem.starts_with(expected), "{problem}");
}

#[test]
fn a_newer_schema_an_unknown_kind_and_a_wrong_place_are_named() {
    let place = |kind: &str| DocumentId {
        kind: kind.to_owned(),
        name: "a".to_owned(),
    };
    let envelope = |kind: &str, schema: u32| json!({"kind": kind, "name": "a", "schema": schema, "revision": "0", "spec": {"targets": ["http://a"]}});
    for (place, json, expected) in [
        (
            place("upstream"),
            envelope("upstream", 2),
            "it was written with document schema 2, this build reads 1: upgrade it",
        ),
        (
            place("gizmo"),
            envelope("gizmo", 1),
            "this build knows no kind \"gizmo\": upgrade it",
        ),
        (
            place("route"),
            envelope("upstream", 1),
            "it says that it is upstream \"a\", but stands where route \"a\" should",
        ),
        (
            place("upstream"),
            json!([]),
            "invalid length 0, expected a document: an object with kind, name, schema, revision and spec",
        ),
    ] {
        let entry = Entry::parse(place, json);

        assert_eq!(entry.document.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_credential_is_shown_where_nobody_hears_it_or_where_that_is_declared() {
    let with = |target: &str, credential: serde_json::Value| {
        let targets = json!(["https://a", target]);
        let parsed = parse(
            Kind::Upstream,
            json!({"targets": targets, "credential": credential}),
        );
        parsed.map(drop)
    };
    let client = json!({"token_url": "https://l", "client_id": "p", "client_secret": "file:/s"});
    for credential in [
        json!({"header": {"name": "x-key", "value": "file:/k"}}),
        json!({"basic": {"username": "a", "password": "file:/k"}}),
        json!({ "oauth2_client_credentials": client }),
        json!({ "token_exchange": client }),
    ] {
        for target in [
            "https://b",
            "http://127.0.0.1:1",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert_eq!(with(target, credential.clone()), Ok(()), "{target}");
        }
        for target in ["http://b", "http://10.0.0.1", "http://localhost.test"] {
            let problem = with(target, credential.clone()).unwrap_err();
            let expected = format!("credential: target \"{target}\" must be https");
            assert!(problem.starts_with(&expected), "{problem}");
            let mut declared = credential.clone();
            declared["plaintext"] = json!(true);
            assert_eq!(with(target, declared), Ok(()));
        }
    }
    // A signature is good for one request.
    let signature = json!({"aws_sigv4": {"service": "s3", "region": "eu-west-1"}});
    assert_eq!(with("http://b", signature), Ok(()));
}

#[test]
fn a_part_of_a_key_set_is_read_from_text_as_it_is_from_json() {
    let place = || DocumentId {
        kind: "key_set_part".to_owned(),
        name: "orders/1/1".to_owned(),
    };
    let version = |sha256: &str| json!({"version": 1, "sha256": sha256, "created_at": "2026-01-01T00:00:00Z"});
    let good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let whole = |field: &str, value: serde_json::Value| {
        let spec = json!({"keys": {"a": {"versions": [version(good)]}}});
        let mut whole = json!({
            "kind": "key_set_part", "name": "orders/1/1", "schema": 1, "revision": "0", "spec": spec,
        });
        whole[field] = value;
        whole
    };
    for (json, is_good) in [
        (whole("revision", json!("7")), true),
        (whole("name", json!("orders/1/2")), false),
        (whole("kind", json!("key_set")), false),
        (whole("schema", json!(2)), false),
        (whole("more", json!(1)), false),
        (
            whole("spec", json!({"keys": {"a": {"versions": [version("0")]}}})),
            false,
        ),
        (
            whole(
                "spec",
                json!({"keys": {"a": {"versions": [version(good), version(good)]}}}),
            ),
            false,
        ),
        (whole("spec", json!({"keys": {}, "more": 1})), false),
        (json!({"kind": "key_set_part"}), false),
    ] {
        let read = Entry::read(place(), json.to_string().as_bytes());

        assert_eq!(read.document.is_ok(), is_good, "{json}");
        assert_eq!(read, Entry::parse(place(), json));
    }
    let list = json!(["key_set_part", "orders/1/1", 1, "0", null, {"keys": {}}]);
    let read = Entry::read(place(), list.to_string().as_bytes());
    assert!(read.document.is_err(), "a list is no object");
    assert_eq!(read, Entry::parse(place(), list));
    let torn = Entry::read(place(), b"{\"kind\":");
    assert!(
        torn.document
            .unwrap_err()
            .to_string()
            .starts_with("it is not JSON: ")
    );
}

#[test]
fn of_two_keys_with_one_name_the_later_counts_however_the_part_is_read() {
    let key = |number: u32| {
        let hash = String::from(crate::token::Verifier::of(&number.to_string()));
        format!(
            r#"{{"versions":[{{"version":{number},"sha256":"{hash}","created_at":"2026-01-01T00:00:00Z"}}]}}"#
        )
    };
    let (first, second, third) = (key(1), key(2), key(3));
    let keys = format!(r#"{{"b":{first},"a":{second},"b":{third}}}"#);
    let text = format!(
        r#"{{"kind":"key_set_part","name":"orders/1/1","schema":1,"revision":"0","spec":{{"keys":{keys}}}}}"#
    );
    let place = DocumentId {
        kind: "key_set_part".to_owned(),
        name: "orders/1/1".to_owned(),
    };
    let read = Entry::read(place.clone(), text.as_bytes());

    assert_eq!(
        read,
        Entry::parse(place, serde_json::from_str(&text).unwrap())
    );
    let document = read.document.unwrap();
    let Spec::KeySetPart(part) = document.spec() else {
        panic!("{document:?}");
    };
    let keys = part.keys.iter();
    let versions = keys.map(|(name, key)| (name.as_str(), key.versions[0].version));
    assert_eq!(versions.collect::<Vec<_>>(), [("a", 2), ("b", 3)]);
}
