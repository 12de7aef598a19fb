//! Tokens of issuers, as clients, upstreams and operators meet them.

use std::sync::atomic::Ordering;

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
    let elsewhere = Client::new(&stage.proxy);
    let url = format!("http://{}/v2/orders", stage.proxy.address);
    let request = elsewhere.request("GET", "/v2/orders");
    let request = request.header("authorization", format!("DPoP {}", token.expose()));
    let request = request.header("dpop", Issuer::proof("c1", &token, ("p2", &url)));
    let lacking = elsewhere.send(request).await;
    assert_eq!(lacking.status, 403);
    let challenge = lacking.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("DPoP realm=\"tollgate\", error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert_eq!(client.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_and_reaches_no_upstream_and_no_log() {
    let (stage, issuer, client) = ready(json!({})).await;
    let token = issuer.token("k1", "alice");
    let token = token.expose();
    let before = stage.upstream.gate.requests.load(Ordering::SeqCst);
    for query in [
        format!("access_token={token}"),
        format!("page=2&state={token}"),
        format!("state={}", token.replace('.', "%2E")),
        format!("api_key={}", stage.store.token.expose()),
        "Api-Key=whatever".to_owned(),
    ] {
        let reply = client.get(&format!("/v1/orders?{query}")).await;
        assert_eq!(reply.status, 400, "{}", query.replace(token, "TOKEN"));
        assert_eq!(reason(&stage, &reply).await, "credential_in_query");
        assert!(!reply.text().contains(token));
    }
    let in_path = client.get(&format!("/v1/{token}")).await;
    assert_eq!(reason(&stage, &in_path).await, "credential_in_query");
    assert_eq!(stage.upstream.gate.requests.load(Ordering::SeqCst), before);
    let output = stage.proxy.output();
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!output.contains(signature) && !output.contains(stage.store.token.expose()));

    // An upstream's own links are its own.
    let claims = json!({"iss": "https://links.test", "sub": "download"});
    let link = Issuer::sign("k9", &claims);
    let reply = client.get(&format!("/v1/orders?t={}", link.expose())).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn keys_of_no_use_leave_the_last_good_ones_and_are_told() {
    let large = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(1024 * 1024));
    let twice = r#"{"keys": [], "keys": []}"#.to_owned();
    let shared = r#"{"keys": [{"kty": "oct", "alg": "HS256", "kid": "k1", "k": "c2VjcmV0"}]}"#;
    let cases = [
        ("garbage \0".to_owned(), "no JSON"),
        ("<html><body>Down</body></html>".to_owned(), "no JSON"),
        (large, "1 MiB"),
        (twice, "no JSON that has one reading"),
        (shared.to_owned(), "no key that verifies signatures"),
    ];
    let kept = cases.map(async |(keys, expected)| {
        let (stage, issuer, good) = ready(json!({})).await;
        issuer.publish_text(&keys);
        let stranger = Client::new(&stage.proxy).bearing(&issuer.token("k2", "mallory"));
        assert_eq!(stranger.get("/v1/orders").await.status, 401);

        let told = stage.proxy.logged(|line| line["fault"].is_string()).await;
        let fault = told["fault"].as_str().unwrap();
        assert!(fault.contains(expected), "{expected}: {fault}");
        assert_eq!(told["is_served"], true);
        assert_eq!(good.get("/v1/orders").await.status, 200, "{expected}");
    });
    futures_util::future::join_all(kept).await;
}

#[tokio::test]
async fn of_two_keys_of_one_name_either_verifies_and_a_shared_secret_among_them_never_does() {
    let (stage, issuer, _) = ready(json!({})).await;
    let mut keys: Value = serde_json::from_str(&Issuer::jwks(&["k1", "k2"])).unwrap();
    keys["keys"][1]["kid"] = json!("k1");
    let secret = json!({"kty": "oct", "alg": "HS256", "kid": "h1", "k": "c2VjcmV0"});
    keys["keys"].as_array_mut().unwrap().push(secret);
    issuer.publish_text(&keys.to_string());
    let status = async |token| {
        let client = Client::new(&stage.proxy).bearing(&token);
        client.get("/v1/orders").await.status
    };

    assert_eq!(status(issuer.token("k3", "mallory")).await, 401);
    assert_eq!(issuer.asked(KEYS), 2, "the new set is fetched");
    let second = issuer.token_named(("k1", "k2"), "alice");
    assert_eq!(status(second).await, 200);
    assert_eq!(status(issuer.token("k1", "alice")).await, 200);
    let forged = issuer.token_named(("h1", "secret"), "alice");
    assert_eq!(status(forged).await, 401);
}

#[tokio::test]
async fn keys_may_be_on_another_host_than_the_issuer() {
    let (stage, issuer) = (Stage::new().await, Issuer::start().await);
    let elsewhere = issuer.url.replace("127.0.0.1", "localhost");
    issuer.name_keys_at(&format!("{elsewhere}{KEYS}"));
    let document = issuer.document(&json!({}));
    stage.store.put(Kind::Issuer, "login", document).await;
    let client = Client::new(&stage.proxy).bearing(&issuer.token("k1", "alice"));

    until("its tokens are good", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn who_comes_without_a_credential_is_told_of_proofs_where_tokens_must_be_bound() {
    let (stage, _) = stage(json!({"require_binding": true})).await;
    let stranger = Client::new(&stage.proxy);
    let schemes = async || {
        let reply = stranger.get("/v1/orders").await;
        let challenges = reply.headers.get_all("www-authenticate").iter();
        let scheme = |value: &http::HeaderValue| {
            let text = value.to_str().unwrap();
            text.split(' ').next().unwrap().to_owned()
        };
        challenges.map(scheme).collect::<Vec<_>>()
    };

    until("the issuer is known", async || {
        schemes().await == ["Bearer", "DPoP"]
    })
    .await;
}
