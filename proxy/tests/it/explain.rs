//! `tollgate-proxy explain`.

use std::process::Output;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{
    Files, IntrospectionServer, Issuer, Store, key_id, run_command, run_command_with, token,
};

const ORDERS: &str = "https://api.test/v1/orders/7?page=2";

async fn filled() -> Store {
    let store = Store::new();
    store.fill("http://127.0.0.1:9").await;
    let narrow = json!({"grants": [
        {"path": "/v1/items/**"},
        {"path": "/v1/orders/**", "methods": ["GET", "HEAD"]},
        {"path": "/v1/orders/**", "hosts": ["other.test"]},
    ]});
    store.put(Kind::Scope, "everything", narrow).await;
    let quota = json!({"limits": [{"requests": 10, "per": "1m"}]});
    store.put(Kind::Quota, "free", quota).await;
    store
        .put_key("acme", &store.token, json!({"quotas": ["free"]}))
        .await;
    store
}

fn told(output: &Output) -> String {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn an_allowed_request_is_explained_as_a_tree() {
    let store = filled().await;

    let output = run_command(&store, &["explain", "GET", ORDERS, "--key", "acme"]);

    assert_eq!(
        told(&output),
        "\
allowed: scope \"everything\" lets key \"acme\" send GET api.test/v1/orders/7, route \"all\" carries it to upstream \"backend\", and quota \"free\" counts it and has room
├─ ok request: GET api.test/v1/orders/7
├─ ok caller: key \"acme\"
├─ ok scopes:
│  └─ ok scope \"everything\"
│     ├─ no grant (any method) (any host) /v1/items/** does not fit: the path is another
│     ├─ ok grant GET,HEAD (any host) /v1/orders/** fits
│     └─ no grant (any method) other.test /v1/orders/** does not fit: the host is another
├─ ok routes:
│  └─ ok route \"all\": (any method) (any host) /v1/** fits
├─ ok quotas:
│  └─ ok quota \"free\": 10 requests in 60 seconds, of each principal, counted by each process
└─ ok upstream: \"backend\"
   └─ target http://127.0.0.1:9
"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_refused_request_is_explained_up_to_what_refuses_it() {
    let store = filled().await;
    let id = key_id("acme").to_string();

    let output = run_command(&store, &["explain", "POST", ORDERS, "--key-id", &id]);

    let text = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("refused (scope_insufficient): "), "{text}");
    assert!(text.contains("no scopes:\n"), "{text}");
    assert!(
        text.contains(
            "no grant GET,HEAD (any host) /v1/orders/** does not fit: the method is another"
        ),
        "{text}"
    );
    assert!(!text.contains("routes"), "{text}");
}

#[tokio::test]
async fn a_token_is_read_from_standard_input_and_never_shown() {
    let store = filled().await;
    let arguments = ["explain", "GET", ORDERS, "--token-stdin", "--json"];
    let stranger = token("nobody");
    let other = token("acme");
    for (token, code, exit) in [
        (&store.token, "allowed", 0),
        (&stranger, "credential_unknown", 1),
        (&other, "credential_wrong", 1),
    ] {
        let output = run_command_with(&store, &arguments, &format!("{}\n", token.expose()));
        let text = told(&output);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["code"], code);
        assert_eq!(output.status.code(), Some(exit));
        assert!(!text.contains(token.expose()));
    }
}

// The issuer answers by the second thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_an_issuer_is_explained_by_the_keys_that_it_publishes_or_that_are_given() {
    let store = filled().await;
    let issuer = Issuer::start().await;
    let document = issuer.document(&json!({}));
    store.put(Kind::Issuer, "login", document).await;
    let token = issuer.token("k1", "alice");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, Issuer::jwks(&["k2"])).unwrap();
    let file = file.to_str().unwrap();
    for (more, code, exit) in [
        (&[][..], "allowed", 0),
        (&["--jwks", file], "token_key_unknown", 1),
    ] {
        let arguments = ["explain", "GET", ORDERS, "--token-stdin", "--json"];
        let arguments = [&arguments[..], more].concat();
        let output = run_command_with(&store, &arguments, token.expose());
        let text = told(&output);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["code"], code, "{text}");
        assert_eq!(output.status.code(), Some(exit));
        assert!(!text.contains(token.expose()));
    }
}

#[tokio::test]
async fn who_bears_no_credential_is_refused_and_a_used_up_quota_is_named() {
    let store = filled().await;

    let nobody = told(&run_command(&store, &["explain", "GET", ORDERS]));
    assert!(
        nobody.starts_with("refused (credential_missing): "),
        "{nobody}"
    );

    let arguments = [
        "explain",
        "GET",
        ORDERS,
        "--key",
        "acme",
        "--requests",
        "11",
    ];
    let over = told(&run_command(&store, &arguments));
    assert!(over.starts_with("refused (quota_exceeded): "), "{over}");
    assert!(
        over.contains("no quota \"free\": 10 requests in 60 seconds"),
        "{over}"
    );
}

#[tokio::test]
async fn what_cant_be_told_ends_with_another_code_than_a_refusal() {
    let store = filled().await;
    let token = store.token.expose();
    for arguments in [
        &["explain", "GET", "/v1/orders"][..],
        &["explain", "GET", &format!("https://api.test/?key={token}")],
        &[
            "explain",
            "GET",
            ORDERS,
            "--key",
            "acme",
            "--principal",
            "acme",
        ],
        &["explain", "GET", ORDERS, "--at", "yesterday"],
        &["explain", "GET", ORDERS, "--namespace", "no:name"],
    ] {
        let output = run_command(&store, arguments);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!complaint.contains(token) && complaint.lines().count() == 1);
    }
}

// The issuer answers by the second thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_only_its_issuer_can_read_is_explained_once_that_is_asked() {
    let store = filled().await;
    let (server, files) = (IntrospectionServer::start().await, Files::new());
    files.put("secret", "its secret");
    let issuer = json!({"url": server.url, "audiences": ["orders"], "any_subject": true, "introspection": {
        "url": format!("{}/introspect", server.url), "client_id": "the_proxy",
        "client_secret": files.place("secret"),
    }});
    store.put(Kind::Issuer, "login", issuer).await;
    server.activate("op_good");
    let arguments = ["explain", "GET", ORDERS, "--token-stdin", "--json"];
    for (token, more, code, exit) in [
        ("op_good", &[][..], "introspection_missing", 1),
        ("op_good", &["--introspect"], "allowed", 0),
        ("op_bad", &["--introspect"], "token_inactive", 1),
    ] {
        let arguments = [&arguments[..], more].concat();
        let output = run_command_with(&store, &arguments, token);
        let text = told(&output);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["code"], code, "{text}");
        assert_eq!(output.status.code(), Some(exit));
        assert!(!text.contains(token));
    }
    assert_eq!(server.asked().len(), 2, "it is asked where that is wanted");

    server.is_failing.store(true, Ordering::SeqCst);
    let arguments = [&arguments[..], &["--introspect"]].concat();
    let output = run_command_with(&store, &arguments, "op_good");
    assert_eq!(output.status.code(), Some(78));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("issuer \"login\" can't be asked about the token"),
        "{complaint}"
    );
    assert!(!complaint.contains("op_good"));
}

#[tokio::test]
async fn a_page_of_the_proxy_itself_and_a_token_in_the_query_are_told_as_that() {
    let store = filled().await;
    let proxy = json!({"listen": [{"address": "127.0.0.1:0"}], "jwks_path": "/jwks.json"});
    store.put(Kind::Proxy, "edge", proxy).await;
    let page = ["explain", "GET", "https://api.test/jwks.json"];

    assert_eq!(
        told(&run_command(&store, &page)),
        "\
allowed: the proxy answers GET api.test/jwks.json by itself, to everybody: its public keys (RFC 7517)
├─ ok request: GET api.test/jwks.json
└─ ok page of the proxy itself, for everybody: its public keys (RFC 7517)
"
    );

    let named = [
        "explain",
        "GET",
        "https://api.test/v1/orders?access_token=x",
        "--key",
        "acme",
    ];
    let refused = told(&run_command(&store, &named));
    assert!(
        refused.starts_with("refused (credential_in_query): "),
        "{refused}"
    );
}
