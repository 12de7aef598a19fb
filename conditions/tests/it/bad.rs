//! What is no condition, and what its author is told.

use crate::read;

#[track_caller]
fn problem(text: &str) -> String {
    read(text)
        .err()
        .unwrap_or_else(|| panic!("{text} is taken"))
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, place, says) in [
        ("context.hour >= ", "line 1, column", "unexpected end"),
        (
            "context.hour = 9",
            "line 1, column 1: ",
            "try using '==' instead",
        ),
        (
            "context.hour >= 9 &&\n  context.hous < 17",
            "line 2, column 3: ",
            "hous",
        ),
        ("context.hour >= \"9\"", "line 1, column", "String"),
        ("context.hour", "line 1, column 1: ", "Bool"),
        (
            "context.address.isLoopback()",
            "line 1, column 1: ",
            "address",
        ),
        (
            "context.headers[\"x-a\"] == \"b\"",
            "line 1, column 1: ",
            "x-a",
        ),
        ("context.claims.a == \"b\"", "line 1, column 1: ", "a"),
        (
            "context.claims has a && context.claims.a == 1 && context.claims.a == \"x\"",
            "line 1, column",
            "String",
        ),
        (
            "context has address && context.address.isInRange(ip(\"10.0.0.0/33\"))",
            "line 1, column",
            "IP address",
        ),
        (
            "context.time < datetime(\"tomorrow\")",
            "line 1, column",
            "datetime",
        ),
        ("context.hour > 9; true", "line 1, column 17: ", ";"),
        ("false", "line 1, column 1: ", "no request can meet it"),
    ] {
        let problem = problem(text);
        assert!(problem.starts_with(place), "{text}: {problem}");
        assert!(problem.contains(says), "{text}: {problem}");
        assert!(!problem.contains("policy"), "{text}: {problem}");
    }
}

#[test]
fn a_condition_is_about_the_context_alone() {
    for text in [
        "principal == Caller::\"caller\"",
        "context.hour > 9 && action == Action::\"request\"",
        "resource is Gateway",
        "context.principal == Caller::\"x\"",
    ] {
        let problem = problem(text);
        assert!(
            problem.contains("who asks is context.principal"),
            "{text}: {problem}"
        );
    }
    assert!(problem("context == {hour: 9}").contains("name an attribute"));
    assert!(problem("context.headers == {a: \"b\"}").contains("name one of them"));
    assert!(problem("context.claims == {a: \"b\"}").starts_with("line 1, column 9: "));
}

#[test]
fn credentials_are_never_seen() {
    for header in [
        "authorization",
        "Authorization",
        "cookie",
        "x-api-key",
        "dpop",
        "proxy-authorization",
    ] {
        let problem = problem(&format!("context.headers has \"{header}\""));
        assert!(problem.contains("never sees"), "{header}: {problem}");
    }
}

#[test]
fn names_of_headers_are_in_lower_case() {
    let upper = problem("context.headers has \"X-Env\"");
    assert!(upper.contains("write \"x-env\""), "{upper}");
    assert!(problem("context.headers has \"x env\"").contains("no name of a header"));
}

#[test]
fn nothing_gets_out_of_the_clause() {
    for text in [
        "true } unless { false",
        "true };\npermit (principal, action, resource) when { true",
        "true // }\n} ; forbid (principal, action, resource) when { true",
        "?principal == ?resource",
        "true };",
    ] {
        problem(text);
    }
}
