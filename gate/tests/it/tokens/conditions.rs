//! Roles with conditions, as tokens give them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_gate::{CONDITIONAL_ROLES_MAX, Circumstances, Snapshot};

use super::*;
use crate::conditions::{Headers, conditional, with_header_names};

/// A world in which the roles `ab` and `bc` have conditions.
fn conditioned(more: Value, principal_roles: Option<&[&str]>) -> Snapshot {
    let mut entries = world(
        Signer::ed25519().jwk("k1"),
        with(json!({"roles_claim": "roles"}), more),
    );
    entries.retain(|entry| entry.id.kind != "role");
    entries.push(conditional("ab", &["a", "b"], "x-ab"));
    entries.push(conditional("bc", &["b", "c"], "x-bc"));
    entries.push(role("all-always", &["a", "b", "c"]));
    if let Some(roles) = principal_roles {
        let subjects = json!([{"issuer": "login", "value": "acme"}]);
        entries.push(principal(
            "buyer",
            json!({"roles": roles, "subjects": subjects}),
        ));
    }
    let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &Headers::default());
    assert_eq!(rejected, []);
    snapshot
}

/// Which paths a token with those roles and no scopes opens with those headers.
fn opened_with(snapshot: &Snapshot, roles: Value, headers: &[&'static str]) -> String {
    let claims = with(claims(), json!({"scope": "", "roles": roles}));
    let token = Signer::ed25519().token(&head().to_string(), &claims.to_string());
    let principal = snapshot
        .identify(&super::headers(&token), ADDRESS, at(0))
        .unwrap();
    let headers = with_header_names(headers);
    let circumstances = Circumstances {
        headers: &headers,
        ..circumstances()
    };
    let is_open = |letter: &&str| {
        let target = target("GET", "api.example.com", &format!("/{letter}")).unwrap();
        snapshot
            .authorize(&principal, &target, &circumstances)
            .is_ok()
    };
    ["a", "b", "c"].into_iter().filter(is_open).collect()
}

#[test]
fn roles_that_a_token_gives_count_while_their_conditions_are_met() {
    let snapshot = conditioned(json!({"any_subject": true}), None);
    let opened = |roles: Value, headers: &[&'static str]| opened_with(&snapshot, roles, headers);

    assert_eq!(opened(json!(["ab", "bc"]), &[]), "");
    assert_eq!(opened(json!(["ab", "bc"]), &["x-ab"]), "ab");
    assert_eq!(opened(json!(["ab", "bc", "ab"]), &["x-ab", "x-bc"]), "abc");
    assert_eq!(opened(json!(["bc"]), &["x-ab"]), "");
    assert_eq!(opened(json!(["all-always"]), &[]), "abc");
}

#[test]
fn a_token_that_narrows_gives_what_both_give_under_the_conditions_of_both() {
    let headers: [&'static str; 2] = ["x-ab", "x-bc"];
    let all = ["ab", "bc", "all-always"];
    let gives = |role: &str, headers: &[&str]| -> BTreeSet<char> {
        let letters = match role {
            "ab" if headers.contains(&"x-ab") => "ab",
            "bc" if headers.contains(&"x-bc") => "bc",
            "all-always" => "abc",
            _ => "",
        };
        letters.chars().collect()
    };
    for own in all {
        let snapshot = conditioned(json!({"narrow": true}), Some(&[own]));
        for claimed in all {
            for shown in [&headers[..0], &headers[..1], &headers[1..], &headers[..]] {
                let expected: String = gives(own, shown)
                    .intersection(&gives(claimed, shown))
                    .collect();
                let opened = opened_with(&snapshot, json!([claimed]), shown);
                assert_eq!(opened, expected, "{own} {claimed} {shown:?}");
            }
        }
    }
}

#[test]
fn of_more_roles_with_conditions_than_count_the_last_give_nothing() {
    let more = json!({"any_subject": true, "roles_claim": "roles"});
    let mut entries = world(Signer::ed25519().jwk("k1"), more);
    let names: Vec<_> = (0..=CONDITIONAL_ROLES_MAX)
        .map(|number| format!("r-{number:02}"))
        .collect();
    for (number, role) in names.iter().enumerate() {
        let scope = if number == CONDITIONAL_ROLES_MAX {
            "c"
        } else {
            "a"
        };
        entries.push(conditional(role, &[scope], "x-ab"));
    }
    let (snapshot, _) = Snapshot::build(&entries, &name("edge"), &Headers::default());

    assert_eq!(opened_with(&snapshot, json!(names), &["x-ab"]), "a");
    assert_eq!(
        opened_with(&snapshot, json!([names.last()]), &["x-ab"]),
        "c"
    );
}
