//! Tokens that only their issuer can read.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tollgate_store::Secret;
use tollgate_store::document::Kind;

use crate::support::{Authority, Client, Files, IntrospectionServer, Reply, Stage, until};

const GOOD: &str = "op_good";
/// `the_proxy:its secret`, each encoded as in a form (RFC 6749, section 2.3.1).
const BASIC: &str = "authorization: basic dghljtvgchjvehk6axrzjtiwc2vjcmv0";

struct Scene {
    stage: Stage,
    server: IntrospectionServer,
    files: Files,
}

impl Scene {
    async fn new(more: Value) -> Self {
        Self::with(IntrospectionServer::start().await, (more, json!({}))).await
    }

    /// `asked` and `more` are what the issuer declares beyond what it must: about asking it, and else.
    async fn with(server: IntrospectionServer, (asked, more): (Value, Value)) -> Self {
        let (stage, files) = (Stage::new().await, Files::new());
        files.put("secret", "its secret\n");
        server.activate(GOOD);
        let scene = Self {
            stage,
            server,
            files,
        };
        scene.declare(scene.document(asked, more)).await;
        scene
    }

    fn document(&self, asked: Value, more: Value) -> Value {
        let introspection = json!({
            "url": format!("{}/introspect", self.server.url),
            "client_id": "the_proxy",
            "client_secret": self.files.place("secret"),
        });
        let document = json!({
            "url": self.server.url,
            "audiences": ["orders"],
            "any_subject": true,
            "introspection": with(introspection, asked),
        });
        with(document, more)
    }

    async fn declare(&self, document: Value) {
        let store = &self.stage.store;
        store.put(Kind::Issuer, "login", document).await;
        // What names no token is nobody's: a text that is none tells whether the document came.
        let client = self.client("tg_x.y.z");
        until("the issuer is known", async || {
            let reply = client.get("/v1/orders").await;
            self.reason(&reply).await != "credential_malformed"
        })
        .await;
    }

    fn client(&self, token: &str) -> Client {
        Client::new(&self.stage.proxy).bearing(&Secret::new(token.to_owned()))
    }

    async fn get(&self, token: &str) -> Reply {
        self.client(token).get("/v1/orders").await
    }

    async fn reason(&self, reply: &Reply) -> String {
        let id = reply.header("x-request-id").unwrap();
        let proxy = &self.stage.proxy;
        let line = proxy.accessed(|line| line["request_id"] == id).await;
        line["reason"].as_str().unwrap_or("none").to_owned()
    }

    async fn refusal(&self, token: &str) -> (u16, String) {
        let reply = self.get(token).await;
        let reason = self.reason(&reply).await;
        (reply.status, reason)
    }
}

fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("members are an object")
    };
    value.as_object_mut().unwrap().extend(more);
    value
}

#[tokio::test]
async fn a_token_is_asked_about_once_for_all_who_bear_it() {
    let scene = Scene::new(json!({})).await;
    let requests = (0..16).map(|_| scene.get(GOOD));

    for reply in futures_util::future::join_all(requests).await {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.echoed("authorization"), Vec::<String>::new());
    }
    assert_eq!(scene.get(GOOD).await.status, 200);

    let asked = scene.server.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("POST /introspect HTTP/1.1\r\n"));
    assert!(asked[0].to_ascii_lowercase().contains(BASIC));
    assert!(asked[0].ends_with("token=op%5Fgood&token_type_hint=access_token"));
    let output = scene.stage.proxy.output();
    assert!(!output.contains(GOOD) && !output.contains("its secret"));
    let counted = "tollgate_introspections_total{issuer=\"login\",result=\"active\"}";
    assert_eq!(scene.stage.proxy.metric(counted).await, Some(1.0));
}

#[tokio::test]
async fn the_secret_may_stand_in_the_form() {
    let scene = Scene::new(json!({"method": "client_secret_post"})).await;

    assert_eq!(scene.get(GOOD).await.status, 200);

    let asked = scene.server.asked().remove(0);
    assert!(asked.ends_with("&client_id=the%5Fproxy&client_secret=its%20secret"));
    assert!(!asked.to_ascii_lowercase().contains("authorization:"));
}

#[tokio::test]
async fn a_token_that_is_revoked_stops_within_the_declared_time() {
    let scene = Scene::new(json!({"cache": "1s"})).await;
    assert_eq!(scene.get(GOOD).await.status, 200);
    scene.server.revoke(GOOD);

    until("the token is refused", async || {
        scene.get(GOOD).await.status == 401
    })
    .await;

    assert_eq!(
        scene.refusal(GOOD).await,
        (401, "token_inactive".to_owned())
    );
}

#[tokio::test]
async fn a_server_that_fails_is_no_fault_of_the_client_and_forgotten_at_once() {
    let scene = Scene::new(json!({})).await;
    scene.server.is_failing.store(true, Ordering::SeqCst);
    let reply = scene.get(GOOD).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(reply.header("www-authenticate"), None);
    assert_eq!(scene.reason(&reply).await, "introspection_failed");

    scene.server.is_failing.store(false, Ordering::SeqCst);
    assert_eq!(scene.get(GOOD).await.status, 200);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_no_longer_than_declared() {
    let scene = Scene::new(json!({"timeout": "50ms"})).await;
    scene.server.is_silent.store(true, Ordering::SeqCst);

    let refusal = scene.refusal(GOOD).await;
    assert_eq!(refusal, (503, "introspection_timeout".to_owned()));
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone() {
    let scene = Scene::new(json!({})).await;
    scene.server.is_failing.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(scene.refusal(GOOD).await.1, "introspection_failed");
    }

    let refusal = scene.refusal(GOOD).await;
    assert_eq!(refusal, (503, "introspection_circuit_open".to_owned()));
    assert_eq!(scene.server.asked().len(), 5);
    let keys = Client::new(&scene.stage.proxy).bearing(&scene.stage.store.token);
    assert_eq!(keys.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn made_up_tokens_cost_no_more_calls_than_declared() {
    let scene = Scene::new(json!({"calls_per_second": 1, "token_prefix": "op_"})).await;
    assert_eq!(scene.get(GOOD).await.status, 200);
    let tokens: Vec<_> = (0..60)
        .map(|number| format!("op_made-up-{number}"))
        .collect();
    let clock = tokio::time::Instant::now();

    let requests = tokens.iter().map(|token| scene.get(token));
    let replies = futures_util::future::join_all(requests).await;

    let seconds = clock.elapsed().as_secs() + 2;
    let asked = scene.server.asked().len();
    assert!(asked as u64 <= seconds, "{asked} calls in {seconds} s");
    assert!(
        replies
            .iter()
            .all(|reply| [401, 503].contains(&reply.status))
    );
    let refused = replies.iter().find(|reply| reply.status == 503).unwrap();
    assert_eq!(scene.reason(refused).await, "introspection_budget");
    assert_eq!(
        scene.get(GOOD).await.status,
        200,
        "what is known needs no call"
    );
    assert_eq!(scene.refusal("xx_y").await.1, "credential_malformed");
}

#[tokio::test]
async fn made_up_tokens_keep_no_good_one_from_being_renewed() {
    let asked = json!({"calls_per_second": 2, "cache": "1s", "token_prefix": "op_"});
    let scene = Scene::new(asked).await;
    assert_eq!(scene.get(GOOD).await.status, 200);
    let mut refused = 0;

    // The first call and four renewals.
    for round in 0.. {
        let tokens: Vec<_> = (0..8).map(|it| format!("op_{round}-{it}")).collect();
        let made_up = tokens.iter().map(|token| scene.get(token));
        let (good, others) =
            futures_util::future::join(scene.get(GOOD), futures_util::future::join_all(made_up))
                .await;
        assert_eq!(good.status, 200, "round {round}");
        refused += others.iter().filter(|it| it.status == 503).count();
        let calls = scene.server.asked();
        if calls.iter().filter(|it| it.contains("op%5Fgood")).count() >= 5 {
            break;
        }
    }
    assert!(refused > 0, "they would have used up the calls");
}

#[tokio::test]
async fn a_good_answer_is_renewed_ahead_of_its_end_and_no_request_waits_for_that() {
    let scene = Scene::new(json!({"cache": "4s", "timeout": "5s"})).await;
    assert_eq!(scene.get(GOOD).await.status, 200);
    scene.server.is_silent.store(true, Ordering::SeqCst);

    // Who came after its end would wait, and be refused.
    while scene.server.asked().len() < 2 {
        assert_eq!(scene.get(GOOD).await.status, 200);
    }
}

#[tokio::test]
async fn made_up_tokens_of_one_client_keep_no_new_one_of_another_out() {
    let asked = json!({"calls_per_second": 40, "token_prefix": "op_"});
    let scene = Scene::new(asked).await;
    let proxy = json!({"listen": [{"address": "127.0.0.1:0"}], "trusted_proxies": ["127.0.0.0/8"]});
    scene.stage.store.put(Kind::Proxy, "edge", proxy).await;
    let sent_by = async |token: &str, address: &str| {
        let client = scene.client(token);
        let request = client.request("GET", "/v1/orders");
        client
            .send(request.header("x-forwarded-for", address))
            .await
    };
    until("the proxies are trusted", async || {
        let reply = sent_by("tg_x.y.z", "192.0.2.9").await;
        let id = reply.header("x-request-id").unwrap();
        let proxy = &scene.stage.proxy;
        let line = proxy.accessed(|line| line["request_id"] == id).await;
        line["client"] == "192.0.2.9"
    })
    .await;

    let tokens: Vec<_> = (0..60).map(|it| format!("op_made-up-{it}")).collect();
    let made_up = tokens.iter().map(|token| sent_by(token, "192.0.2.1"));
    let made_up = futures_util::future::join_all(made_up);
    let (replies, good) = futures_util::future::join(made_up, sent_by(GOOD, "192.0.2.2")).await;

    assert_eq!(good.status, 200);
    assert!(replies.iter().any(|reply| reply.status == 503));
}

#[tokio::test]
async fn an_issuer_may_have_an_authority_of_its_own() {
    let (own, stranger) = (Authority::new("Own"), Authority::new("Stranger"));
    let server = IntrospectionServer::start_encrypted(&own.server(&["127.0.0.1"])).await;
    let scene = Scene::with(server.clone(), (json!({}), json!({"ca": own.pem()}))).await;
    assert_eq!(scene.get(GOOD).await.status, 200);

    scene.files.put("ca.pem", &stranger.pem());
    let more = json!({"ca": scene.files.place("ca.pem")});
    let other = Scene::with(server, (json!({}), more)).await;
    // The files of the first stage, which lives on.
    assert_eq!(other.refusal(GOOD).await.1, "introspection_failed");
    scene.files.put("ca.pem", &own.pem());
    until("the authority is read again", async || {
        other.get(GOOD).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn what_an_issuer_needs_and_cant_be_read_is_told_until_it_is_mended() {
    let scene = Scene::new(json!({})).await;
    let proxy = &scene.stage.proxy;
    let told = async |what: &str| {
        let (_, page) = proxy.get("/documents").await;
        page.contains(what)
    };
    assert_eq!(proxy.metric("tollgate_materials_failed").await, Some(0.0));

    let asked = json!({"client_secret": scene.files.place("gone")});
    let more = json!({"ca": scene.files.place("issuer-ca.pem")});
    let document = scene.document(asked, more);
    let store = &scene.stage.store;
    store.put(Kind::Issuer, "login", document).await;
    until("both places are named", async || {
        proxy.metric("tollgate_materials_failed").await == Some(2.0)
    })
    .await;
    assert!(told("issuer-ca.pem").await && told("/gone").await);

    scene.files.put("gone", "secret\n");
    scene
        .files
        .put("issuer-ca.pem", &Authority::new("Own").pem());
    until("both are good", async || {
        proxy.metric("tollgate_materials_failed").await == Some(0.0)
    })
    .await;
    assert!(!told("/gone").await);
}
