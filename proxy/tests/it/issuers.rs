//! Tokens of issuers, as clients, upstreams and operators meet them.

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Issuer, Reply, Stage, until};

const KEYS: &str = "/keys";

/// A stage whose proxy takes the tokens of an issuer.
async fn stage(more: Value) -> (Stage, Issuer) {
    let stage = Stage::new().await;
    let issuer = Issuer::start().await;
    let document = issuer.document(&more);
    stage.store.put(Kind::Issuer, "login", document).await;
    (stage, issuer)
}

/// A stage on which `k1` is known to the proxy, and a client with a token that it signed.
async fn ready(more: Value) -> (Stage, Issuer, Client) {
    let (stage, issuer) = stage(more).await;
    let client = Client::new(&stage.proxy).bearing(&issuer.token("k1", "alice"));
    until("the issuer's tokens are taken", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
    (stage, issuer, client)
}

/// Why a request was refused, as the log has it.
async fn reason(stage: &Stage, reply: &Reply) -> String {
    let id = reply.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    line["reason"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_open_and_reaches_no_upstream_and_no_log() {
    let (stage, issuer, client) = ready(json!({})).await;

    let reply = client.get("/v1/orders").await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.echoed("authorization"), Vec::<String>::new());
    assert_eq!(reply.echoed("x-tollgate-key"), Vec::<String>::new());
    let id = reply.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["issuer"], "login");
    assert_eq!(line["subject"], "alice");
    assert_eq!(line["key"], json!(null));
    assert_eq!(line["scope"], "everything");
    let token = issuer.token("k1", "alice");
    let signature = token.expose().rsplit_once('.').unwrap().1.to_owned();
    assert!(!stage.proxy.output().contains(&signature));
    assert!(
        stage
            .proxy
            .metric("tollgate_issuer_keys_age_seconds{issuer=\"login\"}")
            .await
            .unwrap()
            < 60.0
    );
    let fetches = "tollgate_issuer_keys_fetches_total{issuer=\"login\",result=\"fetched\"}";
    assert_eq!(stage.proxy.metric(fetches).await, Some(1.0));
}

#[tokio::test]
async fn a_token_of_a_principals_subject_acts_as_the_principal() {
    let (stage, issuer, client) = ready(json!({})).await;
    let fields = json!({"subjects": [{"issuer": "login", "value": "acme"}]});
    stage.store.put(Kind::Principal, "buyer", fields).await;
    let acme = Client::new(&stage.proxy).bearing(&issuer.token("k1", "acme"));
    until(
        "the principal has no role, and so opens nothing",
        async || acme.get("/v1/orders").await.status == 403,
    )
    .await;
    let role = json!({"scopes": ["everything"]});
    stage.store.put(Kind::Role, "buyer", role).await;
    let fields = json!({"roles": ["buyer"], "subjects": [{"issuer": "login", "value": "acme"}]});
    stage.store.put(Kind::Principal, "buyer", fields).await;
    until("the principal has a role", async || {
        acme.get("/v1/orders").await.status == 200
    })
    .await;

    let reply = acme.get("/v1/orders").await;

    assert_eq!(reply.echoed("x-tollgate-principal"), ["buyer"]);
    let other = client.get("/v1/orders").await;
    assert_eq!(other.echoed("x-tollgate-principal"), Vec::<String>::new());
}

#[tokio::test]
async fn every_bad_token_reads_the_same_and_is_told_apart_in_the_log() {
    let (stage, issuer, _) = ready(json!({})).await;
    let good = issuer.token("k1", "alice");
    let (signed, _) = good.expose().rsplit_once('.').unwrap();
    let unsigned = tollgate_store::Secret::new(format!("{signed}."));
    let claims =
        |exp: Value| json!({"iss": issuer.url, "aud": "orders", "sub": "alice", "exp": exp});
    let stranger = crate::support::token("nobody");
    let mut bodies = Vec::new();
    let (login, alice) = (json!("login"), json!("alice"));
    for (token, expected, whose) in [
        (stranger, "credential_unknown", (json!(null), json!(null))),
        (unsigned, "token_signature", (login.clone(), json!(null))),
        (
            Issuer::sign("k1", &claims(json!(1))),
            "token_expired",
            (login.clone(), alice.clone()),
        ),
        (
            Issuer::sign("k1", &claims(json!("9999999999"))),
            "token_claim",
            (login, alice),
        ),
    ] {
        let client = Client::new(&stage.proxy).bearing(&token);
        let reply = client.get("/v1/a").await;
        assert_eq!(reply.status, 401, "{expected}");
        let id = reply.header("x-request-id").unwrap();
        let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
        assert_eq!(line["reason"], expected);
        assert_eq!(line["issuer"], whose.0, "{expected}");
        assert_eq!(line["subject"], whose.1, "{expected}");
        let mut body = reply.json();
        body["request_id"] = json!(null);
        bodies.push((body, reply.header("www-authenticate").map(str::to_owned)));
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
}

#[tokio::test]
async fn a_new_key_is_found_by_the_first_token_that_names_it() {
    let (stage, issuer, old) = ready(json!({})).await;
    issuer.publish(&["k1", "k2"]);
    let new = Client::new(&stage.proxy).bearing(&issuer.token("k2", "alice"));

    assert_eq!(new.get("/v1/orders").await.status, 200);
    assert_eq!(old.get("/v1/orders").await.status, 200);
    assert_eq!(issuer.asked(KEYS), 2);
}

#[tokio::test]
async fn any_number_of_unknown_keys_brings_about_one_fetch() {
    let (stage, issuer, good) = ready(json!({})).await;
    let strangers = (0..200).map(async |number| {
        let token = issuer.token(&format!("x{number}"), "mallory");
        let reply = Client::new(&stage.proxy)
            .bearing(&token)
            .get("/v1/orders")
            .await;
        reply.status
    });

    let statuses = futures_util::future::join_all(strangers).await;

    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(issuer.asked(KEYS), 2);
    assert_eq!(good.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_breaks_down_leaves_its_last_keys() {
    let (stage, issuer, good) = ready(json!({})).await;
    issuer.break_down(true);
    let stranger = Client::new(&stage.proxy).bearing(&issuer.token("k2", "mallory"));

    assert_eq!(stranger.get("/v1/orders").await.status, 401);

    assert_eq!(good.get("/v1/orders").await.status, 200);
    let failed = "tollgate_issuer_keys_fetches_total{issuer=\"login\",result=\"failed\"}";
    assert!(stage.proxy.metric(failed).await.unwrap() >= 1.0);
}

#[tokio::test]
async fn without_keys_the_proxy_says_that_it_is_not_ready_and_finds_them_later() {
    let stage = Stage::new().await;
    let issuer = Issuer::start().await;
    issuer.break_down(true);
    let document = issuer.document(&json!({}));
    stage.store.put(Kind::Issuer, "login", document).await;
    let client = Client::new(&stage.proxy).bearing(&issuer.token("k1", "alice"));
    until("the issuer is known", async || {
        client.get("/v1/orders").await.status == 503
    })
    .await;

    let reply = client.get("/v1/orders").await;

    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(reason(&stage, &reply).await, "issuer_keys_missing");
    let keys = Client::new(&stage.proxy).bearing(&stage.store.token);
    assert_eq!(keys.get("/v1/orders").await.status, 200);
    issuer.break_down(false);
    until("the keys are fetched", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn metadata_of_rfc_8414_does_where_there_is_no_other() {
    let stage = Stage::new().await;
    let issuer = Issuer::start().await;
    issuer.without_openid();
    let document = issuer.document(&json!({}));
    stage.store.put(Kind::Issuer, "login", document).await;
    let client = Client::new(&stage.proxy).bearing(&issuer.token("k1", "alice"));

    until("the issuer's tokens are taken", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stage = Stage::new().await;
    let issuer = Issuer::start().await;
    issuer.redirect(KEYS, &format!("{}/elsewhere", issuer.url));
    let document = issuer.document(&json!({"jwks_url": format!("{}{KEYS}", issuer.url)}));
    stage.store.put(Kind::Issuer, "login", document).await;
    let told = stage
        .proxy
        .logged(|line| line["fault"].as_str().is_some_and(|it| it.contains("302")))
        .await;

    assert_eq!(told["issuer"], "login");
    assert_eq!(issuer.asked("/elsewhere"), 0);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    let stage = Stage::new().await;
    let issuer = Issuer::start().await;
    // The same server by another name.
    let url = issuer.url.replace("127.0.0.1", "localhost");
    let document = issuer.document(&json!({ "url": url }));
    stage.store.put(Kind::Issuer, "login", document).await;

    stage
        .proxy
        .logged(|line| {
            line["fault"]
                .as_str()
                .is_some_and(|it| it.contains("which must be"))
        })
        .await;

    assert_eq!(issuer.asked(KEYS), 0);
}

#[tokio::test]
async fn an_issuer_that_is_gone_opens_nothing() {
    let (stage, _, client) = ready(json!({})).await;
    stage.store.remove(Kind::Issuer, "login").await;

    until("the issuer is gone", async || {
        client.get("/v1/orders").await.status == 401
    })
    .await;
}

#[tokio::test]
async fn a_token_of_a_key_opens_with_a_proof_which_counts_once_and_goes_no_further() {
    let (stage, issuer, client) = ready(json!({})).await;
    let now = tollgate_proxy::clock::Clock::start().now().wall.as_second();
    let claims = json!({
        "iss": issuer.url, "aud": "orders", "sub": "alice", "scope": "everything", "exp": now + 300,
        "cnf": Issuer::binding("c1"),
    });
    let token = Issuer::sign("k1", &claims);
    let url = format!("http://{}/v1/orders", stage.proxy.address);
    let send = async |proof: &str| {
        let plain = Client::new(&stage.proxy);
        let request = plain.request("GET", "/v1/orders?page=2");
        let request = request.header("authorization", format!("DPoP {}", token.expose()));
        plain.send(request.header("dpop", proof)).await
    };
    let proof = Issuer::proof("c1", &token, ("p1", &url));

    let reply = send(&proof).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.echoed("dpop"), Vec::<String>::new());
    assert_eq!(reply.echoed("authorization"), Vec::<String>::new());

    let again = send(&proof).await;
    assert_eq!(again.status, 401);
    assert_eq!(reason(&stage, &again).await, "proof_used");
    let challenge = again.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("DPoP realm=\"tollgate\", error=\"invalid_dpop_proof\""),
        "{challenge}"
    );
    let stolen = send(&Issuer::proof("c2", &token, ("p1", &url))).await;
    assert_eq!(reason(&stage, &stolen).await, "proof_key");
    let bearer = Client::new(&stage.proxy).bearing(&token);
    let bearer = bearer.get("/v1/orders").await;
    assert_eq!(reason(&stage, &bearer).await, "proof_missing");
    assert_eq!(client.get("/v1/orders").await.status, 200);
}
