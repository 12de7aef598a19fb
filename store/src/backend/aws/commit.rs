//! Writing: what waits for the same shard goes out as one version.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Store;
use super::index::name_is_taken;
use super::layout::{ShardNumber, VALUE_BYTES_MAX};
use super::patience::Patience;
use super::secrets::{NewSecret, Value, Written};
use super::shard::{Edit, Place, Shard};
use super::slot::{Seen, Slot, Waiting};
use crate::backend::StoreError;
use crate::backend::standing::draw_revision;
use crate::document::DocumentKey;

/// How long a write tries again after other writers, or for a name that is not free yet.
const CONTENDED_MAX: Duration = Duration::from_secs(30);

type Outcomes = Vec<Result<(), StoreError>>;

impl Store {
    /// Makes one change, together with those of others that wait for the same shard.
    ///
    /// The work has its own task: who gives up waiting takes nobody else's write along.
    pub(super) async fn change(
        self: &Arc<Self>,
        key: DocumentKey,
        change: Edit,
    ) -> Result<(), StoreError> {
        let number = ShardNumber::of(&key);
        let (done, outcome) = oneshot::channel();
        self.slot(number)?.enqueue(Waiting { key, change, done });
        let store = Arc::clone(self);
        tokio::spawn(async move { store.commit_waiting(number).await });
        outcome.await.unwrap_or_else(|_| {
            Err(StoreError::Failed {
                place: self.place().to_owned(),
                action: "to write".to_owned(),
                cause: "the process is ending".to_owned(),
            })
        })
    }

    async fn commit_waiting(&self, number: ShardNumber) {
        let Ok(slot) = self.slot(number) else {
            return;
        };
        let _turn = slot.turn.lock().await;
        let group = slot.take_waiting();
        if group.is_empty() {
            return;
        }
        let outcomes = match self.commit(number, slot, &group).await {
            Ok(outcomes) => outcomes,
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        };
        for (waiting, outcome) in group.into_iter().zip(outcomes) {
            // Nobody listens where the writer gave up.
            let _ = waiting.done.send(outcome);
        }
    }

    async fn commit(
        &self,
        number: ShardNumber,
        slot: &Slot,
        group: &[Waiting],
    ) -> Result<Outcomes, StoreError> {
        let name = self.names.shard(number);
        let mut patience = Patience::lasting(CONTENDED_MAX);
        loop {
            let lessons = slot.lessons();
            let standing = self.secrets.value(&name).await?;
            let (seen, stands) = (Seen::of(standing.as_ref()), standing.is_some());
            slot.learn(seen.clone(), lessons);
            let outcomes = match (standing, seen) {
                (Some(standing), Seen::Shard { shard, .. }) if shard.closed => {
                    self.commit_after_closing(number, &standing, group).await?
                }
                (Some(standing), Seen::Shard { shard, .. }) => {
                    self.commit_to(number, Some((standing, &shard)), group)
                        .await?
                }
                (_, Seen::Corrupt { cause, .. }) => return Err(self.corrupt(&name, cause)),
                _ => self.commit_to(number, None, group).await?,
            };
            if let Some(outcomes) = outcomes {
                return Ok(outcomes);
            }
            if !patience.again().await {
                return Err(if stands {
                    self.is_contended(&name)
                } else {
                    name_is_taken(&self.secrets, &name)
                });
            }
        }
    }

    /// A shard stands, and what replaces it was never taken.
    fn is_contended(&self, name: &str) -> StoreError {
        StoreError::Failed {
            place: self.place().to_owned(),
            action: format!("to write secret {name}"),
            cause: "others write it all the time, or somebody made an older version the current one: give it its \
                    present value once more (`aws secretsmanager put-secret-value`), and try again"
                .to_owned(),
        }
    }

    /// Finishes what a slow or crashed closer began, and goes on from there.
    async fn commit_after_closing(
        &self,
        number: ShardNumber,
        closed: &Value,
        group: &[Waiting],
    ) -> Result<Option<Outcomes>, StoreError> {
        let removes = |waiting: &Waiting| matches!(waiting.change, Edit::Delete { .. });
        if group.iter().all(removes) {
            self.finish_closing(closed, self.slot(number)?).await?;
        } else {
            // The index is about to be needed again.
            self.secrets.remove(&closed.arn).await?;
        }
        self.commit_to(number, None, group).await
    }

    /// Applies the group to what stands and writes it, once; `None` where somebody else was first.
    async fn commit_to(
        &self,
        number: ShardNumber,
        standing: Option<(Value, &Shard)>,
        group: &[Waiting],
    ) -> Result<Option<Outcomes>, StoreError> {
        let name = self.names.shard(number);
        let place = Place {
            store: self.place(),
            secret: &name,
        };
        let (standing, mut shard) = match standing {
            Some((value, shard)) => (Some(value), shard.clone()),
            None => (None, Shard::default()),
        };
        let applied: Vec<Result<bool, StoreError>> = group
            .iter()
            .map(|waiting| shard.apply(&waiting.key, &waiting.change, &place))
            .collect();
        let changed = applied.iter().any(|applied| matches!(applied, Ok(true)));
        let outcomes = applied.into_iter().map(|it| it.map(|_| ())).collect();
        if changed && !self.write_shard(number, standing, shard).await? {
            return Ok(None);
        }
        Ok(Some(outcomes))
    }

    /// Writes a shard in place of what stands; `false` where somebody else was first.
    async fn write_shard(
        &self,
        number: ShardNumber,
        standing: Option<Value>,
        mut shard: Shard,
    ) -> Result<bool, StoreError> {
        self.index.ensure(&self.secrets).await?;
        draw_revision(|| self.place().to_owned())?
            .as_str()
            .clone_into(&mut shard.nonce);
        shard.closed = shard.is_empty();
        let text = shard.to_text();
        self.warn_of_little_room(number, text.len());
        let slot = self.slot(number)?;
        let lessons = slot.lessons();
        let written = match &standing {
            Some(standing) => self.secrets.swap(standing, &text).await?,
            None => self.create_shard(number, &text).await?,
        };
        let Written::Done(value) = written else {
            return Ok(false);
        };
        let (nonce, closed) = (shard.nonce.clone(), shard.closed);
        let seen = Seen::Shard {
            version: value.version.clone(),
            shard: Arc::new(shard),
        };
        slot.learn(seen, lessons);
        self.index.announce(&self.secrets, number, &nonce).await;
        if closed {
            self.finish_closing(&value, slot).await?;
        }
        Ok(true)
    }

    fn warn_of_little_room(&self, number: ShardNumber, bytes: usize) {
        if bytes > VALUE_BYTES_MAX / 10 * 7 {
            tracing::warn!(
                secret = self.names.shard(number),
                bytes,
                bytes_max = VALUE_BYTES_MAX,
                "a shard is filling up: use a second namespace for what is to come"
            );
        }
    }

    async fn create_shard(&self, number: ShardNumber, text: &str) -> Result<Written, StoreError> {
        let name = self.names.shard(number);
        let description = format!("Tollgate: documents of namespace {:?}", self.namespace());
        let new = NewSecret {
            name: &name,
            description,
            text,
            tags: Vec::new(),
        };
        self.secrets.create(&new).await
    }

    /// Removes a closed shard, and the index with the last one. Whoever finds a closed shard may do it.
    async fn finish_closing(&self, closed: &Value, slot: &Slot) -> Result<(), StoreError> {
        let lessons = slot.lessons();
        self.secrets.remove(&closed.arn).await?;
        slot.learn(Seen::Absent, lessons);
        self.index.remove_unused(&self.secrets, &self.names).await
    }
}
