//! What can't be reached or used is told within the time that a person would wait.

use std::process::Command;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tollgate_store::Namespace;
use tollgate_store::backend::{Depth, Location, SecretsManager, StoreError, open};

use super::account::at;

/// Runs a test once more in a process whose environment holds nothing of AWS but what is given; `true` in there.
fn in_own_process(test: &str, environment: &[(&str, &str)]) -> bool {
    const MARK: &str = "TOLLGATE_TEST_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("aws::connection::{test}"),
        "--nocapture",
    ]);
    let output = command
        .env_clear()
        .env("HOME", "/nonexistent")
        .env(MARK, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    false
}

/// What a poll says, within the time that a person would wait for.
async fn poll_error(settings: SecretsManager) -> StoreError {
    let namespace = Namespace::parse("prod").unwrap();
    let location = Location::SecretsManager(settings);
    let backend = open(&location, &namespace).await.unwrap();
    let poll = backend.poll(None, Depth::Signal);
    let poll = timeout(Duration::from_secs(10), poll).await.unwrap();
    poll.unwrap_err()
}

const SOME_CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

#[tokio::test]
async fn an_endpoint_that_refuses_is_named() {
    if in_own_process("an_endpoint_that_refuses_is_named", &SOME_CREDENTIALS) {
        let error = poll_error(at("http://127.0.0.1:1")).await;

        let text = error.to_string();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{text}");
        assert!(
            text.contains("refused") && text.contains("endpoint_url"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_silent_is_given_up() {
    if in_own_process("an_endpoint_that_is_silent_is_given_up", &SOME_CREDENTIALS) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());

        let error = poll_error(at(&endpoint)).await;

        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn missing_credentials_are_told_with_a_remedy() {
    if in_own_process("missing_credentials_are_told_with_a_remedy", &[]) {
        let error = poll_error(at("http://127.0.0.1:1")).await;

        let text = error.to_string();
        assert!(matches!(error, StoreError::NoCredentials { .. }), "{text}");
        assert!(text.contains("AWS_PROFILE"), "{text}");
    }
}

#[tokio::test]
async fn a_missing_region_is_told_with_a_remedy() {
    let environment = [
        &SOME_CREDENTIALS[..],
        &[("AWS_EC2_METADATA_DISABLED", "true")],
    ]
    .concat();
    if in_own_process("a_missing_region_is_told_with_a_remedy", &environment) {
        let error = poll_error(SecretsManager::default()).await;

        assert!(error.to_string().contains("AWS_REGION"), "{error}");
    }
}

#[tokio::test]
async fn a_metadata_service_that_is_silent_does_not_hold_the_answer_back() {
    // Where a laptop's network swallows what is sent to the metadata service of a cloud.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let test = "a_metadata_service_that_is_silent_does_not_hold_the_answer_back";
    if in_own_process(test, &environment) {
        let error = poll_error(at("http://127.0.0.1:1")).await;

        assert!(matches!(error, StoreError::NoCredentials { .. }), "{error}");
    }
}
