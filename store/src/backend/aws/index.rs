//! The index: one secret whose tags tell which shards changed. One call reads them all, and setting one makes no
//! version.
//!
//! It holds nothing that the shards do not tell: losing it costs its readers a larger call, and the next writer makes
//! it anew.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::layout::{Names, SHARD_TAG, ShardNumber};
use super::patience::Patience;
use super::secrets::{NewSecret, Secrets, Value, Written};
use super::shard::{Shard, check_format};
use crate::backend::StoreError;

/// How long the name of a removed index may stay taken.
const LEAVING_MAX: Duration = Duration::from_secs(20);

/// Every shard's tag on the index.
pub(super) type Tags = BTreeMap<String, String>;

/// One namespace's index.
#[derive(Debug)]
pub(super) struct Index {
    name: String,
    value: String,
    namespace: String,
    checked: OnceCell<()>,
}

impl Index {
    /// The index of the namespace; nothing is called yet.
    pub(super) fn new(names: &Names, namespace: &str) -> Self {
        Self {
            name: names.index(),
            value: names.index_value(),
            namespace: namespace.to_owned(),
            checked: OnceCell::new(),
        }
    }

    /// The secret's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The shards' tags; `None` where there is no index.
    pub(super) async fn tags(&self, secrets: &Secrets) -> Result<Option<Tags>, StoreError> {
        let description = secrets.describe(&self.name).await?;
        Ok(description.map(|description| {
            let mut tags = description.tags;
            tags.retain(|key, _| key.starts_with(SHARD_TAG));
            tags
        }))
    }

    /// Makes sure, once a process, that there is an index and that this build may write what it tells of.
    ///
    /// Before the first document is written: who may not create it shall hear so while nothing is done yet.
    pub(super) async fn ensure(&self, secrets: &Secrets) -> Result<(), StoreError> {
        let check = async || match secrets.value(&self.name).await? {
            Some(value) => self.check(secrets, &value),
            None => self.create(secrets, Vec::new()).await,
        };
        self.checked.get_or_try_init(check).await.copied()
    }

    /// An error where another version of Tollgate laid the namespace out, which may keep documents elsewhere.
    ///
    /// A spoilt index is none: what it says is known anyhow, and a typing error must not keep changes from arriving.
    pub(super) fn check_reader(&self, secrets: &Secrets, value: &Value) -> Result<(), StoreError> {
        let text = value.text.as_deref().unwrap_or_default();
        let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
        if json.is_some_and(|json| json.get("format").is_some()) {
            return self.check(secrets, value);
        }
        tracing::warn!(
            secret = self.name,
            "the index is spoilt: writers will refuse it"
        );
        Ok(())
    }

    fn check(&self, secrets: &Secrets, value: &Value) -> Result<(), StoreError> {
        let text = value.text.as_deref().unwrap_or_default();
        let json = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"));
        json.and_then(|json| check_format(&json))
            .map_err(|cause| StoreError::Corrupt {
                place: secrets.place().to_owned(),
                item: format!("secret {}", self.name),
                cause,
                remedy: "give it back the value of an earlier version, or remove it: the next `terraform apply` \
                         makes it anew"
                    .to_owned(),
            })
    }

    /// Tells every reader that a shard changed. The shard is written by now: where this fails, readers see it later,
    /// when they next read everything.
    pub(super) async fn announce(&self, secrets: &Secrets, shard: ShardNumber, nonce: &str) {
        let tag = (shard.tag(), nonce.to_owned());
        if let Err(error) = self.set(secrets, vec![tag]).await {
            tracing::warn!(%error, shard = shard.tag(), "a change was written, but proxies may see it late");
        }
    }

    /// Removes the index where no shard is left. A shard that is made meanwhile is found afterwards, and the index
    /// made again.
    pub(super) async fn remove_unused(
        &self,
        secrets: &Secrets,
        names: &Names,
    ) -> Result<(), StoreError> {
        if !used_shards(secrets, names).await?.is_empty() {
            return Ok(());
        }
        if let Some(index) = secrets.describe(&self.name).await? {
            secrets.remove(&index.arn).await?;
        }
        let tags = used_shards(secrets, names).await?;
        if tags.is_empty() {
            return Ok(());
        }
        self.set(secrets, tags).await
    }

    async fn set(&self, secrets: &Secrets, tags: Vec<(String, String)>) -> Result<(), StoreError> {
        if secrets.tag(&self.name, &tags).await? {
            return Ok(());
        }
        self.create(secrets, tags).await
    }

    async fn create(
        &self,
        secrets: &Secrets,
        tags: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        let new = NewSecret {
            name: &self.name,
            description: format!(
                "Tollgate: tells which documents of namespace {:?} changed",
                self.namespace
            ),
            text: &self.value,
            tags,
        };
        let mut patience = Patience::lasting(LEAVING_MAX);
        loop {
            if let Written::Done(_) = secrets.create(&new).await? {
                return Ok(());
            }
            // Where somebody else made it, they know nothing of these tags.
            let made = match new.tags.as_slice() {
                [] => secrets.describe(&self.name).await?.is_some(),
                tags => secrets.tag(&self.name, tags).await?,
            };
            if made {
                return Ok(());
            }
            if !patience.again().await {
                return Err(name_is_taken(secrets, &self.name));
            }
        }
    }
}

/// The tags of the shards that exist; removes those that were closed and forgotten.
async fn used_shards(
    secrets: &Secrets,
    names: &Names,
) -> Result<Vec<(String, String)>, StoreError> {
    let by_name: BTreeMap<String, ShardNumber> = ShardNumber::all()
        .map(|number| (names.shard(number), number))
        .collect();
    let wanted: Vec<String> = by_name.keys().cloned().collect();
    let mut used = Vec::new();
    for (name, value) in secrets.values(&wanted).await? {
        let shard = Shard::parse(value.text.as_deref().unwrap_or_default());
        if shard.is_ok_and(|shard| shard.closed) {
            secrets.remove(&value.arn).await?;
        } else if let Some(number) = by_name.get(&name) {
            used.push((number.tag(), value.version));
        }
    }
    Ok(used)
}

/// A name stayed taken by a secret that is being deleted.
pub(super) fn name_is_taken(secrets: &Secrets, name: &str) -> StoreError {
    StoreError::Failed {
        place: secrets.place().to_owned(),
        action: format!("to create secret {name}"),
        cause: "a secret of that name is scheduled for deletion: restore it (`aws secretsmanager restore-secret`) where \
                its documents are wanted back, remove it for good where they are not, and try again"
            .to_owned(),
    }
}
