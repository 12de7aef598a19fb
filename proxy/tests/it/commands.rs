//! The commands beside `serve`.

use std::fs;
use std::process::Output;

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Process, Store, Upstream, run_command};

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

async fn filled() -> Store {
    let store = Store::new();
    store.fill("http://127.0.0.1:9").await;
    store
}

#[tokio::test]
async fn a_good_namespace_passes_the_check() {
    let store = filled().await;

    let output = run_command(&store, &["check"]);

    let (told, complaint) = texts(&output);
    assert_eq!((output.status.code(), complaint.as_str()), (Some(0), ""));
    assert!(told.contains(" documents, 1 keys, 1 routes\n"), "{told}");
}

#[tokio::test]
async fn a_check_names_every_document_that_is_left_out_and_why() {
    let store = filled().await;
    store
        .put(Kind::Role, "buyer", json!({"scopes": ["no:such"]}))
        .await;
    let broken = store.path().join("scope").join("broken.json");
    fs::write(broken, "{]").unwrap();

    let output = run_command(&store, &["check"]);

    let (told, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(complaint, "tollgate-proxy: 2 documents are left out\n");
    for expected in [
        "\nrole \"buyer\" is left out: ",
        "\nscope \"broken\" is left out: ",
    ] {
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_check_and_the_log_tell_what_is_hardly_meant_and_serve_it() {
    let store = filled().await;
    let quota = json!({
        "limits": [{"requests": 3, "per": "1m"}],
        "overrides": {"acmee": {"limits": [{"requests": 100, "per": "1m"}]}},
    });
    store.put(Kind::Quota, "free", quota).await;
    let edge = json!({"listen": [{"address": "127.0.0.1:0"}], "fleet": {"size": 4}});
    store.put(Kind::Proxy, "edge", edge).await;

    let output = run_command(&store, &["check"]);
    let (told, complaint) = texts(&output);
    assert_eq!((output.status.code(), complaint.as_str()), (Some(0), ""));
    let stranger = "has an override for principal \"acmee\", which does not exist";
    let small = "allows 3 requests per 1m, fewer than the fleet's 4 processes";
    for expected in [stranger, small] {
        let line = format!("\nwarning: quota \"free\" {expected}");
        assert!(told.contains(&line), "{told}");
    }

    let proxy = Process::start(&store, &[]).await;
    for expected in [stranger, small] {
        let says = |line: &serde_json::Value| {
            let says = line["says"].as_str().unwrap_or_default();
            says.starts_with(expected)
        };
        assert_eq!(proxy.logged(says).await["level"], "WARN");
    }
}

#[tokio::test]
async fn a_check_for_a_proxy_that_nobody_declared_fails() {
    let store = filled().await;

    let output = run_command(&store, &["check", "--proxy", "typo"]);

    let (_, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        complaint.contains("there is no proxy \"typo\" in the namespace"),
        "{complaint}"
    );
}

#[test]
fn a_check_of_an_empty_store_and_of_bad_settings_says_so() {
    let store = Store::new();
    for (arguments, status) in [(vec!["check"], 69), (vec!["check", "--poll", "1ms"], 78)] {
        let output = run_command(&store, &arguments);
        let (told, complaint) = texts(&output);
        assert_eq!(output.status.code(), Some(status), "{complaint}");
        assert_eq!(told, "");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[tokio::test]
async fn a_health_check_tells_alive_from_ready() {
    let upstream = Upstream::start().await;
    let (full, empty) = (Store::new(), Store::new());
    full.fill(&upstream.url()).await;
    let ready = Process::start(&full, &[]).await;
    let waiting = Process::start_unready(&empty, &[]).await;
    let check = |process: &Process, more: &[&str]| {
        let admin = process.admin.to_string();
        let mut arguments = vec!["healthcheck", "--admin", &admin];
        arguments.extend(more);
        run_command(&full, &arguments)
    };

    for (process, more, status) in [
        (&ready, vec![], 0),
        (&ready, vec!["--ready"], 0),
        (&waiting, vec![], 0),
        (&waiting, vec!["--ready"], 1),
    ] {
        let output = check(process, &more);
        let (told, complaint) = texts(&output);
        assert_eq!(output.status.code(), Some(status), "{complaint}");
        assert_eq!((told.as_str(), complaint.is_empty()), ("", status == 0));
        if status == 1 {
            assert!(complaint.contains("/readyz answered 503: {"), "{complaint}");
        }
    }
}

#[test]
fn a_health_check_of_nobody_fails_in_one_line() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);

    let output = run_command(&Store::new(), &["healthcheck", "--admin", &address]);

    let (_, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint.starts_with(&format!("tollgate-proxy: http://{address}/healthz: "))
            && complaint.lines().count() == 1,
        "{complaint}"
    );
}
