//! The words of the access log, and the page that explains them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Client, Stage, token, until};

const PAGE: &str = include_str!("../../../docs/guides/reason-codes.md");
/// Words of connections, not of requests: they are in no line of the access log.
const NOT_OF_REQUESTS: &str = "cut.rs";

#[test]
fn every_reason_has_a_line_in_the_page_and_every_line_a_reason() {
    let documented = documented();
    let written = written();

    assert!(written.len() > 50, "the sources were read: {written:?}");
    let missing: Vec<_> = written.difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "docs/guides/reason-codes.md lacks {missing:?}"
    );
    let gone: Vec<_> = documented.difference(&written).collect();
    assert!(
        gone.is_empty(),
        "docs/guides/reason-codes.md explains {gone:?}, which nothing says"
    );
}

#[test]
fn every_reason_says_what_it_means_and_what_to_do() {
    for row in rows() {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

#[tokio::test]
async fn unknown_wrong_expired_disabled_and_removed_keys_look_the_same_outside_and_differ_in_the_log()
 {
    let stage = Stage::new().await;
    let keys = [
        (
            "expired",
            "credential_expired",
            json!({"expires_at": "2026-02-01T00:00:00Z"}),
        ),
        ("disabled", "credential_disabled", json!({"enabled": false})),
        (
            "early",
            "credential_not_yet_valid",
            json!({"not_before": "2999-01-01T00:00:00Z"}),
        ),
        (
            "elsewhere",
            "credential_address",
            json!({"allowed_cidrs": ["192.0.2.0/24"]}),
        ),
    ];
    let mut expected = vec![
        (token("nobody"), "credential_unknown"),
        // Of the right key, but another token: as one that was rotated out.
        (token("acme"), "credential_wrong"),
    ];
    for (name, reason, more) in keys {
        let token = token(name);
        stage.store.put_key(name, &token, more).await;
        expected.push((token, reason));
    }
    let last = token("last");
    stage.store.put_key("last", &last, json!({})).await;
    let client = Client::new(&stage.proxy).bearing(&last);
    until("the keys are known", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;

    let mut answers = BTreeSet::new();
    for (token, reason) in &expected {
        answers.insert(refused(&stage, token, reason).await);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn refused(stage: &Stage, token: &tollgate_store::Secret, reason: &str) -> String {
    let reply = Client::new(&stage.proxy)
        .bearing(token)
        .get("/v1/orders")
        .await;
    let request_id = reply.header("x-request-id").unwrap().to_owned();
    let line = stage
        .proxy
        .accessed(|line| line["request_id"] == request_id.as_str())
        .await;
    assert_eq!(line["reason"], reason);
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let text = reply.text().replace(&request_id, "ID");
    format!("{} {headers:?} {text}", reply.status)
}

/// The words in the first column of the page's tables.
fn documented() -> BTreeSet<String> {
    let words = rows().map(|row| row.split('`').nth(1).unwrap().to_owned());
    let words: Vec<_> = words.collect();
    let set: BTreeSet<_> = words.iter().cloned().collect();
    assert_eq!(set.len(), words.len(), "a word has one line");
    set
}

fn rows() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter(|line| line.starts_with("| `"))
}

/// The words that the sources of the engine and the proxy give: what a function `code` returns, and constants beside
/// what writes a reason down.
fn written() -> BTreeSet<String> {
    let proxy = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&proxy.join("src"), &mut files);
    sources(&proxy.join("../gate/src"), &mut files);
    files
        .iter()
        .filter(|path| !path.ends_with(NOT_OF_REQUESTS) && !path.ends_with("tests.rs"))
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            [returned_by_code(&text), constants(&text)].concat()
        })
        .filter(|word| word != "allowed")
        .collect()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn returned_by_code(text: &str) -> Vec<String> {
    let functions = text.split("fn code(").skip(1);
    functions
        .filter_map(|function| function.split("\n    }\n").next())
        .flat_map(|body| body.lines())
        .filter_map(|line| line.split("=> \"").nth(1)?.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}

/// `const CLIENT_CLOSED: &str = "client_closed";`: words that are named as they read, or as their end does.
fn constants(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("const "))
        .filter_map(|line| line.split_once(": &str = \""))
        .filter_map(|(name, rest)| Some((name, rest.strip_suffix("\";")?)))
        .filter(|(name, word)| word.contains('_') && word.to_ascii_uppercase().ends_with(name))
        .map(|(_, word)| word.to_owned())
        .collect()
}
