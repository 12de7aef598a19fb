//! What upstreams are told of who asks, and shown of the proxy itself.

mod credentials;
mod identity;
mod tokens;

use std::path::PathBuf;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, token, until};

/// A proxy whose upstream declares more, and the folder of its secrets.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
    upstream: Upstream,
    proxy: Process,
    client: Client,
}

impl Scene {
    /// `secrets` are written before the proxy starts; `more` gets the place of a secret by its name.
    async fn new(
        secrets: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
    ) -> Self {
        Self::start(secrets, &[], more).await
    }

    /// The same with environment variables.
    async fn start(
        secrets: &[(&str, &str)],
        variables: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
    ) -> Self {
        let start = async |store: &Store| Process::start_in(store, &[], variables).await;
        Self::around(secrets, more, start).await
    }

    /// The same where a secret is missing.
    async fn lacking(more: impl Fn(&dyn Fn(&str) -> String) -> Value) -> Self {
        let start = async |store: &Store| Process::start_lacking(store, &[]).await;
        Self::around(&[], more, start).await
    }

    async fn around(
        secrets: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
        start: impl AsyncFnOnce(&Store) -> Process,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in secrets {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let place = |name: &str| format!("file:{}", folder.path().join(name).display());
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill_targets(&[upstream.url()], more(&place)).await;
        let proxy = start(&store).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            folder,
            store,
            upstream,
            proxy,
            client,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another secret in a file's place, by a rename.
    fn replace(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// What bears a key of the principal `acme`, which is called like the key that stands alone.
    async fn principal(&self) -> Client {
        let user = token("acme-ci");
        let role = json!({"scopes": ["everything"]});
        self.store.put(Kind::Role, "buyer", role).await;
        let principal = json!({"roles": ["buyer"]});
        self.store.put(Kind::Principal, "acme", principal).await;
        let more = json!({"principal": "acme"});
        self.store.put_key("acme-ci", &user, more).await;
        let client = Client::new(&self.proxy).bearing(&user);
        until("the key is known", async || {
            client.get("/v1/orders").await.status == 200
        })
        .await;
        client
    }

    /// A request's reason in the access log.
    async fn reason(&self, request_id: &str) -> Value {
        let is_it = |line: &Value| line["request_id"] == request_id;
        self.proxy.accessed(is_it).await["reason"].clone()
    }
}
