//! Committing: what waits for the same shard goes out as one version.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Store;
use super::board::Board;
use super::find::Stop;
use super::index::name_is_taken;
use super::layout::ShardNumber;
use super::patience::Patience;
use super::secrets::Value;
use super::shard::{Edit, Place, Shard, Stage};
use super::slot::{Found, Seen, Slot, Waiting};
use crate::backend::standing::draw_revision;
use crate::backend::{Change, StoreError};
use crate::document::{DocumentKey, Entry, Revision};

/// How long a write tries again after other writers, or for a name that is not free yet.
const CONTENDED_MAX: Duration = Duration::from_secs(30);
/// How often a write looks for its shard elsewhere.
const MOVES_MAX: u8 = 8;

type Outcomes = Vec<Result<(), StoreError>>;

/// One shard, and which of its secrets is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) board: &'a Board,
    pub(super) number: ShardNumber,
    pub(super) slot: &'a Slot,
    pub(super) generation: u32,
}

impl Store {
    /// Makes changes, together with those of others that wait for the same shards. Each shard is written once.
    pub(super) async fn commit(
        self: &Arc<Self>,
        changes: Vec<Change>,
    ) -> Vec<Result<Option<Revision>, StoreError>> {
        let board = match self.board().await {
            Ok(board) => board,
            Err(error) => return changes.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut numbers = BTreeSet::new();
        let mut pending = Vec::new();
        for change in changes {
            let (key, change, revision) = match self.edit(change) {
                Ok(edit) => edit,
                Err(error) => {
                    pending.push(Err(error));
                    continue;
                }
            };
            let (done, outcome) = oneshot::channel();
            let waiting = Waiting {
                key,
                change,
                done,
                moves: 0,
            };
            numbers.extend(enqueue(&board, waiting));
            pending.push(Ok((revision, outcome)));
        }
        for number in numbers {
            self.start(&board, number);
        }
        let mut outcomes = Vec::new();
        for pending in pending {
            outcomes.push(match pending {
                Ok((revision, outcome)) => {
                    let outcome = outcome.await.unwrap_or_else(|_| Err(self.is_ending()));
                    outcome.map(|()| revision)
                }
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    fn edit(&self, change: Change) -> Result<(DocumentKey, Edit, Option<Revision>), StoreError> {
        Ok(match change {
            Change::Write { document, expected } => {
                let revision = draw_revision(|| self.place().to_owned())?;
                let edit = Edit::Write {
                    json: Entry::json(&document, &revision),
                    revision: revision.clone(),
                    expected,
                };
                (document.key(), edit, Some(revision))
            }
            Change::Delete { key, expected } => (key, Edit::Delete { expected }, None),
            Change::Prove { key, revision } => (key, Edit::Prove { revision }, None),
        })
    }

    fn is_ending(&self) -> StoreError {
        StoreError::Failed {
            place: self.place().to_owned(),
            action: "to write".to_owned(),
            cause: "the process is ending".to_owned(),
        }
    }

    /// Writes what waits. The work has its own task: who gives up waiting takes nobody else's write along.
    fn start(self: &Arc<Self>, board: &Arc<Board>, number: ShardNumber) {
        let (store, board) = (Arc::clone(self), Arc::clone(board));
        tokio::spawn(async move {
            let mut work = vec![(board, number)];
            while let Some((board, number)) = work.pop() {
                let elsewhere = store.commit_waiting(&board, number).await;
                work.extend(store.go_on_elsewhere(elsewhere).await);
            }
        });
    }

    /// Gives writes to the shards that are theirs since the namespace was laid out anew.
    async fn go_on_elsewhere(&self, group: Vec<Waiting>) -> Vec<(Arc<Board>, ShardNumber)> {
        if group.is_empty() {
            return Vec::new();
        }
        let oriented = self.orient().await;
        let mut numbers = BTreeSet::new();
        for mut waiting in group {
            waiting.moves += 1;
            match &oriented {
                Ok(board) if waiting.moves <= MOVES_MAX => {
                    numbers.extend(enqueue(board, waiting));
                }
                Ok(_) => drop(waiting.done.send(Err(self.unsettled()))),
                Err(error) => drop(waiting.done.send(Err(error.clone()))),
            }
        }
        let board = self.current();
        let numbers = numbers.into_iter();
        numbers.map(|number| (Arc::clone(&board), number)).collect()
    }

    /// Writes what waits; returns what has its place elsewhere.
    async fn commit_waiting(&self, board: &Board, number: ShardNumber) -> Vec<Waiting> {
        let Some(slot) = board.slot(number) else {
            return Vec::new();
        };
        let _turn = slot.turn.lock().await;
        let Ok(_permit) = self.writers.acquire().await else {
            return Vec::new();
        };
        let group = slot.take_waiting();
        if group.is_empty() {
            return group;
        }
        let outcomes = match self.commit_group(board, number, slot, &group).await {
            Ok(outcomes) => outcomes,
            Err(Stop::LaidOutAnew) => return group,
            Err(Stop::Failed(error)) => group.iter().map(|_| Err(error.clone())).collect(),
        };
        for (waiting, outcome) in group.into_iter().zip(outcomes) {
            // Nobody listens where the writer gave up.
            let _ = waiting.done.send(outcome);
        }
        Vec::new()
    }

    async fn commit_group(
        &self,
        board: &Board,
        number: ShardNumber,
        slot: &Slot,
        group: &[Waiting],
    ) -> Result<Outcomes, Stop> {
        let mut patience = Patience::lasting(CONTENDED_MAX);
        loop {
            let lessons = slot.lessons();
            let found = self.standing(board, number, slot).await?;
            slot.learn(&found, lessons);
            let spot = Spot {
                board,
                number,
                slot,
                generation: found.generation,
            };
            if let Some(outcomes) = self.commit_at(spot, &found, group).await? {
                return Ok(outcomes);
            }
            if !patience.again().await {
                return Err(Stop::Failed(self.is_contended(spot, &found)));
            }
        }
    }

    /// Commits the group to what was found; `None` where something else had to be done first, or somebody else was
    /// first.
    async fn commit_at(
        &self,
        spot: Spot<'_>,
        found: &Found,
        group: &[Waiting],
    ) -> Result<Option<Outcomes>, Stop> {
        let (value, shard) = match (&found.value, &found.seen) {
            (Some(value), Seen::Shard { shard, .. }) => (value, shard),
            (_, Seen::Corrupt { cause, .. }) => {
                return Err(Stop::Failed(self.corrupt(&self.name(spot), cause.clone())));
            }
            _ => return self.commit_to(spot, None, Shard::default(), group).await,
        };
        let standing = Some(value.clone());
        match shard.stage {
            Stage::Open => {
                if let Some(old) = &shard.moves_from {
                    self.finish_move(spot, shard, old).await?;
                }
                self.commit_to(spot, standing, Shard::clone(shard), group)
                    .await
            }
            Stage::Reserved => {
                let empty = Shard {
                    versions: shard.versions,
                    ..Shard::default()
                };
                self.commit_to(spot, standing, empty, group).await
            }
            Stage::Closed => self.commit_after_closing(spot, value, group).await,
            Stage::Moving { to } => {
                self.help_move(spot, value, shard, to).await?;
                Ok(None)
            }
            Stage::Resharding { .. } => {
                self.ensure().await?;
                self.look(spot.board).await?;
                Ok(None)
            }
        }
    }

    /// What stands, and was never replaced in all that time.
    fn is_contended(&self, spot: Spot<'_>, found: &Found) -> StoreError {
        let name = self.name(spot);
        let cause = match found.seen.stage() {
            None => return name_is_taken(&self.secrets, &name),
            Some(Stage::Resharding { count }) => format!(
                "the namespace is being resharded by another apply; if that one is dead, apply with `shards = {count}` again"
            ),
            Some(_) => {
                "others write it all the time, or somebody made an older version the current one: give it its present \
                 value once more (`aws secretsmanager put-secret-value`), and try again"
                    .to_owned()
            }
        };
        StoreError::Failed {
            place: self.place().to_owned(),
            action: format!("to write secret {name}"),
            cause,
        }
    }

    /// Finishes what a slow or crashed closer began, and goes on from there.
    async fn commit_after_closing(
        &self,
        spot: Spot<'_>,
        closed: &Value,
        group: &[Waiting],
    ) -> Result<Option<Outcomes>, Stop> {
        let removes = |waiting: &Waiting| !matches!(waiting.change, Edit::Write { .. });
        if group.iter().all(removes) {
            self.finish_closing(spot, closed).await?;
        } else {
            // The index is about to be needed again.
            self.secrets.remove(&closed.arn).await?;
        }
        self.commit_to(spot, None, Shard::default(), group).await
    }

    /// Applies the group to a shard and writes it, once; `None` where somebody else was first.
    async fn commit_to(
        &self,
        spot: Spot<'_>,
        standing: Option<Value>,
        shard: Shard,
        group: &[Waiting],
    ) -> Result<Option<Outcomes>, Stop> {
        let secret = self.name(spot);
        let place = Place {
            store: self.place(),
            secret: &secret,
        };
        let mut shard = Shard {
            nonce: self.nonce()?,
            versions: shard.versions.saturating_add(1),
            moves_from: None,
            stage: Stage::Open,
            ..shard
        };
        let changes = group.iter().map(|waiting| (&waiting.key, &waiting.change));
        let applied = shard.apply_all(changes, &place);
        let changed = applied.iter().any(|applied| matches!(applied, Ok(true)));
        let outcomes = applied.into_iter().map(|it| it.map(drop)).collect();
        if changed && !self.write(spot, standing, shard).await? {
            return Ok(None);
        }
        Ok(Some(outcomes))
    }
}

/// Lets a write wait at its shard.
fn enqueue(board: &Board, waiting: Waiting) -> Option<ShardNumber> {
    let number = board.layout.shard_of(&waiting.key);
    board.slot(number)?.enqueue(waiting);
    Some(number)
}
