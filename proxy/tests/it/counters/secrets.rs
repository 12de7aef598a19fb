//! A password that is in Secrets Manager.

use super::*;
use crate::support::{Secrets, run_command};

const PASSWORD: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:counters-AbCdEf";

#[tokio::test]
async fn a_password_comes_from_a_secret_and_is_replaced_without_a_restart() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret-one"]);
    let secrets = Secrets::start().await;
    secrets.put(PASSWORD, "s3cret-none");
    let declared = json!({"url": server.url(), "password": PASSWORD});
    let endpoint = secrets.endpoint.clone();
    let variables = [
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let fleet = Fleet::start_in(1, (declared, per_hour(3)), &variables).await;
    let refused = |line: &Value| {
        let message = line["message"].as_str().unwrap();
        message.contains("can't be reached")
    };
    fleet.proxies[0].logged(refused).await;

    secrets.put(PASSWORD, "s3cret-one\n");
    fleet.all_are(1.0).await;
    assert_eq!(fleet.client(0).get("/v1/orders").await.status, 200);

    // Rotated: whoever connects from now on needs the new one.
    let ask = async |words: &[&str]| {
        let url = server.url().replace("redis://", "redis://:s3cret-one@");
        RedisServer::ask_at::<()>(&url, words).await;
    };
    secrets.put(PASSWORD, "s3cret-two");
    ask(&["CONFIG", "SET", "requirepass", "s3cret-two"]).await;
    let url = server.url().replace("redis://", "redis://:s3cret-two@");
    let () =
        RedisServer::ask_at(&url, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    until("the limit is counted on", async || {
        let _ = fleet.client(0).get("/v1/orders").await;
        fleet.client(0).get("/v1/orders").await.status == 429
            && fleet.proxies[0].metric(UP).await == Some(1.0)
    })
    .await;
    assert!(!fleet.proxies[0].output().contains("s3cret"));
}

#[tokio::test]
async fn a_password_that_cant_be_used_is_counted_and_named_and_found_by_a_check() {
    let server = RedisServer::start();
    let missing = "file:/nowhere/counters-password";
    let fleet = Fleet::start(1, counters(&server), per_hour(3)).await;
    let listen = json!([{"address": "127.0.0.1:0"}]);
    let declared = json!({"url": server.url(), "password": missing});
    let edge = json!({"listen": listen, "counters": declared});
    fleet.store.put(Kind::Proxy, "edge", edge).await;
    until("it is counted and named", async || {
        let (_, page) = fleet.proxies[0].get("/documents").await;
        let failed = fleet.proxies[0].metric("tollgate_materials_failed").await;
        failed == Some(1.0) && page.contains(missing)
    })
    .await;

    let Fleet { store, .. } = fleet;
    let output = tokio::task::spawn_blocking(move || run_command(&store, &["check"]));
    let text = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let line = format!("{missing} can't be read: No such file or directory");
    assert!(text.contains(&line), "{text}");
}
