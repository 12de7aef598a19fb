//! Keys, principals and sets of keys.

use super::*;

/// A part with one key that says everything of its own.
pub(super) fn part_spec() -> serde_json::Value {
    let mut version = key_spec()["versions"][0].clone();
    version["expires_at"] = json!("2026-06-01T00:00:00Z");
    version["imported"] = json!(true);
    version["pending"] = json!(true);
    json!({"keys": {"acme": {
        "enabled": false,
        "not_before": "2026-01-01T00:00:00Z",
        "expires_at": "2027-01-01T00:00:00Z",
        "principal": "acme",
        "scopes": ["orders:read"],
        "quotas": ["free"],
        "allowed_cidrs": ["10.0.0.0/8"],
        "metadata": {"owner": "a"},
        "versions": [version],
    }}})
}

fn key_with(fields: &serde_json::Value) -> Result<Document, String> {
    let mut spec = key_spec();
    spec.as_object_mut().unwrap().remove("scopes");
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    parse(Kind::Key, spec)
}

#[test]
fn a_key_that_ends_before_it_starts_is_refused() {
    let problem = key_with(&json!({
        "scopes": ["a"],
        "not_before": "2027-01-01T00:00:00Z",
        "expires_at": "2026-01-01T00:00:00Z",
    }));

    assert_eq!(
        problem.unwrap_err(),
        "expires_at: 2026-01-01T00:00:00Z must be later than not_before, 2027-01-01T00:00:00Z"
    );
}

#[test]
fn a_key_acts_as_a_principal_or_stands_alone_with_scopes_or_roles() {
    for fields in [
        json!({"principal": "acme"}),
        json!({"principal": "acme", "scopes": ["a"], "quotas": ["q"]}),
        json!({"scopes": ["a"]}),
        json!({"roles": ["r"]}),
        json!({"scopes": ["a"], "roles": ["r"]}),
    ] {
        assert!(key_with(&fields).is_ok(), "{fields}");
    }
    for (fields, expected) in [
        (
            json!({}),
            "scopes: a key needs a principal, or scopes or roles of its own: give one of them",
        ),
        (
            json!({"principal": "acme", "roles": ["r"]}),
            "roles: the roles of a key that acts as a principal come from principal \"acme\": remove one of the two",
        ),
        (
            json!({"principal": "acme", "scopes": []}),
            "scopes: must not be empty: give at least one, or leave it out",
        ),
    ] {
        assert_eq!(key_with(&fields).unwrap_err(), expected);
    }
}

#[test]
fn the_versions_of_a_key_rise() {
    let version = |number: u32| {
        let mut version = key_spec()["versions"][0].clone();
        version["version"] = number.into();
        version
    };
    for (numbers, is_good) in [
        ([1, 2], true),
        ([2, 9], true),
        ([1, 1], false),
        ([2, 1], false),
    ] {
        let versions = json!(numbers.map(version));

        let key = key_with(&json!({"scopes": ["a"], "versions": versions}));
        let part = json!({"keys": {"a": {"versions": versions}}});
        let part = parse(Kind::KeySetPart, part);

        assert_eq!(
            (key.is_ok(), part.is_ok()),
            (is_good, is_good),
            "{numbers:?}"
        );
        if let Err(problem) = key {
            assert_eq!(
                problem,
                "versions: their numbers must rise from each to the next"
            );
        }
    }
}

#[test]
fn what_was_written_before_there_were_marks_reads_and_writes_the_same() {
    let document = parse(Kind::Key, key_spec()).unwrap();

    let spec = serde_json::to_value(document.spec()).unwrap();

    assert_eq!(spec["versions"], key_spec()["versions"]);
    assert_eq!(spec["scopes"], key_spec()["scopes"]);
}

#[test]
fn a_key_of_a_set_needs_nothing_but_a_token() {
    let spec = json!({"keys": {"acme": {"versions": key_spec()["versions"]}}});

    let document = parse(Kind::KeySetPart, spec.clone()).unwrap();

    assert_eq!(serde_json::to_value(document.spec()).unwrap(), spec);
}

#[test]
fn a_problem_of_a_key_in_a_part_names_the_key() {
    let key = |fields: serde_json::Value| json!({"keys": {"a-b": fields}});
    for (spec, expected) in [
        (
            key(json!({"versions": []})),
            "keys[\"a-b\"].versions: must not be empty: give at least one, or leave it out",
        ),
        (
            key(json!({"versions": key_spec()["versions"], "roles": ["r"]})),
            "keys[\"a-b\"].roles: unknown field `roles`, expected one of `enabled`, `not_before`, `expires_at`, \
             `principal`, `scopes`, `quotas`, `allowed_cidrs`, `metadata`, `versions`",
        ),
    ] {
        assert_eq!(parse(Kind::KeySetPart, spec).unwrap_err(), expected);
    }
}

#[test]
fn a_part_holds_at_most_a_thousand_keys() {
    let keys = |count: usize| {
        let key = json!({"versions": key_spec()["versions"]});
        let keys: serde_json::Map<_, _> = (0..count)
            .map(|number| (format!("k{number}"), key.clone()))
            .collect();
        json!({"keys": keys})
    };

    assert!(parse(Kind::KeySetPart, keys(0)).is_ok());
    assert!(parse(Kind::KeySetPart, keys(1_000)).is_ok());
    assert_eq!(
        parse(Kind::KeySetPart, keys(1_001)).unwrap_err(),
        "keys: has 1001 elements, at most 1000 are allowed"
    );
}

#[test]
fn the_numbers_of_a_set_are_bounded() {
    for (field, number, most) in [
        ("generation", 0, u32::MAX),
        ("parts", 0, 4096),
        ("parts", 4097, 4096),
        ("pages", 0, 4096),
        ("pages", 4097, 4096),
    ] {
        let mut spec = json!({"namespace": "prod", "generation": 1, "parts": 1, "pages": 1});
        spec[field] = json!(number);

        assert_eq!(
            parse(Kind::KeySet, spec).unwrap_err(),
            format!("{field}: {number} is out of bounds: it must be 1 to {most}")
        );
    }
}

#[test]
fn a_part_is_named_after_its_set_its_generation_and_its_number() {
    let name = |text: &str| Name::parse(text).unwrap();
    let long = "s".repeat(KEY_SET_NAME_CHARS_MAX);
    for (set, generation, number) in [("a/1", 7, 12), (&long, u32::MAX, KEY_SET_PARTS_MAX)] {
        let part = PartName {
            set: name(set),
            generation,
            number,
        };
        assert_eq!(PartName::parse(&part.to_name().unwrap()), Ok(part));
    }
    for text in ["a", "a/1", "a/1/0", "a/0/1", "a/01/1", "a/1/4097", "a/1/x"] {
        let key = DocumentKey {
            kind: Kind::KeySetPart,
            name: name(text),
        };
        let problem = Document::parse(&key, part_spec()).unwrap_err();
        assert!(
            problem.to_string().contains("is not the name of a part"),
            "{text}: {problem}"
        );
    }
}

#[test]
fn a_sets_name_leaves_room_for_its_parts() {
    let parse = |length: usize| {
        let key = DocumentKey {
            kind: Kind::KeySet,
            name: Name::parse(&"s".repeat(length)).unwrap(),
        };
        let spec = json!({"namespace": "prod", "generation": 1, "parts": 1, "pages": 1});
        Document::parse(&key, spec)
    };

    assert!(parse(48).is_ok());
    assert!(
        parse(49)
            .unwrap_err()
            .to_string()
            .ends_with("at most 48 characters")
    );
}

fn references(kind: Kind, spec: serde_json::Value) -> Vec<String> {
    let document = parse(kind, spec).unwrap();
    let show = |reference: Reference| {
        let problem = Problem {
            path: reference.path,
            message: reference.document.to_string(),
        };
        problem.to_string()
    };
    document.references().into_iter().map(show).collect()
}

#[test]
fn a_document_tells_what_it_names_and_where() {
    for (kind, spec, expected) in [
        (
            Kind::Role,
            json!({"scopes": ["a", "b"]}),
            vec!["scopes: scope \"a\"", "scopes: scope \"b\""],
        ),
        (
            Kind::Principal,
            json!({"roles": ["r"], "quotas": ["q"]}),
            vec!["roles: role \"r\"", "quotas: quota \"q\""],
        ),
        (
            Kind::Route,
            json!({"proxy": "edge", "path": "/**", "upstream": "orders"}),
            vec!["proxy: proxy \"edge\"", "upstream: upstream \"orders\""],
        ),
        (
            Kind::KeySet,
            json!({"namespace": "prod", "roles": ["r"], "generation": 1, "parts": 1, "pages": 1}),
            vec!["roles: role \"r\""],
        ),
        (
            Kind::KeySetPart,
            part_spec(),
            vec![
                "keys.acme.principal: principal \"acme\"",
                "keys.acme.scopes: scope \"orders:read\"",
                "keys.acme.quotas: quota \"free\"",
            ],
        ),
        (Kind::Upstream, json!({"targets": ["http://a"]}), vec![]),
        (
            Kind::Upstream,
            json!({"targets": ["https://a"], "credential": {"token_exchange": {
                "token_url": "https://l", "client_id": "p", "client_secret": "file:/s", "issuers": ["login"],
            }}}),
            vec!["credential.token_exchange.issuers: issuer \"login\""],
        ),
    ] {
        assert_eq!(references(kind, spec), expected);
    }
}
