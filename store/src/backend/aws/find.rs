//! Finding shards: which secret a shard is in, and that it is nowhere.
//!
//! "There is none" would revoke everything that a shard holds, so that it is never taken from one answer: a shard may
//! have moved between two calls. See `docs/decisions/017-a-shard-moves-when-its-versions-are-used-up.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Store;
use super::board::Board;
use super::index::Look;
use super::layout::{GENERATION_FIRST, ShardNumber, generation_told};
use super::patience::Patience;
use super::secrets::Value;
use super::slot::{Found, Seen, Slot};
use crate::backend::StoreError;

/// How many generations are looked for from each that is told of.
const PROBED: u32 = 3;
/// How long shards are looked for while they move.
pub(super) const UNSETTLED_MAX: Duration = Duration::from_secs(10);

/// Why a step could not be done.
#[derive(Debug)]
pub(super) enum Stop {
    /// The namespace is laid out anew: what is to be done has its place elsewhere now.
    LaidOutAnew,
    /// It failed.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// After a step that could not be done: goes on where it can be repeated, now that the layout is known that
    /// stands.
    pub(super) async fn settle(
        &self,
        stop: Stop,
        patience: &mut Patience,
    ) -> Result<(), StoreError> {
        match stop {
            Stop::Failed(error) => Err(error),
            Stop::LaidOutAnew if patience.again().await => self.orient().await.map(drop),
            Stop::LaidOutAnew => Err(self.unsettled()),
        }
    }

    /// One shard, as it is now.
    pub(super) async fn standing(
        &self,
        board: &Board,
        number: ShardNumber,
        slot: &Slot,
    ) -> Result<Found, Stop> {
        let generation = slot.generation();
        let name = self.names.shard(board.layout, number, generation);
        let value = self.secrets.value(&name).await?;
        let found = Found::of(generation, value);
        if found.seen.is_telling() {
            return Ok(found);
        }
        let missing = matches!(found.seen, Seen::Absent);
        if missing && !slot.is_known() && board.is_oriented() {
            return Ok(found);
        }
        let look = self.look(board).await?;
        let mut found = self.find(board, look.as_ref(), &[number]).await?;
        found.pop().ok_or_else(|| Stop::Failed(self.unsettled()))
    }

    /// Several shards as they are now, in that order, and the index where it is wanted: with as few calls as can be.
    pub(super) async fn gather(
        &self,
        board: &Board,
        look: Option<&Look>,
        numbers: &[ShardNumber],
        with_index: bool,
    ) -> Result<(Vec<Found>, Option<Value>), Stop> {
        let Some(look) = look else {
            // Nothing tells where the shards are.
            return Ok((self.find(board, None, numbers).await?, None));
        };
        let places: Vec<(ShardNumber, u32)> = numbers
            .iter()
            .map(|number| {
                (
                    *number,
                    board
                        .slot(*number)
                        .map_or(GENERATION_FIRST, Slot::generation),
                )
            })
            .collect();
        let mut names: Vec<String> = places
            .iter()
            .map(|(number, generation)| self.names.shard(board.layout, *number, *generation))
            .collect();
        names.extend(with_index.then(|| self.index.name().to_owned()));
        let mut values = self.secrets.values(&names).await?;
        let index = values.remove(self.index.name());
        let mut found = Vec::new();
        let mut lost = Vec::new();
        for ((number, generation), name) in places.into_iter().zip(&names) {
            let here = Found::of(generation, values.remove(name));
            let slot = board.slot(number);
            let tag = look.tags.get(&number.tag());
            let absent = slot.is_some_and(|it| it.has_polled_absence(tag) || !it.is_known());
            let missing = matches!(here.seen, Seen::Absent);
            if !(here.seen.is_telling() || missing && absent) {
                lost.push((found.len(), number));
            }
            found.push(here);
        }
        if !lost.is_empty() {
            let numbers: Vec<ShardNumber> = lost.iter().map(|(_, number)| *number).collect();
            let again = self.find(board, Some(look), &numbers).await?;
            for ((position, _), again) in lost.into_iter().zip(again) {
                if let Some(found) = found.get_mut(position) {
                    *found = again;
                }
            }
        }
        Ok((found, index))
    }

    /// Looks at the index, as long as it tells of that layout.
    pub(super) async fn look(&self, board: &Board) -> Result<Option<Look>, Stop> {
        let look = self.index.look(&self.secrets).await?;
        if let Some(look) = &look {
            if self.index.layout(&self.secrets, look).await? != board.layout {
                return Err(Stop::LaidOutAnew);
            }
            board.hear(look);
        }
        Ok(look)
    }

    /// Every shard, as it is now.
    pub(super) async fn find_all(&self, board: &Board) -> Result<Vec<(ShardNumber, Found)>, Stop> {
        let numbers = board.numbers();
        let look = self.look(board).await?;
        let found = self.find(board, look.as_ref(), &numbers).await?;
        Ok(numbers.into_iter().zip(found).collect())
    }

    /// Looks for shards in every secret that they may be in. What is missing is missing at two looks at the index
    /// that tell the same of it: a shard that moves is announced before its old secret is removed.
    pub(super) async fn find(
        &self,
        board: &Board,
        look: Option<&Look>,
        numbers: &[ShardNumber],
    ) -> Result<Vec<Found>, Stop> {
        let mut patience = Patience::lasting(UNSETTLED_MAX);
        let mut look = look.cloned();
        loop {
            let found = self.probe(board, look.as_ref(), numbers).await?;
            if found.iter().all(|found| found.seen.is_telling()) {
                return Ok(found);
            }
            let again = self.look(board).await?;
            let told = |look: &Option<Look>, number: &ShardNumber| {
                let tags = look.as_ref().map(|look| &look.tags);
                tags.and_then(|tags| tags.get(&number.tag()).cloned())
            };
            let mut missing = numbers.iter().zip(&found);
            if look.is_some() == again.is_some()
                && missing.all(|(number, found)| {
                    found.seen.is_telling() || told(&look, number) == told(&again, number)
                })
            {
                return Ok(found);
            }
            look = again;
            if !patience.again().await {
                return Err(Stop::Failed(self.unsettled()));
            }
        }
    }

    async fn probe(
        &self,
        board: &Board,
        look: Option<&Look>,
        numbers: &[ShardNumber],
    ) -> Result<Vec<Found>, StoreError> {
        let mut places = Vec::new();
        for number in numbers {
            let told = look.and_then(|look| generation_told(&look.tags, board.layout, *number));
            let known = board.slot(*number).map(Slot::generation);
            let starts = [Some(GENERATION_FIRST), told, known];
            let generations: BTreeSet<u32> = starts
                .into_iter()
                .flatten()
                .flat_map(|start| start..start.saturating_add(PROBED))
                .collect();
            places.push((*number, told.unwrap_or(GENERATION_FIRST), generations));
        }
        let name = |number, generation| self.names.shard(board.layout, number, generation);
        let names: Vec<String> = places
            .iter()
            .flat_map(|(number, _, generations)| generations.iter().map(|it| name(*number, *it)))
            .collect();
        let mut values = self.secrets.values(&names).await?;
        let found = places.into_iter().map(|(number, new, generations)| {
            let there = generations.into_iter().filter_map(|generation| {
                let value = values.remove(&name(number, generation))?;
                Some(Found::of(generation, Some(value)))
            });
            newest(there).unwrap_or_else(|| Found::of(new, None))
        });
        Ok(found.collect())
    }

    /// It was not found in all that time.
    pub(super) fn unsettled(&self) -> StoreError {
        StoreError::Failed {
            place: self.place().to_owned(),
            action: "to find its documents".to_owned(),
            cause: "they are moved all the time: try again in a minute".to_owned(),
        }
    }
}

/// Of the secrets that a shard may be in, the newest that says anything; else one that is reserved.
fn newest(there: impl Iterator<Item = Found>) -> Option<Found> {
    let by_rank: BTreeMap<(bool, u32), Found> = there
        .map(|found| ((found.seen.is_telling(), found.generation), found))
        .collect();
    by_rank.into_values().next_back()
}
