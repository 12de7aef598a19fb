use http::{Method, Uri};
use proptest::prelude::*;
use tollgate_gate::{Malformed, PATH_BYTES_MAX, Refusal, Target};

use crate::documents::{Caller, target};

fn parse(path: &str) -> Result<String, &'static str> {
    match target("GET", "a", path) {
        Ok(target) => Ok(target.path_and_query().to_string()),
        Err(refusal) => Err(refusal.code()),
    }
}

#[test]
fn a_canonical_path_and_its_query_are_kept_as_they_are() {
    for path in [
        "/",
        "/v1/orders",
        "/v1/orders/",
        "/a;b=c/d,e:f@g!$&'()+",
        "/%C3%A4%20%2B",
        "/...",
        "/.well-known/x",
        "/a..b/.c",
        "/a?",
        "/a?b=/../%2f%zz//\\{}",
    ] {
        assert_eq!(parse(path).as_deref(), Ok(path));
    }
}

#[test]
fn other_spellings_of_a_path_become_the_canonical_one() {
    for (path, expected) in [
        ("/%41%7e%2D", "/A~-"),
        ("/%c3%a4", "/%C3%A4"),
        ("/%2a*", "/%2A%2A"),
        ("/{a}|[b]^\"", "/%7Ba%7D%7C%5Bb%5D%5E%22"),
        ("/%61?%61", "/a?%61"),
        ("/%2e%2e%2e", "/..."),
        ("http://a", "/"),
        ("http://a?b", "/?b"),
        ("http://a/b?c", "/b?c"),
    ] {
        assert_eq!(parse(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn whatever_an_upstream_could_read_differently_is_refused() {
    for (path, code) in [
        ("*", "path_form"),
        ("a:80", "host_ambiguous"),
        ("/a%2fb", "path_ambiguous"),
        ("/a%2Fb", "path_ambiguous"),
        ("/a%5cb", "path_ambiguous"),
        ("/a%00", "path_ambiguous"),
        ("/a%0d%0a", "path_ambiguous"),
        ("/a%1f", "path_ambiguous"),
        ("/a%7f", "path_ambiguous"),
        ("/%252e%252e/a", "path_ambiguous"),
        ("/a%3bb", "path_ambiguous"),
        ("/a\\b", "path_character"),
        ("/\u{e4}", "path_character"),
        ("/a/../b", "path_dot_segment"),
        ("/a/./b", "path_dot_segment"),
        ("/..", "path_dot_segment"),
        ("/%2e%2E/a", "path_dot_segment"),
        ("/.%2e/a", "path_dot_segment"),
        ("/..;x/a", "path_dot_segment"),
        ("/.;/a", "path_dot_segment"),
        ("/..%20/a", "path_dot_segment"),
        ("/%20..%20%20;x/a", "path_dot_segment"),
        ("//", "path_empty_segment"),
        ("/a//b", "path_empty_segment"),
        ("//a", "path_empty_segment"),
        ("/a/;x", "path_parameter"),
        ("/;/a", "path_parameter"),
        ("/a%", "path_escape"),
        ("/a%2", "path_escape"),
        ("/a%zz", "path_escape"),
        ("/a%+1", "path_escape"),
        ("/%u002e", "path_escape"),
        ("/%c0%ae%c0%ae/a", "path_not_utf8"),
        ("/%c0%af", "path_not_utf8"),
        ("/%ff", "path_not_utf8"),
        ("/%C3", "path_not_utf8"),
        ("/a?\u{e4}", "query_character"),
    ] {
        assert_eq!(parse(path), Err(code), "{path:?}");
    }
}

#[test]
fn an_authority_is_no_path() {
    let uri = Uri::from_static("a:80");

    let refusal = Target::parse(&Method::GET, Some("a:80"), &uri).unwrap_err();

    assert_eq!(refusal, Refusal::Malformed(Malformed::PathForm));
}

#[test]
fn a_path_of_8_kib_is_read_and_one_byte_more_is_not() {
    let path = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));

    assert_eq!(parse(&path).as_deref(), Ok(path.as_str()));
    assert_eq!(parse(&format!("{path}?{path}")).map(|_| ()), Ok(()));
    assert_eq!(parse(&format!("{path}a")), Err("path_too_long"));
    // Encoded, it is three times as long.
    let braces = format!("/{}", "{".repeat(PATH_BYTES_MAX / 2));
    assert_eq!(parse(&braces), Err("path_too_long"));
}

#[test]
fn connect_and_trace_are_refused() {
    for method in ["CONNECT", "TRACE"] {
        assert_eq!(
            target(method, "a", "/").unwrap_err().code(),
            "method_refused"
        );
    }
    assert!(target("OPTIONS", "a", "/").is_ok());
}

#[test]
fn no_host_a_bad_host_and_two_hosts_are_told_apart() {
    let parse = |authority, uri| {
        Target::parse(&Method::GET, authority, &Uri::from_static(uri)).map(|t| t.host().to_owned())
    };
    let refused = |malformed| Err(Refusal::Malformed(malformed));

    assert_eq!(parse(None, "/"), refused(Malformed::HostMissing));
    assert_eq!(parse(Some("a,b"), "/"), refused(Malformed::HostInvalid));
    assert_eq!(
        parse(Some("a"), "http://b/"),
        refused(Malformed::HostAmbiguous)
    );
    assert_eq!(parse(Some("A:1"), "http://a:1/"), Ok("a".to_owned()));
}

proptest! {
    #[test]
    fn the_canonical_path_is_a_fixed_point_and_holds_no_trick(
        path in "/([a-zA-Z.;/*{|~]|%[0-9a-fA-F]{2}|%2[eEfF]|%c3%a4){0,12}",
    ) {
        if let Ok(canonical) = parse(&path) {
            prop_assert_eq!(parse(&canonical), Ok(canonical.clone()));
            prop_assert!(!canonical.contains("//"));
            for escape in ["%2F", "%2f", "%5C", "%5c", "%2E", "%2e", "%25", "%00", "%3B"] {
                prop_assert!(!canonical.contains(escape));
            }
            for segment in canonical.split('/') {
                let name = segment.split(';').next();
                prop_assert!(!matches!(name, Some("." | "..")));
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(path in "\\PC{0,40}", host in "\\PC{0,20}") {
        if let Ok(uri) = Uri::try_from(&path) {
            let _ = Target::parse(&Method::GET, Some(&host), &uri);
        }
    }
}

#[test]
fn a_token_in_the_target_and_a_parameter_that_bears_one_are_refused_and_other_words_are_not() {
    let token = Caller::new("acme").token;
    let token = token.expose();
    for path in [
        format!("/?a=1&k={token}"),
        format!("/v1/{token}"),
        format!("/v1/{}", token.replace('_', "%5F")),
        "/?access_token=x".to_owned(),
        "/?a=1&api%5Fkey=x".to_owned(),
        "/?X-API-Key".to_owned(),
    ] {
        let refusal = target("GET", "a", &path).unwrap_err();
        assert_eq!(refusal.code(), "credential_in_query");
    }
    for path in ["/?sort=tg_live_x", "/access_token?x=api_key", "/?token=x"] {
        assert!(target("GET", "a", path).is_ok(), "{path}");
    }
}
