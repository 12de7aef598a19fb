//! A namespace of its own in a stand-in for Secrets Manager, and ways around the store.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tollgate_store::Namespace;
use tollgate_store::backend::{Backend, Location, SecretsManager, open};
use tollgate_store::document::DocumentId;

use crate::conformance::Place;
use crate::fake::{Fake, Limits};

const REGION: &str = "eu-west-1";

/// The namespace, and a client that goes behind the store's back.
pub(super) struct Account {
    pub(super) endpoint: String,
    namespace: Namespace,
    pub(super) client: Client,
}

impl Account {
    pub(super) fn new(endpoint: &str) -> Self {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        let unique = uuid::Uuid::now_v7().simple().to_string();
        Self {
            endpoint: endpoint.to_owned(),
            namespace: Namespace::parse(&format!("t{}", &unique[1..])).unwrap(),
            client: Client::from_conf(config),
        }
    }

    pub(super) async fn open_at(&self, endpoint: &str) -> Arc<dyn Backend> {
        let location = Location::SecretsManager(at(endpoint));
        open(&location, &self.namespace).await.unwrap()
    }

    /// Opens the namespace with other settings.
    pub(super) async fn open_with(
        &self,
        endpoint: &str,
        change: impl FnOnce(&mut SecretsManager),
    ) -> Arc<dyn Backend> {
        let mut settings = at(endpoint);
        change(&mut settings);
        let location = Location::SecretsManager(settings);
        open(&location, &self.namespace).await.unwrap()
    }

    /// Opens the namespace as an apply that declares so many shards.
    pub(super) async fn open_over(&self, endpoint: &str, shards: u8) -> Arc<dyn Backend> {
        self.open_with(endpoint, |settings| settings.shards = Some(shards))
            .await
    }

    /// Lets a shard's secret look as if so many values had been written to it.
    pub(super) async fn age(&self, shard: &str, versions: u32) {
        let mut value: Value = serde_json::from_str(&self.value(shard).await).unwrap();
        value["versions"] = versions.into();
        value["nonce"] = "aged".into();
        self.set(shard, &value.to_string()).await;
    }

    pub(super) fn secret(&self, name: &str) -> String {
        format!("tollgate/{}/{name}", self.namespace)
    }

    /// The names of all secrets of the namespace, without the prefix.
    pub(super) async fn secrets(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut page = None;
        loop {
            let request = self.client.list_secrets().max_results(100);
            let listed = request.set_next_token(page).send().await.unwrap();
            for secret in listed.secret_list.unwrap_or_default() {
                let name = secret.name.unwrap();
                names.extend(name.strip_prefix(&self.secret("")).map(str::to_owned));
            }
            page = listed.next_token;
            if page.is_none() {
                break;
            }
        }
        names.sort();
        names
    }

    pub(super) async fn value(&self, name: &str) -> String {
        let request = self.client.get_secret_value().secret_id(self.secret(name));
        request.send().await.unwrap().secret_string.unwrap()
    }

    pub(super) async fn set(&self, name: &str, text: &str) {
        let request = self.client.put_secret_value().secret_id(self.secret(name));
        request.secret_string(text).send().await.unwrap();
    }

    pub(super) async fn delete(&self, name: &str) {
        let request = self.client.delete_secret().secret_id(self.secret(name));
        let request = request.force_delete_without_recovery(true);
        request.send().await.unwrap();
    }
}

#[async_trait::async_trait]
impl Place for Account {
    async fn open(&self) -> Arc<dyn Backend> {
        self.open_at(&self.endpoint).await
    }

    async fn put(&self, id: DocumentId, json: Value) {
        let shard = shard_of(&id.kind, &id.name);
        if !self.secrets().await.contains(&shard) {
            let request = self.client.create_secret().name(self.secret(&shard));
            let empty = r#"{"format":1,"nonce":"test","documents":[]}"#;
            request.secret_string(empty).send().await.unwrap();
        }
        let mut value: Value = serde_json::from_str(&self.value(&shard).await).unwrap();
        value["documents"].as_array_mut().unwrap().push(json);
        self.set(&shard, &value.to_string()).await;
    }
}

pub(super) fn at(endpoint: &str) -> SecretsManager {
    SecretsManager {
        region: Some(REGION.to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        tags: BTreeMap::from([("team".to_owned(), "platform".to_owned())]),
        ..SecretsManager::default()
    }
}

pub(super) fn shard_of(kind: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{kind}/{name}"));
    format!("shard-{:02}", digest[0] % 16)
}

/// Names of upstreams that one shard holds.
pub(super) fn neighbours(count: usize) -> Vec<String> {
    (100..)
        .map(|number| format!("neighbour-{number}"))
        .filter(|name| shard_of("upstream", name) == "shard-00")
        .take(count)
        .collect()
}

/// Holds a test in the fake, and in LocalStack where there is one.
pub(super) async fn everywhere(test: impl AsyncFn(Account)) {
    if !has_credentials() {
        return;
    }
    test(Account::new(&Fake::start().await.endpoint())).await;
    match std::env::var("TOLLGATE_TEST_LOCALSTACK") {
        Ok(endpoint) => test(Account::new(&endpoint)).await,
        Err(_) => println!(
            "without LocalStack: set TOLLGATE_TEST_LOCALSTACK to the endpoint that acceptance/localstack/start.sh prints"
        ),
    }
}

/// A fake with these limits and a namespace in it; `None` where the test ran in another process.
pub(super) async fn fake(limits: Limits) -> Option<(Fake, Account)> {
    if !has_credentials() {
        return None;
    }
    let fake = Fake::with(limits).await;
    let account = Account::new(&fake.endpoint());
    Some((fake, account))
}

/// Whether the store finds credentials here. Where it would not, this test is run in a process that has some, since
/// no process can safely change its own environment.
fn has_credentials() -> bool {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return true;
    }
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.map(str::to_owned).or_else(|| {
        let mut arguments = std::env::args().skip(1);
        arguments.find(|argument| !argument.starts_with('-'))
    });
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test.unwrap(), "--nocapture"])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    false
}
