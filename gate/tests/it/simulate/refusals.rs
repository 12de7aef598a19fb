//! Why a request would go no further.

use serde_json::json;
use tollgate_gate::{Caller as Asker, Question};

use super::{ORDERS, decide, world};
use crate::documents::*;

#[test]
fn who_lacks_the_scope_is_told_what_is_held() {
    let path = "/v1/invoices";
    let decision = decide(&world(), &get(path, Asker::KeyName("acme-ci")));

    assert_eq!(decision.code, "scope_insufficient");
    assert_eq!((decision.scope, decision.route), (None, None));
    assert_eq!(
        decision.reason,
        "key \"acme-ci\" of principal \"acme\" holds scope \"orders:read\", which does not allow GET \
         api.example.com/v1/invoices"
    );

    let mut entries = world();
    entries.push(principal("idle", json!({})));
    let idle = name("idle");
    let decision = decide(&entries, &get(path, Asker::Principal(&idle)));
    assert_eq!(
        decision.reason,
        "principal \"idle\" holds no scope, and GET api.example.com/v1/invoices needs one"
    );
}

#[test]
fn a_request_that_no_route_carries_names_the_scope_that_allows_it() {
    let decision = decide(&world(), &get("/elsewhere", Asker::KeyName("alone")));

    assert_eq!(decision.code, "route_missing");
    assert_eq!(decision.scope.as_deref(), Some("all"));
    assert_eq!(
        decision.reason,
        "scope \"all\" lets key \"alone\" send GET api.example.com/elsewhere, but no route of this proxy carries it"
    );
}

#[test]
fn time_and_place_count_as_in_the_proxy() {
    let late = Question {
        at: "2027-01-01T00:00:00Z".parse().unwrap(),
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };
    let far = Question {
        address: "192.0.2.1".parse().unwrap(),
        headers: None,
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };
    for (question, code, reason) in [
        (
            late,
            "credential_expired",
            "key \"acme-ci\" of principal \"acme\" opens nothing since 2027-01-01T00:00:00Z, and it would be \
             2027-01-01T00:00:00Z",
        ),
        (
            far,
            "credential_address",
            "key \"acme-ci\" of principal \"acme\" may not be used from 192.0.2.1",
        ),
        (
            get(ORDERS, Asker::Nobody),
            "credential_missing",
            "the request bears no credential",
        ),
    ] {
        let decision = decide(&world(), &question);
        assert!(!decision.allowed);
        assert_eq!((decision.code, decision.reason.as_str()), (code, reason));
    }
}

#[test]
fn a_disabled_principal_is_named() {
    let mut entries = world();
    entries.retain(|entry| entry.id.kind != "principal");
    let fields = json!({"roles": ["reader"], "enabled": false});
    entries.push(principal("acme", fields));
    let acme = name("acme");

    for caller in [Asker::KeyName("acme-ci"), Asker::Principal(&acme)] {
        let decision = decide(&entries, &get(ORDERS, caller));
        assert_eq!(decision.code, "principal_disabled");
        assert_eq!(
            decision.reason,
            "principal \"acme\" is disabled, and with it every key that acts as it"
        );
    }
}

#[test]
fn who_is_not_served_is_told_why() {
    let mut entries = world();
    entries.push(Caller::new("bad").key(json!({"scopes": ["x"]})));
    entries.push(principal("worse", json!({"roles": ["x"]})));
    let header =
        json!({"namespace": "test", "scopes": ["x"], "generation": 1, "parts": 1, "pages": 1});
    entries.push(entry("key_set", "lost", header));
    entries.push(entry("key_set_part", "odd/1/1", json!({"keys": []})));
    let (worse, nobody) = (name("worse"), name("nobody"));
    let id = Caller::new("nobody").id;
    for (caller, code, reason) in [
        (
            Asker::KeyName("bad"),
            "credential_unknown",
            "key \"bad\" is not served: key \"bad\" names scope \"x\", which does not exist",
        ),
        (
            Asker::KeyName("lost/acme"),
            "credential_unknown",
            "key \"lost/acme\" is not served: key_set \"lost\" names scope \"x\", which does not exist",
        ),
        (
            Asker::KeyName("odd/acme"),
            "credential_unknown",
            "no key \"odd/acme\" is served: it may stand in key_set_part \"odd/1/1\", which is left out: keys: invalid \
             type: sequence, expected a map",
        ),
        (
            Asker::KeyName("nobody"),
            "credential_unknown",
            "no key \"nobody\" is served: there is none of that name",
        ),
        (
            Asker::KeyId(id),
            "credential_unknown",
            &format!("no key with the id {id} is served"),
        ),
        (
            Asker::Principal(&worse),
            "principal_unknown",
            "principal \"worse\" is not served: principal \"worse\" names role \"x\", which does not exist",
        ),
        (
            Asker::Principal(&nobody),
            "principal_unknown",
            "no principal \"nobody\" is served: there is none of that name",
        ),
    ] {
        let decision = decide(&entries, &get(ORDERS, caller));
        assert_eq!((decision.code, decision.reason.as_str()), (code, reason));
        assert_eq!((decision.key, decision.principal), (None, None));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_with_its_code() {
    let good = get(ORDERS, Asker::KeyName("acme-ci"));
    let method = |method| Question { method, ..good };
    let host = |host| Question { host, ..good };
    let path = |path| Question { path, ..good };
    for (question, code) in [
        (method(""), "method_invalid"),
        (method("G ET"), "method_invalid"),
        (method("CONNECT"), "method_refused"),
        (host(""), "host_invalid"),
        (host("a/b"), "host_invalid"),
        (host("user@api.example.com"), "host_invalid"),
        (path(""), "path_form"),
        (path("v1/orders"), "path_form"),
        (path("http://api.example.com/v1/orders"), "path_form"),
        (path("/v1/orders/a b"), "path_character"),
        (path("/v1/orders/../x"), "path_dot_segment"),
        (path("/v1//orders"), "path_empty_segment"),
    ] {
        let decision = decide(&world(), &question);
        assert_eq!(decision.code, code, "{question:?}");
        assert!(decision.reason.starts_with("the request is malformed: "));
    }
}

#[test]
fn a_proxy_without_a_document_serves_nothing() {
    let mut entries = world();
    entries.remove(0);

    let decision = decide(&entries, &get(ORDERS, Asker::KeyName("acme-ci")));

    assert_eq!((decision.allowed, decision.code), (false, "not_ready"));
}
