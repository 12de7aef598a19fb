//! A store in AWS Secrets Manager.
//!
//! ```text
//! tollgate/<namespace>/index          its tags shard-00..15 change with every write of that shard: the cheap signal
//! tollgate/<namespace>/shard-00..15   the documents whose key hashes there, as JSON
//! tollgate/<namespace>/token/<key id> one client's token
//! ```
//!
//! Secrets Manager bills by secret and by call, so that thousands of documents share 16 secrets, one call tells that
//! nothing changed, and writes that wait for the same shard go out together.
//!
//! # Why two writers lose nothing
//!
//! A shard is replaced only where the version that was read is still the current one: see [`secrets::Secrets::swap`].
//! The loser reads again and applies its change to what now stands, so that another document's change is kept and
//! the same document's is a conflict.
//!
//! # Why removing a shard loses nothing
//!
//! Secrets Manager can't delete a secret on the condition that nobody wrote to it. So the write that removes the last
//! document closes the shard: the value says `closed`, and nobody ever writes to that secret again. From then on
//! anybody may delete it, at any time and more than once, without regard to clocks: it is named by its ARN, and the
//! secret that the next writer makes under the same name has another one. So a writer who finds a closed shard deletes
//! it and makes a new one, whether its closer is slow or has crashed.
//!
//! The index has no such step, because it can be made from the shards: who removes it looks for shards once more
//! afterwards, a writer whose tag finds no index makes one, and a reader who finds none asks for all the shards.

mod commit;
mod connection;
mod failure;
mod index;
mod layout;
mod patience;
mod poll;
mod secrets;
mod shard;
mod slot;
mod token;

use std::sync::Arc;

use async_trait::async_trait;

use self::index::Index;
use self::layout::{Names, ShardNumber};
use self::secrets::Secrets;
use self::shard::Edit;
use self::slot::{Seen, Slot};
use super::standing::draw_revision;
use super::{
    Backend, Change, Cursor, Depth, Expected, KeptToken, Load, SecretsManager, StoreError,
    TokenOwner, TokenPlace,
};
use crate::document::{DocumentKey, Entry, Revision};
use crate::{Namespace, Secret};

/// One namespace in Secrets Manager.
#[derive(Debug)]
pub(super) struct Aws {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    namespace: Namespace,
    names: Names,
    secrets: Secrets,
    index: Index,
    slots: Vec<Slot>,
}

/// Where the SDK finds an endpoint that is not AWS's own, the more telling first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];

impl Aws {
    /// The namespace; nothing is called yet.
    pub(super) fn new(
        settings: &SecretsManager,
        namespace: &Namespace,
    ) -> Result<Self, StoreError> {
        let place = place(settings, namespace);
        let names = Names::new(namespace);
        let store = Store {
            secrets: Secrets::new(settings, &place)?,
            index: Index::new(&names, namespace.as_str()),
            slots: ShardNumber::all().map(|_| Slot::default()).collect(),
            namespace: namespace.clone(),
            names,
        };
        Ok(Self {
            store: Arc::new(store),
        })
    }
}

/// Which Secrets Manager it is, as far as it can be told without a call.
fn place(settings: &SecretsManager, namespace: &Namespace) -> String {
    let from_environment = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let endpoint = settings.endpoint_url.clone().or_else(|| {
        ENDPOINT_VARIABLES
            .iter()
            .find_map(|name| from_environment(name))
    });
    let region = settings.region.iter().map(|region| format!(" in {region}"));
    let endpoint = endpoint.iter().map(|endpoint| format!(" at {endpoint}"));
    let details: String = region.chain(endpoint).collect();
    format!(
        "Secrets Manager{details}, namespace {:?}",
        namespace.as_str()
    )
}

impl Store {
    fn place(&self) -> &str {
        self.secrets.place()
    }

    fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    fn slot(&self, number: ShardNumber) -> Result<&Slot, StoreError> {
        // There is one for every number.
        self.slots
            .get(number.position())
            .ok_or_else(|| self.corrupt(&self.names.shard(number), "no such shard".to_owned()))
    }

    async fn make(self: &Arc<Self>, change: Change) -> Result<Option<Revision>, StoreError> {
        match change {
            Change::Write { document, expected } => {
                let revision = draw_revision(|| self.place().to_owned())?;
                let edit = Edit::Write {
                    json: Entry::json(&document, &revision),
                    revision: revision.clone(),
                    expected,
                };
                self.change(document.key(), edit).await?;
                Ok(Some(revision))
            }
            Change::Delete { key, expected } => {
                self.change(key, Edit::Delete { expected }).await?;
                Ok(None)
            }
        }
    }

    /// Reads one shard, once for all who ask at about the same time.
    async fn seen(&self, number: ShardNumber) -> Result<Seen, StoreError> {
        let slot = self.slot(number)?;
        if let Some(seen) = slot.fresh() {
            return Ok(seen);
        }
        let _turn = slot.turn.lock().await;
        if let Some(seen) = slot.fresh() {
            return Ok(seen);
        }
        let lessons = slot.lessons();
        let value = self.secrets.value(&self.names.shard(number)).await?;
        let seen = Seen::of(value.as_ref());
        slot.learn(seen.clone(), lessons);
        Ok(seen)
    }

    fn corrupt(&self, secret: &str, cause: String) -> StoreError {
        StoreError::Corrupt {
            place: self.place().to_owned(),
            item: format!("secret {secret}"),
            cause,
            remedy:
                "write an earlier version's value back with `aws secretsmanager put-secret-value`"
                    .to_owned(),
        }
    }
}

#[async_trait]
impl Backend for Aws {
    fn place(&self) -> String {
        self.store.place().to_owned()
    }

    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError> {
        self.store.poll(since, depth).await
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        let number = ShardNumber::of(key);
        match self.store.seen(number).await? {
            Seen::Absent => Ok(None),
            Seen::Shard { shard, .. } => Ok(shard.entry(key)),
            // "There is none" would have Terraform make it again.
            Seen::Corrupt { cause, .. } => {
                let secret = self.store.names.shard(number);
                Err(self.store.corrupt(&secret, cause))
            }
        }
    }

    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for number in ShardNumber::all() {
            match self.store.seen(number).await? {
                Seen::Absent => {}
                Seen::Shard { shard, .. } => entries.extend(shard.entries()),
                Seen::Corrupt { cause, .. } => {
                    let secret = self.store.names.shard(number);
                    return Err(self.store.corrupt(&secret, cause));
                }
            }
        }
        Ok(entries)
    }

    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>> {
        let made = changes.into_iter().map(|change| self.store.make(change));
        futures_util::future::join_all(made).await
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        self.store.write_token(owner, token, expected).await
    }

    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError> {
        self.store.read_token(owner).await
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        self.store.token_place(owner).await
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.store.delete_token(owner).await
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        let Store {
            index,
            secrets,
            names,
            ..
        } = &*self.store;
        index.remove_unused(secrets, names).await
    }
}
