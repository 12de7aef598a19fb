//! A shard's move to its next secret, when its versions are used up.
//!
//! Every step can be repeated and anybody may do it, at any time: see
//! `docs/decisions/017-a-shard-moves-when-its-versions-are-used-up.md`.

use super::Store;
use super::commit::Spot;
use super::find::Stop;
use super::patience::Patience;
use super::secrets::{Value, Written};
use super::shard::{Shard, Stage};
use super::slot::{Found, Seen};
use super::write::tag;
use crate::backend::StoreError;

/// How long a move is tried while others are at it, too.
const MOVING_MAX: std::time::Duration = std::time::Duration::from_secs(20);

impl Store {
    /// Moves a shard on: `old` says that it moves, and what `shard` holds is never written there again.
    pub(super) async fn help_move(
        &self,
        from: Spot<'_>,
        old: &Value,
        shard: &Shard,
        to: u32,
    ) -> Result<(), Stop> {
        let spot = Spot {
            generation: to,
            ..from
        };
        let filled = Shard {
            nonce: self.nonce()?,
            stage: Stage::Open,
            moves_from: Some(old.arn.clone()),
            ..shard.clone()
        };
        let mut patience = Patience::lasting(MOVING_MAX);
        loop {
            let lessons = spot.slot.lessons();
            if let Some(found) = self.fill_next(spot, old, &filled).await? {
                let nonce = match &found.seen {
                    Seen::Shard { shard, .. } => shard.nonce.clone(),
                    _ => found.seen.version().to_owned(),
                };
                // Before the old secret is gone: who misses it then finds out at the index.
                let tag = tag(spot.board, spot.number, to, &nonce);
                self.set_tags(vec![tag]).await?;
                self.secrets.remove(&old.arn).await?;
                spot.slot.learn(&found, lessons);
                return Ok(());
            }
            // Somebody else finished it, and what is in the next secret may be gone again by now.
            if self.secrets.value(&old.arn).await?.is_none() {
                return Ok(());
            }
            if !patience.again().await {
                return Err(Stop::Failed(self.is_stuck(spot)));
            }
        }
    }

    /// The next secret once it is filled; `None` where the step has to be repeated.
    async fn fill_next(
        &self,
        spot: Spot<'_>,
        old: &Value,
        filled: &Shard,
    ) -> Result<Option<Found>, Stop> {
        let Some(next) = self.reserve(spot).await? else {
            return Ok(None);
        };
        let found = Found::of(spot.generation, Some(next.clone()));
        let versions = match &found.seen {
            Seen::Shard { shard, .. } if shard.stage == Stage::Reserved => shard.versions,
            _ => return Ok(Some(found)),
        };
        // After the reservation: as long as the old secret is there, nothing was ever removed from the next one, so
        // that what is about to be copied still is what stands.
        if self.secrets.value(&old.arn).await?.is_none() {
            return Ok(None);
        }
        let shard = Shard {
            versions: versions.saturating_add(1),
            ..filled.clone()
        };
        let text = self.text(spot, &shard)?;
        match self.secrets.swap(&next, &text).await? {
            Written::Done(value) => {
                let text = Some(text);
                Ok(Some(Found::of(
                    spot.generation,
                    Some(Value { text, ..value }),
                )))
            }
            Written::ReadAgain => Ok(None),
        }
    }

    /// The secret of that generation: a new one says nothing but that it will be the shard. `None` where somebody else
    /// is at it.
    pub(super) async fn reserve(&self, spot: Spot<'_>) -> Result<Option<Value>, StoreError> {
        let name = self.name(spot);
        if let Some(value) = self.secrets.value(&name).await? {
            return Ok(Some(value));
        }
        let reserved = Shard {
            nonce: self.nonce()?,
            versions: 1,
            stage: Stage::Reserved,
            ..Shard::default()
        };
        let text = self.text(spot, &reserved)?;
        match self.create_shard(&name, &text).await? {
            Written::Done(value) => Ok(Some(Value {
                text: Some(text),
                ..value
            })),
            Written::ReadAgain => Ok(None),
        }
    }

    /// Removes what a shard moved from, before anything else is written where it moved to: a secret that is about to
    /// move thus always holds what stands.
    pub(super) async fn finish_move(
        &self,
        spot: Spot<'_>,
        shard: &Shard,
        old: &str,
    ) -> Result<(), StoreError> {
        let tag = tag(spot.board, spot.number, spot.generation, &shard.nonce);
        self.set_tags(vec![tag]).await?;
        self.secrets.remove(old).await
    }

    fn is_stuck(&self, spot: Spot<'_>) -> StoreError {
        StoreError::Failed {
            place: self.place().to_owned(),
            action: format!("to move a shard to secret {}", self.name(spot)),
            cause: "a secret of that name is scheduled for deletion, or others write it all the time: remove it for \
                    good where it is scheduled, and try again"
                .to_owned(),
        }
    }
}
