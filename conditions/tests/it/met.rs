//! Which requests meet which conditions.

use serde_json::json;

use crate::{Request, read_in};

fn assert_all(request: &Request, table: &[(&str, bool)]) {
    for (text, expected) in table {
        assert_eq!(request.meets(text), Ok(*expected), "{text}");
    }
}

#[test]
fn an_address_is_within_blocks_or_unknown() {
    let within =
        |block: &str| format!("context has address && context.address.isInRange(ip(\"{block}\"))");
    let ask = |address: &str, block: &str| {
        let request = Request {
            address: address.parse().ok(),
            ..Request::default()
        };
        request.meets(&within(block))
    };
    for (address, block, expected) in [
        ("10.1.2.3", "10.0.0.0/8", true),
        ("11.1.2.3", "10.0.0.0/8", false),
        ("10.1.2.3", "10.1.2.3", true),
        ("::ffff:10.1.2.3", "10.0.0.0/8", true),
        ("2001:db8::1", "2001:db8::/32", true),
        ("2001:db9::1", "2001:db8::/32", false),
        ("unknown", "0.0.0.0/0", false),
    ] {
        assert_eq!(ask(address, block), Ok(expected), "{address} {block}");
    }
    let unknown = Request {
        address: None,
        ..Request::default()
    };
    assert_eq!(unknown.meets("!(context has address)"), Ok(true));
}

#[test]
fn a_time_is_a_moment_and_hours_of_a_day() {
    assert_all(
        &Request::default(),
        &[
            ("context.hour == 8 && context.minute == 30", true),
            ("context.hour >= 9 && context.hour < 17", false),
            ("context.weekday == 3", true),
            ("context.weekday > 5", false),
            ("context.time < datetime(\"2027-07-01\")", true),
            (
                "context.time >= datetime(\"2027-06-30T08:30:00.125Z\")",
                true,
            ),
            (
                "context.time > datetime(\"2027-06-30T08:30:00.125Z\")",
                false,
            ),
            ("context.time.toTime() < duration(\"9h\")", true),
        ],
    );
    let sunday = Request {
        time: "2027-07-04T23:59:59Z".parse().unwrap(),
        ..Request::default()
    };
    assert_eq!(
        sunday.meets("context.weekday == 7 && context.hour == 23"),
        Ok(true)
    );
}

#[test]
fn hours_go_by_the_time_zone_that_is_declared_with_its_summer() {
    let hour_in = |zone: &str, time: &str| {
        let condition = read_in("context.hour == 10 && context.weekday == 3", Some(zone)).unwrap();
        let request = Request {
            time: time.parse().unwrap(),
            ..Request::default()
        };
        request.ask(|facts| condition.is_met(facts))
    };

    assert_eq!(hour_in("Europe/Berlin", "2027-06-30T08:30:00Z"), Ok(true));
    assert_eq!(hour_in("Europe/Berlin", "2027-12-01T08:30:00Z"), Ok(false));
    assert_eq!(hour_in("Europe/Berlin", "2027-12-01T09:30:00Z"), Ok(true));
    // There it is a day later already.
    assert_eq!(hour_in("Asia/Tokyo", "2027-06-30T01:00:00Z"), Ok(true));
    assert_eq!(
        hour_in("Pacific/Auckland", "2027-06-29T22:00:00Z"),
        Ok(true)
    );
}

#[test]
fn a_target_and_a_caller_are_told() {
    let mut request = Request::default();
    assert_all(
        &request,
        &[
            (
                "context.method == \"GET\" && context.host == \"api.example.com\"",
                true,
            ),
            ("context.path == \"/v1/orders/7\"", true),
            ("context.path like \"/v1/*\"", true),
            ("[\"POST\", \"PUT\"].contains(context.method)", false),
            (
                "context has principal && context.principal == \"acme\"",
                true,
            ),
            ("context.credential == \"key\"", true),
            ("context.credential == \"certificate\"", false),
        ],
    );
    request.principal = None;
    assert_eq!(request.meets("context has principal"), Ok(false));
}

#[test]
fn headers_are_texts_and_several_of_one_name_are_one() {
    let is = |value: &str| {
        format!("context.headers has \"x-env\" && context.headers[\"x-env\"] == \"{value}\"")
    };
    let one = Request::with_headers(&[("x-env", "prod")]);
    assert_all(&one, &[(&is("prod"), true), (&is("Prod"), false)]);
    let two = Request::with_headers(&[("x-env", "prod"), ("x-env", "test")]);
    assert_all(&two, &[(&is("prod"), false), (&is("prod, test"), true)]);
    let none = Request::default();
    assert_all(
        &none,
        &[
            (&is("prod"), false),
            ("!(context.headers has \"x-env\")", true),
        ],
    );
}

#[test]
fn a_header_that_is_no_text_is_there_all_the_same() {
    let odd = Request::with_headers(&[("x-blocked", [0xff])]);

    assert_eq!(odd.meets("!(context.headers has \"x-blocked\")"), Ok(false));
}

fn employee() -> Request {
    Request::with_claims(json!({
        "department": "finance", "level": 7, "staff": true, "groups": ["a", "b"], "scope": "read write",
        "realm_access": {"roles": ["admin"]}, "https://example.com/tenant": "t1",
    }))
}

/// A condition on a claim that must be there.
fn claims(name: &str, more: &str) -> String {
    format!("context.claims has {name} && {more}")
}

#[test]
fn claims_are_texts_numbers_and_truths() {
    for (name, more, expected) in [
        (
            "department",
            "context.claims.department == \"finance\"",
            true,
        ),
        (
            "department",
            "context.claims.department like \"hr*\"",
            false,
        ),
        (
            "department",
            "[\"hr\", \"finance\"].contains(context.claims.department)",
            true,
        ),
        ("level", "context.claims.level >= 5", true),
        ("level", "context.claims.level + 1 == 7", false),
        ("level", "[1, 7].contains(context.claims.level)", true),
        ("level", "context.claims.level < context.hour", true),
        ("staff", "context.claims.staff", true),
        ("staff", "!context.claims.staff", false),
        ("missing", "context.claims.missing == \"x\"", false),
    ] {
        let text = claims(name, more);
        assert_eq!(employee().meets(&text), Ok(expected), "{text}");
    }
}

#[test]
fn claims_are_sets_and_objects_with_any_names() {
    let roles = "realm_access.roles";
    for (name, more, expected) in [
        ("groups", "context.claims.groups.contains(\"a\")", true),
        (
            "groups",
            "context.claims.groups.containsAny([\"c\", \"b\"])",
            true,
        ),
        (
            "groups",
            "context.claims.groups.containsAll([\"c\", \"b\"])",
            false,
        ),
        ("scope", "context.claims.scope.contains(\"write\")", true),
        (
            roles,
            "context.claims.realm_access.roles.contains(\"admin\")",
            true,
        ),
        (
            roles,
            "context.claims.realm_access.roles.contains(\"root\")",
            false,
        ),
        (
            "\"https://example.com/tenant\"",
            "context.claims[\"https://example.com/tenant\"] == \"t1\"",
            true,
        ),
    ] {
        let text = claims(name, more);
        assert_eq!(employee().meets(&text), Ok(expected), "{text}");
    }
    let from_context = "context has claims.department && context.claims.department == \"finance\"";
    assert_eq!(employee().meets(from_context), Ok(true));
}

#[test]
fn who_bears_no_token_has_no_claims() {
    let request = Request::default();

    assert_eq!(request.meets("context.claims has sub"), Ok(false));
    assert_eq!(
        request.meets("context.claims has sub && context.claims.sub == \"a\""),
        Ok(false)
    );
}

#[test]
fn a_claim_of_another_kind_never_passes_for_an_absent_one() {
    let suspended = "if context.claims has suspended then !context.claims.suspended else true";
    let ask = |claims| Request::with_claims(claims).meets(suspended);

    assert_eq!(ask(json!({})), Ok(true));
    assert_eq!(ask(json!({"suspended": null})), Ok(true));
    assert_eq!(ask(json!({"suspended": false})), Ok(true));
    assert_eq!(ask(json!({"suspended": true})), Ok(false));
    for other in [json!("true"), json!(1), json!([true]), json!({})] {
        let why = ask(json!({"suspended": other})).unwrap_err();
        assert_eq!(why, "claim \"suspended\" is neither true nor false");
    }
    let is_there = Request::with_claims(json!({"suspended": {"since": 3}}));
    assert_eq!(is_there.meets("!(context.claims has suspended)"), Ok(false));
}

#[test]
fn claims_that_no_condition_can_take_make_it_unmet() {
    for (text, claim) in [
        ("context.claims has x && context.claims.x > 1", json!(1.5)),
        (
            "context.claims has x && context.claims.x > 1",
            json!(u64::MAX),
        ),
        (
            "context.claims has x && context.claims.x.contains(\"a\")",
            json!(["a", 1]),
        ),
        (
            "context.claims has x.y && context.claims.x.y == \"a\"",
            json!({"y": 1}),
        ),
        (
            "context.claims has x.y && context.claims.x.y == \"a\"",
            json!("y"),
        ),
    ] {
        let request = Request::with_claims(json!({"x": claim}));
        assert!(request.meets(text).is_err(), "{text} {claim}");
    }
}

#[test]
fn what_overflows_is_an_error_and_not_a_number() {
    let request = Request::with_claims(json!({"x": i64::MAX}));

    let why = request.meets("context.claims has x && context.claims.x + 1 > 0");
    assert!(why.unwrap_err().starts_with("it can't be told: "));
}
