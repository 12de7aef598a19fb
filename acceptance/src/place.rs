//! Where a run keeps its documents: a folder, or Secrets Manager as LocalStack speaks it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tollgate_store::backend::{Backend, Location, SecretsManager, StoreError, open};
use tollgate_store::{Namespace, Secret};

use crate::{Browser, Failure};

const ENDPOINT_VARIABLE: &str = "TOLLGATE_TEST_LOCALSTACK";
const REGION: &str = "eu-west-1";
const LISTED_MAX: u32 = 100;
const PAGES_MAX: u32 = 1_000;

/// Where a run keeps its documents.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder of the embedded store.
    Directory(PathBuf),
    /// Secrets Manager.
    LocalStack(LocalStack),
}

/// Secrets Manager on LocalStack, with a namespace that nobody else uses.
#[derive(Debug, Clone)]
pub struct LocalStack {
    endpoint: String,
    browser: Browser,
}

impl Place {
    /// The running LocalStack; the failure says how to start one.
    pub fn localstack() -> Result<Self, Failure> {
        LocalStack::find().map(Self::LocalStack)
    }

    /// What tells terraform's provider and the proxy about the place.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self {
            Self::Directory(folder) => vec![set(
                "TOLLGATE_STORE",
                &format!("directory:{}", folder.display()),
            )],
            Self::LocalStack(localstack) => vec![
                set("TOLLGATE_STORE", "secretsmanager"),
                set("AWS_ENDPOINT_URL", &localstack.endpoint),
                set("AWS_REGION", REGION),
                set("AWS_ACCESS_KEY_ID", "test"),
                set("AWS_SECRET_ACCESS_KEY", "test"),
                set("AWS_EC2_METADATA_DISABLED", "true"),
            ],
        }
    }

    /// Reads a client's token, as the client does.
    pub fn token(&self, secret_id: &str) -> Result<Secret, Failure> {
        match self {
            Self::Directory(_) => std::fs::read_to_string(secret_id)
                .map(|text| Secret::new(text.trim_end().to_owned()))
                .map_err(Failure::file(secret_id)),
            Self::LocalStack(localstack) => {
                let secret =
                    localstack.call("GetSecretValue", &json!({ "SecretId": secret_id }))?;
                let text = secret
                    .get("SecretString")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                Ok(Secret::new(text.to_owned()))
            }
        }
    }

    /// Opens the store, to change documents behind terraform's back.
    pub async fn open(&self, namespace: &Namespace) -> Result<Arc<dyn Backend>, StoreError> {
        let location = match self {
            Self::Directory(folder) => Location::Directory(folder.clone()),
            Self::LocalStack(localstack) => Location::SecretsManager(SecretsManager {
                endpoint_url: Some(localstack.endpoint.clone()),
                region: Some(REGION.to_owned()),
                ..SecretsManager::default()
            }),
        };
        open(&location, namespace).await
    }

    /// Every token, or page of tokens, that is kept, and where. Of Secrets Manager, which is everybody's, those of one
    /// namespace only.
    pub(crate) fn tokens(&self, namespace: Option<&str>) -> Result<Vec<(String, Secret)>, Failure> {
        match self {
            Self::Directory(folder) => Ok(token_files(folder)
                .into_iter()
                .filter_map(|path| {
                    // One that is gone by now was written by somebody else, who watches too.
                    let text = std::fs::read_to_string(&path).ok()?;
                    Some((path.display().to_string(), Secret::new(text)))
                })
                .collect()),
            Self::LocalStack(localstack) => {
                let Some(namespace) = namespace else {
                    return Ok(Vec::new());
                };
                let names = localstack.secrets(&format!("tollgate/{namespace}/token"))?;
                let kept = names.into_iter().filter_map(|name| {
                    let token = self.token(&name).ok()?;
                    Some((name, token))
                });
                Ok(kept.collect())
            }
        }
    }

    /// What is left of a namespace: files, or secrets' names.
    pub fn leftovers(&self, namespace: &Namespace) -> Result<Vec<String>, Failure> {
        match self {
            Self::Directory(folder) => {
                let namespace = folder.join(namespace.as_str());
                Ok(namespace
                    .exists()
                    .then(|| namespace.display().to_string())
                    .into_iter()
                    .collect())
            }
            Self::LocalStack(localstack) => localstack.secrets(&format!("tollgate/{namespace}/")),
        }
    }
}

fn token_files(store: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| folder.read_dir().into_iter().flatten().flatten();
    entries(store.to_owned())
        .flat_map(|namespace| ["token", "tokens"].map(|folder| namespace.path().join(folder)))
        .flat_map(entries)
        .map(|token| token.path())
        .collect()
}

impl LocalStack {
    /// The running one; the failure says how to start one.
    pub fn find() -> Result<Self, Failure> {
        let endpoint = std::env::var(ENDPOINT_VARIABLE).map_err(|_| Failure::Missing {
            program: "LocalStack".to_owned(),
            remedy: format!(
                "run `make testacc`, which installs and starts it, or start one with acceptance/localstack/start.sh and \
                 set {ENDPOINT_VARIABLE} to its endpoint"
            ),
        })?;
        Ok(Self::at(endpoint))
    }

    /// What answers at an endpoint, like `http://127.0.0.1:4566`.
    #[must_use]
    pub fn at(endpoint: String) -> Self {
        Self {
            endpoint,
            browser: Browser::new(),
        }
    }

    /// Where it listens, like `127.0.0.1:4566`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.endpoint
            .trim_start_matches("http://")
            .trim_end_matches('/')
    }

    /// Its version, as its health page tells.
    pub fn version(&self) -> Result<String, Failure> {
        let health = self
            .browser
            .fetch(&format!("{}/_localstack/health", self.endpoint), None)?
            .json();
        let version = health.get("version").and_then(Value::as_str);
        Ok(version.unwrap_or("unknown").to_owned())
    }

    /// Calls Secrets Manager. LocalStack does not check signatures, but reads the region from one.
    pub fn call(&self, action: &str, body: &Value) -> Result<Value, Failure> {
        let target = format!("secretsmanager.{action}");
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("X-Amz-Target", target.as_str()),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Authorization", signature.as_str()),
        ];
        let answer = self
            .browser
            .send(&self.endpoint, &headers, &body.to_string())?;
        if answer.status == 200 {
            return Ok(answer.json());
        }
        Err(Failure::Unexpected {
            what: target,
            expected: "200".to_owned(),
            got: format!("{answer}: {}", answer.body),
        })
    }

    /// The names of the secrets that start with `prefix`.
    pub fn secrets(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut next = Value::Null;
        for _ in 0..PAGES_MAX {
            let mut filter = json!({ "MaxResults": LISTED_MAX, "Filters": [{ "Key": "name", "Values": [prefix] }] });
            if let (Value::String(_), Some(filter)) = (&next, filter.as_object_mut()) {
                filter.insert("NextToken".to_owned(), next);
            }
            let listed = self.call("ListSecrets", &filter)?;
            let secrets = listed.get("SecretList").and_then(Value::as_array);
            let name = |secret: &Value| Some(secret.get("Name")?.as_str()?.to_owned());
            names.extend(secrets.into_iter().flatten().filter_map(name));
            next = listed.get("NextToken").cloned().unwrap_or_default();
            if next.is_null() {
                return Ok(names);
            }
        }
        Err(Failure::Unexpected {
            what: format!("the secrets {prefix}*"),
            expected: format!("at most {}", PAGES_MAX * LISTED_MAX),
            got: "more".to_owned(),
        })
    }

    /// Removes the secrets whose names start with `prefix`, for good.
    pub fn remove_secrets(&self, prefix: &str) -> Result<(), Failure> {
        for name in self.secrets(prefix)? {
            let removal = json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true });
            self.call("DeleteSecret", &removal)?;
        }
        Ok(())
    }
}

/// A namespace that no other test of this machine uses.
pub fn fresh_namespace(purpose: &str) -> Result<Namespace, Failure> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text = format!("{purpose}-{}-{count}", std::process::id());
    Namespace::parse(&text).map_err(|problem| Failure::Unexpected {
        what: text,
        expected: "a namespace".to_owned(),
        got: problem,
    })
}
