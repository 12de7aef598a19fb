//! A store in a temporary folder.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_store::backend::{Backend, Expected, Location, open};
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::token::{Verifier, generate};
use tollgate_store::{Environment, KeyId, Name, Namespace, Secret};

pub(crate) const NAMESPACE: &str = "test";

pub(crate) struct Store {
    folder: tempfile::TempDir,
    /// The token of the key `acme`.
    pub(crate) token: Secret,
}

impl Store {
    /// An empty store.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            token: token("acme"),
        }
    }

    /// What `TOLLGATE_STORE` has to be.
    pub(crate) fn location(&self) -> String {
        format!("directory:{}", self.folder.path().display())
    }

    /// The namespace's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(NAMESPACE)
    }

    async fn backend(&self) -> Arc<dyn Backend> {
        let location = Location::Directory(self.folder.path().to_owned());
        let namespace = Namespace::parse(NAMESPACE).unwrap();
        open(&location, &namespace).await.unwrap()
    }

    /// Writes a document, whatever stands there.
    pub(crate) async fn put(&self, kind: Kind, name: &str, spec: Value) {
        let key = document_key(kind, name);
        let document = Document::parse(&key, spec).unwrap();
        let backend = self.backend().await;
        let standing = backend.read(&key).await.unwrap();
        let expected = standing.map_or(Expected::Absent, |entry| {
            Expected::Revision(entry.revision.unwrap())
        });
        backend.write(&document, &expected).await.unwrap();
    }

    /// Removes a document.
    pub(crate) async fn remove(&self, kind: Kind, name: &str) {
        let key = document_key(kind, name);
        let backend = self.backend().await;
        let standing = backend.read(&key).await.unwrap().unwrap();
        let revision = standing.revision.unwrap();
        backend.delete(&key, &revision).await.unwrap();
    }

    /// Writes a key with a token of its own; `more` is added to its `spec`.
    pub(crate) async fn put_key(&self, name: &str, token: &Secret, more: Value) {
        let mut spec = json!({
            "id": key_id(name),
            "scopes": ["everything"],
            "versions": [{
                "version": 1,
                "sha256": Verifier::of(token.expose()),
                "created_at": "2026-01-01T00:00:00Z",
            }],
        });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.put(Kind::Key, name, spec).await;
    }

    /// Lets `acme` everything below `/v1/` of `upstream`.
    pub(crate) async fn fill(&self, upstream: &str) {
        let grants = json!({"grants": [{"path": "/v1/**"}]});
        self.put(Kind::Scope, "everything", grants).await;
        self.put_key("acme", &self.token, json!({})).await;
        self.put(Kind::Upstream, "backend", json!({"targets": [upstream]}))
            .await;
        let route = json!({"proxy": "edge", "path": "/v1/**", "upstream": "backend"});
        self.put(Kind::Route, "all", route).await;
        let listen = json!({"listen": [{"address": "127.0.0.1:0"}]});
        self.put(Kind::Proxy, "edge", listen).await;
    }

    /// The same before several targets; `more` is added to the upstream's `spec`.
    pub(crate) async fn fill_targets<S: AsRef<str>>(&self, targets: &[S], more: Value) {
        let targets: Vec<_> = targets.iter().map(AsRef::as_ref).collect();
        self.fill(targets[0]).await;
        let mut spec = json!({"targets": targets});
        let fields = spec.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        self.put(Kind::Upstream, "backend", spec).await;
    }
}

pub(crate) fn key_id(name: &str) -> KeyId {
    KeyId::derive(
        &Namespace::parse(NAMESPACE).unwrap(),
        &Name::parse(name).unwrap(),
    )
}

pub(crate) fn token(key: &str) -> Secret {
    generate(&Environment::default(), key_id(key)).unwrap()
}

fn document_key(kind: Kind, name: &str) -> DocumentKey {
    DocumentKey {
        kind,
        name: Name::parse(name).unwrap(),
    }
}
