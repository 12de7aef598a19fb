use serde_json::{Value, json};
use tollgate_gate::{Meter, Refusal, Snapshot};
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::meter::quota;
use crate::snapshot::rejected;

/// Scopes `a`, `b` and `c`, each of one path, and roles `ab` and `bc`.
fn world() -> Vec<Entry> {
    let mut entries = open_world();
    for letter in ["a", "b", "c"] {
        entries.push(scope(letter, &format!("/{letter}")));
    }
    entries.push(role("ab", &["a", "b"]));
    entries.push(role("bc", &["b", "c"]));
    entries
}

/// Which of the three paths a key with these fields may get.
fn opened(entries: &[Entry], fields: Value) -> String {
    let caller = Caller::new("key");
    let mut entries = entries.to_vec();
    entries.push(caller.key(fields));
    let snapshot = build(&entries);
    let paths = ["a", "b", "c"].into_iter();
    let is_open = |letter: &&str| caller.get(&snapshot, &format!("/{letter}")).is_ok();
    paths.filter(is_open).collect()
}

#[test]
fn a_key_that_stands_alone_has_its_scopes_and_those_of_its_roles() {
    let world = world();

    assert_eq!(opened(&world, json!({"scopes": ["c"]})), "c");
    assert_eq!(opened(&world, json!({"roles": ["ab"]})), "ab");
    assert_eq!(opened(&world, json!({"roles": ["ab", "bc"]})), "abc");
    assert_eq!(
        opened(&world, json!({"roles": ["ab"], "scopes": ["c"]})),
        "abc"
    );
}

#[test]
fn a_key_of_a_principal_has_the_principals_scopes_narrowed_to_its_own() {
    let mut world = world();
    world.push(principal("acme", json!({"roles": ["ab"]})));
    world.push(principal("nobody", json!({})));

    assert_eq!(opened(&world, json!({"principal": "acme"})), "ab");
    let narrowed = json!({"principal": "acme", "scopes": ["b", "c"]});
    assert_eq!(opened(&world, narrowed), "b");
    let elsewhere = json!({"principal": "acme", "scopes": ["c"]});
    assert_eq!(opened(&world, elsewhere), "");
    assert_eq!(opened(&world, json!({"principal": "nobody"})), "");
    let more = json!({"principal": "nobody", "scopes": ["all"]});
    assert_eq!(opened(&world, more), "");
}

#[test]
fn a_caller_is_told_by_its_principal_and_its_key() {
    let caller = Caller::new("acme-ci");
    let mut entries = world();
    entries.push(principal("acme", json!({"roles": ["ab"]})));
    entries.push(caller.key(json!({"principal": "acme"})));
    let snapshot = build(&entries);

    let who = caller.identify(&snapshot).unwrap();

    assert_eq!(who.name().unwrap().as_str(), "acme");
    assert_eq!(who.key_name(), Some("acme-ci"));
    assert_eq!(who.key_id(), Some(caller.id));
}

#[test]
fn a_disabled_principal_disables_all_its_keys_and_no_other() {
    let (one, other, alone) = (
        Caller::new("one"),
        Caller::new("other"),
        Caller::new("alone"),
    );
    let mut entries = world();
    entries.push(principal(
        "acme",
        json!({"roles": ["ab"], "enabled": false}),
    ));
    entries.push(one.key(json!({"principal": "acme"})));
    entries.push(other.key(json!({"principal": "acme", "scopes": ["a"]})));
    entries.push(alone.key(json!({"scopes": ["a"]})));
    let snapshot = build(&entries);
    let code = |caller: &Caller| {
        caller
            .identify(&snapshot)
            .err()
            .map(|refusal| refusal.code())
    };

    assert_eq!(code(&one), Some("principal_disabled"));
    assert_eq!(code(&other), Some("principal_disabled"));
    assert_eq!(code(&alone), None);
}

#[test]
fn what_names_the_missing_is_left_out_up_to_the_key() {
    let caller = Caller::new("key");
    for (more, reasons) in [
        (
            vec![
                role("r", &["x"]),
                principal("acme", json!({"roles": ["r"]})),
            ],
            vec![
                "role \"r\": role \"r\" names scope \"x\", which does not exist",
                "principal \"acme\": principal \"acme\" names role \"r\", which was rejected",
                "key \"key\": key \"key\" names principal \"acme\", which was rejected",
            ],
        ),
        (
            vec![principal("acme", json!({"roles": ["ab"], "quotas": ["x"]}))],
            vec![
                "principal \"acme\": principal \"acme\" names quota \"x\", which does not exist",
                "key \"key\": key \"key\" names principal \"acme\", which was rejected",
            ],
        ),
        (
            vec![],
            vec!["key \"key\": key \"key\" names principal \"acme\", which does not exist"],
        ),
    ] {
        let mut entries = world();
        entries.extend(more);
        entries.push(caller.key(json!({"principal": "acme", "scopes": ["a"]})));

        assert_eq!(rejected(&entries), reasons);
        let (snapshot, _) = build_with_rejected(&entries);
        assert_eq!(
            caller.identify(&snapshot).unwrap_err().code(),
            "credential_unknown"
        );
    }
}

#[test]
fn a_key_that_names_a_missing_role_is_left_out() {
    let caller = Caller::new("key");
    let mut entries = world();
    entries.push(caller.key(json!({"roles": ["ab", "x"]})));

    assert_eq!(
        rejected(&entries),
        ["key \"key\": key \"key\" names role \"x\", which does not exist"]
    );
}

fn get(meter: &Meter, snapshot: &Snapshot, caller: &Caller) -> Result<(), Refusal> {
    let grant = caller.get(snapshot, "/a")?;
    meter.admit(&grant, ADDRESS, at(0)).map(drop)
}

#[test]
fn all_keys_of_a_principal_share_its_count() {
    let (one, other) = (Caller::new("one"), Caller::new("other"));
    let mut entries = world();
    entries.push(quota("three", "principal", &[(3, "1m")]));
    entries.push(principal(
        "acme",
        json!({"roles": ["ab"], "quotas": ["three"]}),
    ));
    entries.push(one.key(json!({"principal": "acme"})));
    entries.push(other.key(json!({"principal": "acme", "scopes": ["a"]})));
    let snapshot = build(&entries);
    let meter = Meter::default();

    for caller in [&one, &other, &one] {
        assert_eq!(get(&meter, &snapshot, caller), Ok(()));
    }
    assert!(get(&meter, &snapshot, &one).is_err());
    assert!(get(&meter, &snapshot, &other).is_err());
}

#[test]
fn a_keys_own_quota_counts_beside_its_principals() {
    let (one, other) = (Caller::new("one"), Caller::new("other"));
    let mut entries = world();
    entries.push(quota("two", "key", &[(2, "1m")]));
    entries.push(quota("three", "principal", &[(3, "1m")]));
    entries.push(principal(
        "acme",
        json!({"roles": ["ab"], "quotas": ["three"]}),
    ));
    for caller in [&one, &other] {
        let fields = json!({"principal": "acme", "quotas": ["two"]});
        entries.push(caller.key(fields));
    }
    let snapshot = build(&entries);
    let meter = Meter::default();
    let quota = |caller| match get(&meter, &snapshot, caller) {
        Err(Refusal::OverQuota(over)) => Some(over.policy.quota.to_string()),
        _ => None,
    };

    assert_eq!(quota(&one), None);
    assert_eq!(quota(&one), None);
    assert_eq!(quota(&one).as_deref(), Some("two"));
    assert_eq!(quota(&other), None);
    assert_eq!(quota(&other).as_deref(), Some("three"));
}

#[test]
fn a_quota_of_both_key_and_principal_counts_once() {
    let caller = Caller::new("key");
    let mut entries = world();
    entries.push(quota("two", "principal", &[(2, "1m")]));
    entries.push(principal(
        "acme",
        json!({"roles": ["ab"], "quotas": ["two"]}),
    ));
    entries.push(caller.key(json!({"principal": "acme", "quotas": ["two"]})));
    let snapshot = build(&entries);
    let meter = Meter::default();

    assert_eq!(get(&meter, &snapshot, &caller), Ok(()));
    assert_eq!(get(&meter, &snapshot, &caller), Ok(()));
    assert!(get(&meter, &snapshot, &caller).is_err());
}

#[test]
fn a_key_that_is_called_like_a_principal_has_a_count_of_its_own() {
    let (alone, owned) = (Caller::new("acme"), Caller::new("acme-ci"));
    let mut entries = world();
    entries.push(quota("one", "principal", &[(1, "1m")]));
    entries.push(principal(
        "acme",
        json!({"roles": ["ab"], "quotas": ["one"]}),
    ));
    entries.push(owned.key(json!({"principal": "acme"})));
    entries.push(alone.key(json!({"scopes": ["a"], "quotas": ["one"]})));
    let snapshot = build(&entries);
    let meter = Meter::default();

    assert_eq!(get(&meter, &snapshot, &alone), Ok(()));
    assert_eq!(get(&meter, &snapshot, &owned), Ok(()));
    assert!(get(&meter, &snapshot, &alone).is_err());
    assert!(get(&meter, &snapshot, &owned).is_err());
}

/// Whichever is the longer, the scopes that a path is in or those that a caller holds, the answer is the same.
#[test]
fn many_scopes_and_few_find_the_first_by_name() {
    let caller = Caller::new("key");
    let mut entries = open_world();
    let names: Vec<String> = (0..60).map(|number| format!("s{number:02}")).collect();
    for name in &names {
        entries.push(scope(name, "/shared"));
    }
    entries.push(scope("lonely", "/lonely"));
    for (held, path, expected) in [
        (&names[30..], "/shared", "s30"),
        (&names[59..], "/shared", "s59"),
        (&names[..], "/shared", "s00"),
    ] {
        let mut held: Vec<&str> = held.iter().map(String::as_str).collect();
        held.push("lonely");
        let mut entries = entries.clone();
        entries.push(role("many", &held));
        entries.push(caller.key(json!({"roles": ["many"]})));
        let snapshot = build(&entries);

        assert_eq!(
            caller
                .get(&snapshot, path)
                .unwrap()
                .scope()
                .unwrap()
                .as_str(),
            expected
        );
        let lonely = caller.get(&snapshot, "/lonely").unwrap();
        assert_eq!(lonely.scope().unwrap().as_str(), "lonely");
        assert!(caller.get(&snapshot, "/elsewhere").is_err());
    }
}
