//! Roles that give something only under a condition, as clients and operators meet them.

use std::fs;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_store::document::Kind;

use crate::support::{
    Client, Echo, GRANTED, Issuer, PATIENCE, Process, Reply, Stage, Store, read_head, until,
};

const TESTING: &str = "context.headers has \"x-env\" && context.headers[\"x-env\"] == \"test\"";
/// Of the year 1970: never met, but by a clock that is very wrong.
const LONG_AGO: &str = "context.time < datetime(\"1970-01-02\")";

/// Lets `acme` act as `buyer`, who may do everything under that condition.
async fn put(store: &Store, condition: &str) {
    let role = json!({"scopes": ["everything"], "condition": condition});
    store.put(Kind::Role, "tester", role).await;
    store
        .put(Kind::Principal, "buyer", json!({"roles": ["tester"]}))
        .await;
    let key = json!({"principal": "buyer"});
    store.put_key("acme", &store.token, key).await;
}

async fn stage(condition: &str) -> Stage {
    Stage::prepared(async |store| put(store, condition).await).await
}

async fn get_with(client: &Client, headers: &[(&str, &str)]) -> Reply {
    let mut request = client.request("GET", "/v1/orders");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

#[tokio::test]
async fn a_request_is_let_through_while_it_meets_the_condition() {
    let stage = stage(TESTING).await;
    for client in stage.clients() {
        for (headers, status) in [
            (&[("x-env", "test")][..], 200),
            (&[], 403),
            (&[("x-env", "prod")], 403),
            // Sent twice, it is another value (RFC 9110, section 5.3).
            (&[("x-env", "test"), ("x-env", "test")], 403),
            (&[("x_env", "test")], 403),
            // What another spelling says reaches no upstream.
            (&[("x-env", "test"), ("x_env", "prod")], 200),
        ] {
            let reply = get_with(&client, headers).await;
            assert_eq!(reply.status, status, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_header_that_the_client_has_removed_on_the_way_meets_no_condition() {
    let stage = stage(TESTING).await;
    let head = |connection: &str| {
        format!(
            "GET /v1/orders HTTP/1.1\r\nHost: a\r\nX-Env: test\r\nConnection: {connection}\r\nX-API-Key: {}\r\n\r\n",
            stage.store.token.expose()
        )
    };
    let status = async |connection: &str| {
        let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
        stream.write_all(head(connection).as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        head.split(' ').nth(1).unwrap().to_owned()
    };

    assert_eq!(status("close").await, "200");
    assert_eq!(status("close, X-Env").await, "403");
}

#[tokio::test]
async fn the_log_names_the_role_and_the_client_learns_of_none() {
    let stage = stage(TESTING).await;

    let reply = stage.client.get("/v1/orders").await;

    let problem = reply.json();
    assert_eq!(problem["type"], "urn:tollgate:problem:condition-unmet");
    assert!(!reply.text().contains("tester") && !reply.text().contains("x-env"));
    assert_eq!(reply.header("www-authenticate"), None);
    let id = reply.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["reason"], "condition_unmet");
    assert_eq!(line["roles_unmet"], json!(["tester"]));
    let elsewhere = stage.client.get("/v2/orders").await;
    assert_eq!(
        elsewhere.json()["type"],
        "urn:tollgate:problem:insufficient-scope"
    );
}

#[tokio::test]
async fn addresses_and_times_are_those_of_the_request() {
    let here = "context has address && context.address.isLoopback() && context.time > datetime(\"2026-01-01\")";
    let stage = stage(here).await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);

    put(&stage.store, LONG_AGO).await;
    until("the condition is another", async || {
        stage.client.get("/v1/orders").await.status == 403
    })
    .await;
}

#[tokio::test]
async fn a_claim_of_the_token_decides() {
    let stage = stage(TESTING).await;
    let issuer = json!({
        "url": "https://login.example.com", "audiences": ["orders"], "jwks": Issuer::jwks(&["k1"]),
        "any_subject": true, "roles_claim": "roles",
    });
    stage.store.put(Kind::Issuer, "login", issuer).await;
    let finance = "context.claims has department && context.claims.department == \"finance\"";
    put(&stage.store, finance).await;
    let until = tollgate_proxy::clock::Clock::start().now().wall.as_second() + 300;
    let bearing = |more: Value| {
        let mut claims = json!({
            "iss": "https://login.example.com", "aud": "orders", "sub": "a", "roles": ["tester"], "exp": until,
        });
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Client::new(&stage.proxy).bearing(&Issuer::sign("k1", &claims))
    };
    let good = bearing(json!({"department": "finance"}));
    crate::support::until("the issuer is known", async || {
        good.get("/v1/orders").await.status == 200
    })
    .await;

    // Once more, as it is remembered now.
    assert_eq!(good.get("/v1/orders").await.status, 200);
    for more in [
        json!({"department": "sales"}),
        json!({}),
        json!({"department": ["finance"]}),
    ] {
        let reply = bearing(more.clone()).get("/v1/orders").await;
        assert_eq!(reply.status, 403, "{more}");
    }
}

#[tokio::test]
async fn a_bad_condition_is_named_with_its_place_and_gives_nothing() {
    let stage = stage(TESTING).await;
    let other = crate::support::token("other");
    stage.store.put_key("other", &other, json!({})).await;
    let file = stage.store.path().join("role").join("tester.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("context.headers has", "context.haeders has"),
    )
    .unwrap();
    stage.proxy.signal("HUP");

    let is_it =
        |line: &Value| line["message"] == "a document is left out" && line["name"] == "tester";
    let line = stage.proxy.logged(is_it).await;
    let reason = line["reason"].as_str().unwrap();
    assert!(
        reason.contains("has a bad condition: line 1, column 1: "),
        "{reason}"
    );
    assert!(reason.contains("haeders"), "{reason}");
    assert_eq!(
        get_with(&stage.client, &[("x-env", "test")]).await.status,
        401
    );
    // Whoever has nothing to do with it goes on.
    let client = Client::new(&stage.proxy).bearing(&other);
    assert_eq!(client.get("/v1/orders").await.status, 200);
    let output = crate::support::run_command(&stage.store, &["check"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("role \"tester\" is left out: "), "{told}");
    assert!(told.contains("line 1, column 1: "), "{told}");
}

/// A client whose connection has turned into a WebSocket, opened with `X-Env: test`.
async fn open(store: &Store, proxy: &Process) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let token = store.token.expose();
    let request = format!(
        "GET /v1/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Env: test\r\n\
         Sec-WebSocket-Key: y\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

async fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = vec![0; text.len() + 1];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut bytes));
    read.await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_tunnel_goes_on_by_the_headers_that_it_began_with_and_ends_with_its_condition() {
    let echo = Echo::start(GRANTED).await;
    let store = Store::new();
    store.fill(&echo.url).await;
    put(&store, TESTING).await;
    let route = json!({"proxy": "edge", "path": "/v1/**", "upstream": "backend", "upgrades": ["websocket"]});
    store.put(Kind::Route, "all", route).await;
    let proxy = Process::start(&store, &[]).await;
    let mut stream = open(&store, &proxy).await;
    assert_eq!(exchange(&mut stream, "ping").await, "!ping");

    // A check comes with each generation, and with time.
    let generation = proxy.metric("tollgate_snapshot_generation").await.unwrap();
    store
        .put_key("other", &crate::support::token("other"), json!({}))
        .await;
    until("another snapshot decides", async || {
        proxy.metric("tollgate_snapshot_generation").await.unwrap() > generation
    })
    .await;
    assert_eq!(exchange(&mut stream, "pong").await, "!pong");

    put(&store, LONG_AGO).await;
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    // A reset is as good as an end.
    let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["reason"], "condition_unmet");
}

#[tokio::test]
async fn an_explanation_tells_of_each_condition() {
    let store = Store::new();
    store.fill("http://127.0.0.1:9").await;
    put(&store, TESTING).await;
    let url = "https://api.test/v1/orders";
    let explain = |more: &[&str]| {
        let arguments = [&["explain", "GET", url, "--key", "acme"], more].concat();
        let output = crate::support::run_command(&store, &arguments);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };

    let (status, text) = explain(&[]);
    assert_eq!(status, Some(1));
    assert!(text.starts_with("refused (condition_unmet): "), "{text}");
    assert!(
        text.contains("no under the condition of role \"tester\""),
        "{text}"
    );
    assert!(
        text.contains("no condition of role \"tester\" is not met: "),
        "{text}"
    );
    assert!(
        text.contains("context.headers[\"x-env\"] is absent"),
        "{text}"
    );

    let (status, text) = explain(&["--header", "X-Env: test", "--json"]);
    assert_eq!(status, Some(0), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        json["conditions"],
        json!([{
            "role": "tester", "condition": TESTING, "met": true,
            "because": ["context.headers[\"x-env\"] is \"test\""],
        }])
    );

    let (status, _) = explain(&["--header", "Authorization: Bearer x"]);
    assert_eq!(status, Some(78));
}
