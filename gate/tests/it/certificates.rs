//! Clients that are known by their certificates.

use http::HeaderMap;
use serde_json::{Value, json};
use tollgate_gate::{
    ClientCertificate, Meter, NoKeys, Presented, Principal, Question, Refusal, Snapshot,
};
use tollgate_store::document::{CertificateSubject, Entry, Subject};

use crate::documents::*;
use crate::meter::quota;
use crate::snapshot::rejected;

const SPIFFE: &str = "spiffe://example.com/acme";
const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn certificate(subjects: &Value) -> ClientCertificate {
    let subjects = subjects.as_array().unwrap().iter();
    ClientCertificate::new(subjects.map(
        |json| match serde_json::from_value(json.clone()).unwrap() {
            Subject::Certificate(subject) => subject,
            Subject::Token(_) => panic!("{json} is of a token"),
        },
    ))
}

fn with_principal(fields: Value) -> Vec<Entry> {
    let mut entries = open_world();
    entries.push(role("all", &["all"]));
    let mut principal_fields = json!({"roles": ["all"]});
    let more = fields.as_object().unwrap().clone();
    principal_fields.as_object_mut().unwrap().extend(more);
    entries.push(principal("acme", principal_fields));
    entries
}

fn identify<'s>(
    snapshot: &'s Snapshot,
    headers: &HeaderMap,
    certificate: Option<&ClientCertificate>,
) -> Result<Principal<'s>, Refusal> {
    let presented = Presented {
        trail: None,
        headers,
        address: Some(ADDRESS),
        certificate,
        keys: &NoKeys,
        memory: None,
        sent: None,
    };
    snapshot.identify_presented(&presented, at(0))
}

fn who(snapshot: &Snapshot, subjects: &Value) -> Result<String, &'static str> {
    let certificate = certificate(subjects);
    let found = identify(snapshot, &HeaderMap::new(), Some(&certificate));
    found
        .map(|principal| principal.name().unwrap().to_string())
        .map_err(|refusal| refusal.code())
}

#[test]
fn a_certificate_is_the_principals_by_any_one_thing_that_it_says_to_the_letter() {
    for declared in [
        json!({"san_uri": SPIFFE}),
        json!({"san_dns": "acme.internal"}),
        json!({"subject": "CN=acme,O=Example"}),
        json!({"public_key_sha256": DIGEST}),
    ] {
        let snapshot = build(&with_principal(json!({"subjects": [declared]})));
        let all = json!([
            {"san_uri": SPIFFE},
            {"san_dns": "acme.internal"},
            {"subject": "CN=acme,O=Example"},
            {"public_key_sha256": DIGEST},
        ]);
        assert_eq!(who(&snapshot, &all), Ok("acme".to_owned()), "{declared}");
        let near = json!([
            {"san_uri": "spiffe://example.com/acme2"},
            {"san_uri": "spiffe://example.com"},
            {"san_dns": "acme.internal.evil.test"},
            {"subject": "CN=acme,O=Example,C=DE"},
            {"public_key_sha256": DIGEST.replace('b', "c")},
        ]);
        assert_eq!(
            who(&snapshot, &near),
            Err("certificate_unknown"),
            "{declared}"
        );
    }
}

#[test]
fn a_certificate_counts_only_where_no_token_is_sent() {
    let caller = Caller::new("other");
    let mut entries = with_principal(json!({"subjects": [{"san_uri": SPIFFE}]}));
    entries.push(caller.key(json!({"scopes": ["all"]})));
    let snapshot = build(&entries);
    let certificate = certificate(&json!([{"san_uri": SPIFFE}]));

    let by_key = identify(&snapshot, &caller.headers(), Some(&certificate)).unwrap();
    assert_eq!(by_key.key_name(), Some("other"));
    assert_eq!(by_key.name(), None);

    // A bad token is not made good by a certificate.
    let stranger = Caller::new("stranger");
    let refused = identify(&snapshot, &stranger.headers(), Some(&certificate));
    assert_eq!(refused.unwrap_err().code(), "credential_unknown");
}

#[test]
fn a_certificate_of_two_principals_is_nobodys() {
    let mut entries = with_principal(json!({"subjects": [{"san_uri": SPIFFE}]}));
    let other = json!({"roles": ["all"], "subjects": [{"san_dns": "other.internal"}]});
    entries.push(principal("other", other));
    let snapshot = build(&entries);

    let both = json!([{"san_uri": SPIFFE}, {"san_dns": "other.internal"}]);
    assert_eq!(who(&snapshot, &both), Err("certificate_ambiguous"));
    let one = json!([{"san_dns": "other.internal"}]);
    assert_eq!(who(&snapshot, &one), Ok("other".to_owned()));
}

#[test]
fn two_principals_with_one_subject_are_both_left_out_by_name() {
    let subjects = json!([{"san_uri": SPIFFE}]);
    let mut entries = with_principal(json!({"subjects": subjects}));
    entries.push(principal("twin", json!({"subjects": subjects})));

    assert_eq!(
        rejected(&entries),
        [
            format!(
                "principal \"acme\": principal \"acme\" has the subject san_uri {SPIFFE:?}, which principal \"twin\" has \
                 too: it must be one principal's"
            ),
            format!(
                "principal \"twin\": principal \"twin\" has the subject san_uri {SPIFFE:?}, which principal \"acme\" has \
                 too: it must be one principal's"
            ),
        ]
    );
}

#[test]
fn a_disabled_principals_certificate_opens_nothing() {
    let fields = json!({"subjects": [{"san_uri": SPIFFE}], "enabled": false});
    let snapshot = build(&with_principal(fields));

    let subjects = json!([{"san_uri": SPIFFE}]);
    assert_eq!(who(&snapshot, &subjects), Err("principal_disabled"));
}

#[test]
fn a_principals_blocks_hold_for_every_credential_and_beside_a_keys_own() {
    let caller = Caller::new("key");
    let code = |fields: Value| {
        let mut entries = with_principal(fields);
        entries.push(caller.key(json!({"principal": "acme", "allowed_cidrs": ["10.0.0.0/8"]})));
        let snapshot = build(&entries);
        let by_key = caller.identify(&snapshot).map(drop);
        let by_certificate = who(&snapshot, &json!([{"san_uri": SPIFFE}])).map(drop);
        (
            by_key.map_err(|refusal| refusal.code()),
            by_certificate,
            decided(&snapshot, None).code,
        )
    };
    let subjects = json!([{"san_uri": SPIFFE}]);

    let inside = json!({"subjects": subjects, "allowed_cidrs": ["10.1.0.0/16"]});
    assert_eq!(code(inside), (Ok(()), Ok(()), "allowed"));
    let outside = json!({"subjects": subjects, "allowed_cidrs": ["10.2.0.0/16"]});
    let refused = Err("principal_address");
    assert_eq!(code(outside), (refused, refused, "principal_address"));
}

#[test]
fn a_certificates_requests_count_for_its_principal_and_for_itself() {
    let mut entries = with_principal(
        json!({"quotas": ["one"], "subjects": [{"san_uri": SPIFFE}, {"san_dns": "b"}]}),
    );
    for each in ["principal", "key"] {
        entries.retain(|entry| entry.id.kind != "quota");
        entries.push(quota("one", each, &[(1, "1m")]));
        let snapshot = build(&entries);
        let meter = Meter::default();
        let admit = |subjects: Value| {
            let certificate = certificate(&subjects);
            let principal = identify(&snapshot, &HeaderMap::new(), Some(&certificate)).unwrap();
            let target = target("GET", "a", "/x").unwrap();
            let grant = snapshot
                .authorize(&principal, &target, &circumstances())
                .unwrap();
            meter.admit(&grant, ADDRESS, at(0)).is_ok()
        };
        assert!(admit(json!([{"san_uri": SPIFFE}])));
        assert!(!admit(json!([{"san_uri": SPIFFE}])));
        assert_eq!(admit(json!([{"san_dns": "b"}])), each == "key");
    }
}

fn decided(
    snapshot: &Snapshot,
    certificate: Option<&ClientCertificate>,
) -> tollgate_gate::Decision {
    let key = tollgate_gate::Caller::KeyName("key");
    let question = Question {
        method: "GET",
        host: "a",
        path: "/x",
        caller: certificate.map_or(key, tollgate_gate::Caller::Certificate),
        address: ADDRESS,
        headers: None,
        at: at(0).wall,
        requests: 1,
    };
    snapshot.simulate(&question, &[])
}

#[test]
fn a_decision_is_made_for_a_certificate_and_says_what_it_says() {
    let snapshot = build(&with_principal(json!({"subjects": [{"san_uri": SPIFFE}]})));

    let good = decided(&snapshot, Some(&certificate(&json!([{"san_uri": SPIFFE}]))));
    assert_eq!(
        (good.code, good.principal.as_deref()),
        ("allowed", Some("acme"))
    );
    let bad = decided(&snapshot, Some(&certificate(&json!([{"san_dns": "b"}]))));
    assert_eq!(bad.code, "certificate_unknown");
    assert!(bad.reason.contains("san_dns \"b\""), "{}", bad.reason);
}

#[test]
fn a_certificate_says_what_it_was_made_of() {
    let certificate = certificate(&json!([{"san_uri": SPIFFE}]));
    let said = certificate
        .subjects()
        .first()
        .map(CertificateSubject::field);
    assert_eq!(said, Some(("san_uri", SPIFFE)));
}
