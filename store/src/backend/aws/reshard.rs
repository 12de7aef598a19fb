//! Spreading a namespace over another number of shards, while it is read all the time.
//!
//! See `docs/decisions/018-a-namespace-is-laid-out-anew-beside-itself.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Store;
use super::board::Board;
use super::commit::Spot;
use super::find::Stop;
use super::index::{Plan, Previous};
use super::layout::{GENERATION_FIRST, ShardNumber, VALUE_BYTES_MAX};
use super::patience::Patience;
use super::secrets::{Value, Written};
use super::shard::{Place, Shard, Stage};
use super::slot::{Found, Seen};
use crate::backend::StoreError;

/// How long one shard is tried while others write it.
const CONTENDED_MAX: Duration = Duration::from_secs(30);
/// How many shards are sealed or made at once.
const AT_ONCE: usize = 8;
/// What the new shards may hold at the start: others may add a little before the old ones are sealed.
const BYTES_AT_FIRST_MAX: usize = VALUE_BYTES_MAX / 16 * 15;

impl Store {
    /// Lays the namespace out anew over `count` shards. `index` is what is read now, and is replaced.
    pub(super) async fn reshard(
        &self,
        board: &Board,
        index: &Value,
        count: u8,
    ) -> Result<(), Stop> {
        let new = Board::new(board.layout.next(count));
        let standing = self.find_all(board).await?;
        let standing: Vec<Found> = standing.into_iter().map(|(_, found)| found).collect();
        // Before anything is sealed: what does not fit must fail while all can still be written.
        self.spread(&new, &standing, BYTES_AT_FIRST_MAX)?;
        let sealed: Vec<Found> = stream::iter(board.numbers())
            .map(|number| self.seal(board, number, count))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let spread = self.spread(&new, &sealed, VALUE_BYTES_MAX)?;
        let _: Vec<()> = stream::iter(spread)
            .map(|(number, shard)| self.make_new(board, &new, index, (number, shard)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let generations = sealed.iter().map(|found| found.generation).collect();
        let plan = Plan {
            layout: new.layout,
            previous: Some(Previous::new(board.layout, generations)),
        };
        // From here on the new shards are the namespace.
        if let Written::Done(value) = self.secrets.swap(index, &plan.to_text()).await? {
            self.index.hear(&value, new.layout);
            self.adopt(new.layout);
        }
        Ok(())
    }

    /// Makes sure that nobody writes a shard again until the namespace is laid out anew; it can still be read.
    async fn seal(&self, board: &Board, number: ShardNumber, count: u8) -> Result<Found, Stop> {
        let slot = board
            .slot(number)
            .ok_or_else(|| Stop::Failed(self.unsettled()))?;
        let mut patience = Patience::lasting(CONTENDED_MAX);
        loop {
            let found = self.standing(board, number, slot).await?;
            let spot = Spot {
                board,
                number,
                slot,
                generation: found.generation,
            };
            if let Some(sealed) = self.seal_once(spot, found, count).await? {
                return Ok(sealed);
            }
            if !patience.again().await {
                return Err(Stop::Failed(self.unsettled()));
            }
        }
    }

    /// `None` where something else had to be done first, or somebody else was first.
    async fn seal_once(
        &self,
        spot: Spot<'_>,
        found: Found,
        count: u8,
    ) -> Result<Option<Found>, Stop> {
        let (standing, shard) = match (&found.value, &found.seen) {
            (_, Seen::Corrupt { cause, .. }) => {
                return Err(Stop::Failed(self.corrupt(&self.name(spot), cause.clone())));
            }
            (Some(value), Seen::Shard { shard, .. }) => (Some(value), Shard::clone(shard)),
            // Also where there is none: else somebody might make it meanwhile.
            _ => (None, Shard::default()),
        };
        match (shard.stage, standing) {
            (Stage::Resharding { count: by_other }, _) if by_other != count => {
                return Err(Stop::Failed(self.is_resharded_otherwise(by_other)));
            }
            (Stage::Resharding { .. }, _) => return Ok(Some(found)),
            (Stage::Closed, Some(value)) => {
                self.secrets.remove(&value.arn).await?;
                return Ok(None);
            }
            (Stage::Moving { to }, Some(value)) => {
                self.help_move(spot, value, &shard, to).await?;
                return Ok(None);
            }
            _ => {}
        }
        if let Some(old) = &shard.moves_from {
            self.finish_move(spot, &shard, old).await?;
        }
        let shard = Shard {
            nonce: self.nonce()?,
            versions: shard.versions.saturating_add(1),
            stage: Stage::Resharding { count },
            moves_from: None,
            ..shard
        };
        let text = self.text(spot, &shard)?;
        let written = match standing {
            Some(standing) => self.secrets.swap(standing, &text).await?,
            None => self.create_shard(&self.name(spot), &text).await?,
        };
        let Written::Done(value) = written else {
            return Ok(None);
        };
        if standing.is_none() && !self.keeps_what_was_made(spot, &value).await? {
            return Ok(None);
        }
        let value = Value {
            text: Some(text),
            ..value
        };
        Ok(Some(Found::of(spot.generation, Some(value))))
    }

    /// Every document in its new shard; an error where one of them would have more than so many bytes.
    fn spread(
        &self,
        new: &Board,
        found: &[Found],
        bytes_max: usize,
    ) -> Result<BTreeMap<ShardNumber, Shard>, StoreError> {
        let mut documents: BTreeMap<ShardNumber, Vec<serde_json::Value>> = BTreeMap::new();
        for found in found {
            let shard = match &found.seen {
                Seen::Absent => continue,
                Seen::Shard { shard, .. } => shard,
                Seen::Corrupt { cause, .. } => {
                    let secret = found.value.as_ref().map_or("", |value| &value.arn);
                    return Err(self.corrupt(secret, cause.clone()));
                }
            };
            for (id, json) in &shard.documents {
                let number = new.layout.shard_of_name(&id.kind, &id.name);
                documents.entry(number).or_default().push(json.clone());
            }
        }
        let mut spread = BTreeMap::new();
        for (number, documents) in documents {
            let name = self.names.shard(new.layout, number, GENERATION_FIRST);
            let shard =
                Shard::new(Stage::Open, documents).map_err(|cause| self.corrupt(&name, cause))?;
            let place = Place {
                store: self.place(),
                secret: &name,
            };
            let bytes = shard.to_text(&place)?.len();
            if bytes > bytes_max {
                return Err(StoreError::Full {
                    place: self.place().to_owned(),
                    item: format!("secret {name}"),
                    bytes,
                    bytes_max,
                });
            }
            spread.insert(number, shard);
        }
        Ok(spread)
    }

    /// Makes one of the new shards, unless somebody else did.
    async fn make_new(
        &self,
        old: &Board,
        new: &Board,
        index: &Value,
        (number, shard): (ShardNumber, Shard),
    ) -> Result<(), Stop> {
        let slot = new
            .slot(number)
            .ok_or_else(|| Stop::Failed(self.unsettled()))?;
        let spot = Spot {
            board: new,
            number,
            slot,
            generation: GENERATION_FIRST,
        };
        let mut patience = Patience::lasting(CONTENDED_MAX);
        loop {
            if let Some(reserved) = self.reserve(spot).await? {
                let Seen::Shard { shard: made, .. } = Seen::of(Some(&reserved)) else {
                    let cause = "it should become a shard".to_owned();
                    return Err(Stop::Failed(self.corrupt(&self.name(spot), cause)));
                };
                if made.stage != Stage::Reserved {
                    return Ok(());
                }
                self.check_index_stands(old, index, spot, &reserved).await?;
                let shard = Shard {
                    nonce: self.nonce()?,
                    versions: made.versions.saturating_add(1),
                    ..shard.clone()
                };
                let text = self.text(spot, &shard)?;
                if let Written::Done(_) = self.secrets.swap(&reserved, &text).await? {
                    return Ok(());
                }
            }
            if !patience.again().await {
                return Err(Stop::Failed(self.unsettled()));
            }
        }
    }

    /// After the reservation: as long as the index is what it was, nobody wrote to the new shards, so that what is
    /// about to be copied still is what stands.
    async fn check_index_stands(
        &self,
        old: &Board,
        index: &Value,
        spot: Spot<'_>,
        reserved: &Value,
    ) -> Result<(), Stop> {
        let look = self.look(old).await;
        if let Ok(Some(look)) = &look
            && (&look.arn, &look.version) == (&index.arn, &index.version)
        {
            return Ok(());
        }
        self.discard(spot, reserved).await?;
        look?;
        Err(Stop::LaidOutAnew)
    }

    fn is_resharded_otherwise(&self, count: u8) -> StoreError {
        StoreError::Failed {
            place: self.place().to_owned(),
            action: "to change the number of shards".to_owned(),
            cause: format!(
                "it is being resharded to {count} by another apply; if that one is dead, apply with `shards = {count}` \
                 again, and change the number afterwards"
            ),
        }
    }
}
