use super::*;

fn peer(is_trusted: bool) -> Peer {
    Peer {
        address: "192.0.2.1".parse().ok(),
        is_encrypted: false,
        is_trusted,
        client: "192.0.2.1".parse().ok(),
    }
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    pairs.collect()
}

fn voucher<'a>(peer: &'a Peer, request_id: &'a HeaderValue) -> Voucher<'a> {
    Voucher {
        peer,
        address: peer.address.map(|it| it.to_string().parse().unwrap()),
        authority: Some(HeaderValue::from_static("api.test")),
        request_id: request_id.clone(),
        key: Some("acme"),
        key_id: Some(KeyId::parse("abcdefghijkl").unwrap()),
        principal: None,
        looked_at: &[],
    }
}

/// What the upstream gets, apart from what it always gets.
fn passed(is_trusted: bool, pairs: &[(&str, &str)]) -> Vec<String> {
    let mut headers = map(pairs);
    let request_id = HeaderValue::from_static("r-1");
    to_upstream(&mut headers, voucher(&peer(is_trusted), &request_id));
    let always = [
        "x-request-id: r-1",
        "x-tollgate-key: acme",
        "x-tollgate-key-id: abcdefghijkl",
        "x-forwarded-for: 192.0.2.1",
        "x-forwarded-host: api.test",
        "x-forwarded-proto: http",
    ];
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    if !is_trusted {
        for line in always {
            let index = lines.iter().position(|other| other == line);
            lines.remove(index.unwrap_or_else(|| panic!("{line} in {lines:?}")));
        }
    }
    lines.sort();
    lines
}

#[test]
fn what_belongs_to_the_connection_stays_on_it() {
    let lines = passed(
        false,
        &[
            ("connection", "close, X-Private"),
            ("connection", "x-more"),
            ("x-private", "1"),
            ("x-more", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("upgrade", "websocket"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("te", "gzip"),
            ("expect", "100-continue"),
            ("trailer", "x-tollgate-key"),
            ("accept", "*/*"),
        ],
    );

    assert_eq!(lines, ["accept: */*"]);
}

#[test]
fn the_wish_for_trailers_passes() {
    assert_eq!(
        passed(false, &[("te", "gzip;q=0.5, Trailers")]),
        ["te: trailers"]
    );
}

#[test]
fn credentials_stay_here() {
    let lines = passed(
        false,
        &[
            ("authorization", "Bearer x"),
            ("x-api-key", "x"),
            ("x_api_key", "x"),
            ("host", "api.test"),
        ],
    );

    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn what_only_the_proxy_may_say_is_not_taken_from_a_stranger() {
    let lines = passed(
        false,
        &[
            ("x-tollgate-key", "root"),
            ("x-tollgate-key", "root"),
            ("x_tollgate_key_id", "root"),
            ("x-tollgate_key", "root"),
            ("x-tollgate-role", "root"),
            ("x-tollgate-principal", "root"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/admin"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-request-id", "forged"),
            ("traceparent", "00-1"),
            ("content_length", "5"),
        ],
    );

    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn an_upstream_is_told_the_principal_that_a_key_acts_as() {
    let mut headers = map(&[("x-tollgate-principal", "root")]);
    let (peer, request_id) = (peer(true), HeaderValue::from_static("r-1"));
    let name = Name::parse("acme-corp").unwrap();

    let voucher = Voucher {
        principal: Some(&name),
        ..voucher(&peer, &request_id)
    };
    to_upstream(&mut headers, voucher);

    let told: Vec<_> = headers.get_all(X_TOLLGATE_PRINCIPAL).iter().collect();
    assert_eq!(told, ["acme-corp"]);
}

fn looked_at(names: &[&'static str]) -> Vec<HeaderName> {
    names
        .iter()
        .map(|name| HeaderName::from_static(name))
        .collect()
}

#[test]
fn conditions_go_by_what_reaches_the_upstream() {
    let names = looked_at(&["x-env", "x-forwarded-proto", "host"]);
    let headers = map(&[
        ("x-env", "test"),
        ("x-forwarded-proto", "https"),
        ("host", "api.test"),
    ]);
    let seen = |headers: &HeaderMap, is_trusted| {
        let seen = for_conditions(headers, &names, &peer(is_trusted)).into_owned();
        let mut seen: Vec<_> = seen.keys().map(ToString::to_string).collect();
        seen.sort();
        seen
    };
    assert_eq!(seen(&headers, false), ["host", "x-env"]);
    assert_eq!(seen(&headers, true), ["host", "x-env", "x-forwarded-proto"]);

    // The upstream is told nothing that is named there.
    for connection in ["x-env", "close, X-Env", "close,x-env , te"] {
        let mut headers = headers.clone();
        headers.insert(CONNECTION, connection.parse().unwrap());
        assert_eq!(seen(&headers, false), ["host"], "{connection}");
        assert_eq!(
            seen(&headers, true),
            ["host", "x-forwarded-proto"],
            "{connection}"
        );
    }
}

#[test]
fn what_conditions_look_at_reaches_the_upstream_in_that_spelling_alone() {
    let names = looked_at(&["x-env", "x_tenant"]);
    let mut headers = map(&[
        ("x-env", "test"),
        ("x_env", "prod"),
        ("x_tenant", "a"),
        ("x-tenant", "b"),
        ("x_other", "c"),
    ]);
    let (peer, request_id) = (peer(true), HeaderValue::from_static("r-1"));
    let voucher = Voucher {
        looked_at: &names,
        ..voucher(&peer, &request_id)
    };
    to_upstream(&mut headers, voucher);

    let passed = ["x-env", "x_env", "x_tenant", "x-tenant", "x_other"]
        .map(|name| headers.contains_key(name));
    assert_eq!(passed, [true, false, true, false, true]);
}

#[test]
fn a_client_cant_have_removed_what_the_proxy_adds() {
    let lines = passed(
        false,
        &[(
            "connection",
            "x-tollgate-key, x-tollgate-key-id, x-forwarded-for, x-request-id",
        )],
    );

    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_trusted_peers_word_is_kept_and_continued() {
    let lines = passed(
        true,
        &[
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "public.test"),
            ("traceparent", "00-1"),
            ("x-tollgate-key", "root"),
        ],
    );

    assert_eq!(
        lines,
        [
            "traceparent: 00-1",
            "x-forwarded-for: 198.51.100.7, 192.0.2.1",
            "x-forwarded-host: public.test",
            "x-forwarded-proto: https",
            "x-request-id: r-1",
            "x-tollgate-key-id: abcdefghijkl",
            "x-tollgate-key: acme",
        ]
    );
}

#[test]
fn a_length_beside_chunks_is_dropped() {
    let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
    to_client(&mut headers, &HeaderValue::from_static("r-1"));

    assert_eq!(headers, map(&[("x-request-id", "r-1")]));
}

#[test]
fn an_id_is_taken_from_a_trusted_peer_if_it_is_short_and_visible() {
    let id =
        |value: &str, is_trusted| request_id(&map(&[("x-request-id", value)]), &peer(is_trusted));

    assert!(id("0190-abc", true).is_some());
    assert!(id("0190-abc", false).is_none());
    assert!(id("a b", true).is_none());
    assert!(id("", true).is_none());
    assert!(id(&"a".repeat(129), true).is_none());
}

#[test]
fn what_makes_it_another_request_is_taken_from_nobody() {
    for name in [
        "x-http-method-override",
        "x_http_method_override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x_original-url",
        "x-original-uri",
        "x-rewrite-url",
        "proxy",
    ] {
        for is_trusted in [false, true] {
            let lines = passed(is_trusted, &[(name, "/admin")]);
            let is_there = lines.iter().any(|line| line.ends_with("/admin"));
            assert!(!is_there, "{lines:?}");
        }
    }
}

#[test]
fn a_clients_address_is_taken_from_a_trusted_peer_alone() {
    for name in [
        "true-client-ip",
        "x-client-ip",
        "cf-connecting-ip",
        "x-real-ip",
    ] {
        let respelled = name.replace('-', "_");
        for (is_trusted, name, passes) in [
            (false, name, false),
            (true, name, true),
            (true, respelled.as_str(), false),
        ] {
            let lines = passed(is_trusted, &[(name, "10.0.0.1")]);
            let line = format!("{name}: 10.0.0.1");
            assert_eq!(lines.contains(&line), passes, "{lines:?}");
        }
    }
}

#[test]
fn crumbs_of_cookies_become_one_header() {
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3")];

    assert_eq!(passed(false, &crumbs), ["cookie: a=1; b=2; c=3"]);
    assert_eq!(passed(false, &crumbs[..1]), ["cookie: a=1"]);
}

proptest::proptest! {
    #[test]
    fn no_spelling_of_an_identity_header_passes(
        name in "[xX][-_][tT][oO]llgate[-_][a-z_-]{1,12}",
        value in "[ -~]{0,20}",
    ) {
        let lines = passed(false, &[(name.as_str(), value.as_str())]);
        proptest::prop_assert!(lines.is_empty(), "{:?}", lines);
    }
}
