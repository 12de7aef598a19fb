//! Writing one shard, telling of it, and removing it with its last document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Store;
use super::board::Board;
use super::commit::Spot;
use super::find::Stop;
use super::index::Plan;
use super::layout::{Mark, ShardNumber, VERSIONS_MAX, generation_told};
use super::secrets::{NewSecret, Value, Written};
use super::shard::{Place, Shard, Stage};
use super::slot::{Found, Seen};
use crate::backend::StoreError;
use crate::backend::standing::draw_revision;

/// Where a change was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// In the index that stood.
    Here,
    /// In an index that was made for it.
    Anew,
}

impl Store {
    /// Writes a shard in place of what stands; `false` where somebody else was first.
    pub(super) async fn write(
        &self,
        spot: Spot<'_>,
        standing: Option<Value>,
        mut shard: Shard,
    ) -> Result<bool, Stop> {
        self.ensure().await?;
        if self.current().layout != spot.board.layout {
            return Err(Stop::LaidOutAnew);
        }
        shard.stage = if shard.is_empty() {
            Stage::Closed
        } else if shard.versions >= VERSIONS_MAX {
            Stage::Moving {
                to: spot.generation.saturating_add(1),
            }
        } else {
            Stage::Open
        };
        let text = self.text(spot, &shard)?;
        let lessons = spot.slot.lessons();
        let written = match &standing {
            Some(standing) => self.secrets.swap(standing, &text).await?,
            None => self.create_shard(&self.name(spot), &text).await?,
        };
        let Written::Done(value) = written else {
            return Ok(false);
        };
        if standing.is_none() && !self.keeps_what_was_made(spot, &value).await? {
            return Ok(false);
        }
        let found = Found {
            generation: spot.generation,
            seen: Seen::Shard {
                version: value.version.clone(),
                shard: Arc::new(shard.clone()),
            },
            value: Some(Value {
                text: Some(text),
                ..value.clone()
            }),
        };
        spot.slot.learn(&found, lessons);
        self.announce(spot, &shard.nonce).await;
        match shard.stage {
            Stage::Closed => self.finish_closing(spot, &value).await?,
            Stage::Moving { to } => {
                // The write is done; the next writer helps where this fails.
                if let Err(Stop::Failed(error)) = self.help_move(spot, &value, &shard, to).await {
                    tracing::warn!(%error, secret = self.name(spot), "a shard's move to its next secret is unfinished");
                }
            }
            Stage::Open | Stage::Reserved | Stage::Resharding { .. } => {}
        }
        Ok(true)
    }

    /// A shard that was missing may have moved, or been laid out anew, before this one was made in its old place:
    /// then what was made is removed again.
    pub(super) async fn keeps_what_was_made(
        &self,
        spot: Spot<'_>,
        made: &Value,
    ) -> Result<bool, Stop> {
        let kept = match self.look(spot.board).await {
            Ok(Some(look)) => {
                let told = generation_told(&look.tags, spot.board.layout, spot.number);
                Ok(told <= Some(spot.generation))
            }
            Ok(None) => Ok(true),
            Err(stop) => Err(stop),
        };
        if matches!(kept, Ok(false) | Err(Stop::LaidOutAnew)) {
            self.discard(spot, made).await?;
        }
        kept
    }

    /// Tells every reader that a shard changed. The shard is written by now: where this fails, readers see it later,
    /// when they next read everything.
    async fn announce(&self, spot: Spot<'_>, nonce: &str) {
        let tag = tag(spot.board, spot.number, spot.generation, nonce);
        let told = match self.set_tags(vec![tag]).await {
            // Somebody removed it: perhaps with the last shard, and this one since.
            Ok(Told::Anew) => self.remove_unused_index(spot.board).await,
            Ok(Told::Here) => Ok(()),
            Err(error) => Err(Stop::Failed(error)),
        };
        if let Err(Stop::Failed(error)) = told {
            let shard = spot.number.tag();
            tracing::warn!(%error, shard, "a change was written, but proxies may see it late");
        }
    }

    /// Sets tags on the index, and makes it where there is none.
    pub(super) async fn set_tags(&self, tags: Vec<(String, String)>) -> Result<Told, StoreError> {
        if self.index.tag(&self.secrets, &tags).await? {
            return Ok(Told::Here);
        }
        self.make_index(tags).await?;
        Ok(Told::Anew)
    }

    /// Makes the index anew, which must tell of every shard that there is: what it does not tell of never moved.
    async fn make_index(&self, tags: Vec<(String, String)>) -> Result<(), StoreError> {
        let board = self.current();
        let mut all: BTreeMap<String, String> = match self.used(&board).await {
            Ok(used) => used.into_iter().collect(),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::LaidOutAnew) => return Err(self.unsettled()),
        };
        all.extend(tags);
        let plan = Plan {
            layout: board.layout,
            previous: None,
        };
        let tags = all.into_iter().collect();
        self.index.create(&self.secrets, &plan, tags).await
    }

    /// Removes a closed shard, and the index with the last one. Whoever finds a closed shard may do it.
    pub(super) async fn finish_closing(&self, spot: Spot<'_>, closed: &Value) -> Result<(), Stop> {
        let lessons = spot.slot.lessons();
        self.secrets.remove(&closed.arn).await?;
        spot.slot.learn(&Found::of(spot.generation, None), lessons);
        self.remove_unused_index(spot.board).await
    }

    /// Removes the index where no shard is left. A shard that is made meanwhile is found afterwards, and the index
    /// made again; unless that shard is gone by then, and whoever removed it found no index to remove.
    pub(super) async fn remove_unused_index(&self, board: &Board) -> Result<(), Stop> {
        loop {
            if !self.used(board).await?.is_empty() {
                return Ok(());
            }
            if let Some(look) = self.look(board).await? {
                self.secrets.remove(&look.arn).await?;
            }
            let tags = self.used(board).await?;
            if tags.is_empty() {
                return Ok(());
            }
            self.set_tags(tags).await?;
        }
    }

    /// The tags of the shards that exist; removes what was closed or reserved and then forgotten.
    pub(super) async fn used(&self, board: &Board) -> Result<Vec<(String, String)>, Stop> {
        let mut used = Vec::new();
        for (number, found) in self.find_all(board).await? {
            let Some(value) = &found.value else {
                continue;
            };
            let nonce = match &found.seen {
                Seen::Shard { shard, .. } => match shard.stage {
                    Stage::Closed => {
                        self.secrets.remove(&value.arn).await?;
                        continue;
                    }
                    Stage::Reserved => {
                        if let Some(slot) = board.slot(number) {
                            let spot = Spot {
                                board,
                                number,
                                slot,
                                generation: found.generation,
                            };
                            self.discard(spot, value).await?;
                        }
                        continue;
                    }
                    _ => &shard.nonce,
                },
                _ => &value.version,
            };
            used.push(tag(board, number, found.generation, nonce));
        }
        Ok(used)
    }

    /// Removes a secret that is of no use, unless somebody makes use of it: like a shard, it is closed first.
    pub(super) async fn discard(&self, spot: Spot<'_>, value: &Value) -> Result<(), StoreError> {
        let closed = Shard {
            nonce: self.nonce()?,
            stage: Stage::Closed,
            ..Shard::default()
        };
        let text = self.text(spot, &closed)?;
        if let Written::Done(closed) = self.secrets.swap(value, &text).await? {
            self.secrets.remove(&closed.arn).await?;
        }
        Ok(())
    }

    /// Makes a shard's secret.
    pub(super) async fn create_shard(&self, name: &str, text: &str) -> Result<Written, StoreError> {
        let description = format!("Tollgate: documents of namespace {:?}", self.namespace());
        let new = NewSecret {
            name,
            description,
            text,
            tags: Vec::new(),
        };
        self.secrets.create(&new).await
    }

    /// A shard as its secret's value.
    pub(super) fn text(&self, spot: Spot<'_>, shard: &Shard) -> Result<String, StoreError> {
        shard.to_text(&Place {
            store: self.place(),
            secret: &self.name(spot),
        })
    }

    /// The secret that is meant.
    pub(super) fn name(&self, spot: Spot<'_>) -> String {
        self.names
            .shard(spot.board.layout, spot.number, spot.generation)
    }

    /// What tells a write from every other.
    pub(super) fn nonce(&self) -> Result<String, StoreError> {
        let revision = draw_revision(|| self.place().to_owned())?;
        Ok(revision.as_str().to_owned())
    }
}

/// A shard's tag on the index.
pub(super) fn tag(
    board: &Board,
    number: ShardNumber,
    generation: u32,
    nonce: &str,
) -> (String, String) {
    let mark = Mark {
        layout: board.layout,
        generation,
        nonce: nonce.to_owned(),
    };
    (number.tag(), mark.to_string())
}
