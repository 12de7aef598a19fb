use serde_json::json;
use tollgate_store::document::Entry;

use crate::documents::*;

/// What was rejected, as `kind "name": reason`.
pub(crate) fn rejected(entries: &[Entry]) -> Vec<String> {
    let (_, rejected) = build_with_rejected(entries);
    rejected
        .into_iter()
        .map(|rejected| format!("{}: {}", rejected.id, rejected.reason))
        .collect()
}

#[test]
fn a_broken_document_is_named_and_the_others_stand() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    entries.push(entry("scope", "bad", json!({"grants": []})));

    let (snapshot, rejected) = build_with_rejected(&entries);

    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].id.to_string(), "scope \"bad\"");
    assert_eq!(
        rejected[0].reason,
        "grants: must not be empty: give at least one, or leave it out"
    );
    assert!(acme.get(&snapshot, "/").is_ok());
}

#[test]
fn a_key_that_names_a_missing_scope_or_quota_is_left_out() {
    let acme = Caller::new("acme");
    for (fields, reason) in [
        (
            json!({"scopes": ["all", "x"]}),
            "key \"acme\" names scope \"x\", which does not exist",
        ),
        (
            json!({"scopes": ["all", "bad"]}),
            "key \"acme\" names scope \"bad\", which was rejected",
        ),
        (
            json!({"scopes": ["all"], "quotas": ["x"]}),
            "key \"acme\" names quota \"x\", which does not exist",
        ),
        (
            json!({"scopes": ["all"], "quotas": ["bad"]}),
            "key \"acme\" names quota \"bad\", which was rejected",
        ),
    ] {
        let mut entries = open_world();
        entries.push(acme.key(fields));
        entries.push(entry("scope", "bad", json!({})));
        entries.push(entry("quota", "bad", json!({})));

        let (snapshot, rejected) = build_with_rejected(&entries);

        assert_eq!(rejected.last().unwrap().reason, reason);
        assert_eq!(rejected.len(), 3);
        assert_eq!(
            acme.identify(&snapshot).unwrap_err().code(),
            "credential_unknown"
        );
    }
}

#[test]
fn two_keys_with_one_id_are_both_left_out() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    let mut copy = serde_json::to_value(match &entries[4].document {
        Ok(document) => document.spec(),
        Err(problem) => panic!("{problem}"),
    })
    .unwrap();
    copy["enabled"] = json!(false);
    entries.push(entry("key", "copy", copy));

    let id = acme.id;
    assert_eq!(
        rejected(&entries),
        [
            format!(
                "key \"acme\": key \"acme\" has the id {id}, which key \"copy\" has too: it must be one key's"
            ),
            format!(
                "key \"copy\": key \"copy\" has the id {id}, which key \"acme\" has too: it must be one key's"
            ),
        ]
    );
    let (snapshot, _) = build_with_rejected(&entries);
    assert_eq!(snapshot.keys_len(), 0);
}

#[test]
fn a_route_that_names_a_missing_upstream_is_left_out() {
    let mut entries = open_world();
    for upstream in ["x", "bad"] {
        let spec = json!({"proxy": "edge", "path": "/a", "upstream": upstream});
        entries.push(entry("route", upstream, spec));
    }
    entries.push(entry("upstream", "bad", json!({})));

    let (snapshot, _) = build_with_rejected(&entries);

    assert_eq!(snapshot.routes_len(), 1);
    assert_eq!(
        rejected(&entries)[1..],
        [
            "route \"bad\": route \"bad\" names upstream \"bad\", which was rejected",
            "route \"x\": route \"x\" names upstream \"x\", which does not exist",
        ]
    );
}

#[test]
fn routes_of_other_proxies_are_not_taken_nor_judged() {
    let mut entries = open_world();
    let spec = json!({"proxy": "inner", "path": "/**", "upstream": "missing"});
    entries.push(entry("route", "theirs", spec));
    entries.push(upstream("unused"));

    let snapshot = build(&entries);

    assert_eq!(snapshot.routes_len(), 1);
    let names: Vec<&str> = snapshot.upstreams().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["orders"]);
}

#[test]
fn of_two_routes_that_match_the_same_the_later_by_name_is_left_out() {
    let spec = json!({"proxy": "edge", "path": "/a/*", "methods": ["PUT", "GET"], "hosts": ["a.b"], "upstream": "orders"});
    let mut twin = spec.clone();
    twin["methods"] = json!(["GET", "PUT"]);
    let mut other = spec.clone();
    other["methods"] = json!(["GET"]);
    let mut entries = open_world();
    for (name, spec) in [("b", &spec), ("c", &spec), ("a", &twin), ("d", &other)] {
        entries.push(entry("route", name, spec.clone()));
    }

    assert_eq!(
        rejected(&entries),
        [
            "route \"b\": route \"b\" matches the same requests as route \"a\"",
            "route \"c\": route \"c\" matches the same requests as route \"a\"",
        ]
    );
}

#[test]
fn a_proxy_without_a_good_document_is_unknown() {
    let entries = open_world();
    assert!(build(&entries).proxy().is_some());
    assert!(build(&entries[1..]).proxy().is_none());

    let mut broken = open_world();
    broken[0] = entry("proxy", "edge", json!({"listen": []}));
    let (snapshot, rejected) = build_with_rejected(&broken);
    assert!(snapshot.proxy().is_none());
    assert_eq!(rejected.len(), 1);
}

#[test]
fn no_documents_make_a_snapshot_that_opens_nothing() {
    let snapshot = build(&[]);

    assert_eq!(
        Caller::new("acme").identify(&snapshot).unwrap_err().code(),
        "credential_unknown"
    );
}
