//! What this process knows of the namespace as it is laid out now.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::Store;
use super::find::Stop;
use super::index::Look;
use super::layout::{Layout, ShardNumber, VALUE_BYTES_MAX, generation_told};
use super::slot::{FRESH, Slot, guard};
use crate::backend::{Fill, StoreError};

/// One layout, and what is known of its shards.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) layout: Layout,
    slots: Vec<Slot>,
    /// When the index was last looked at.
    looked: Mutex<Option<Instant>>,
}

impl Board {
    /// Nothing is known yet.
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            slots: layout.shards().map(|_| Slot::default()).collect(),
            looked: Mutex::default(),
        }
    }

    /// Every shard.
    pub(super) fn shards(&self) -> impl Iterator<Item = (ShardNumber, &Slot)> {
        self.layout.shards().zip(&self.slots)
    }

    /// The numbers of all shards.
    pub(super) fn numbers(&self) -> Vec<ShardNumber> {
        self.layout.shards().collect()
    }

    /// What is known of one shard; `None` for a number of another layout.
    pub(super) fn slot(&self, number: ShardNumber) -> Option<&Slot> {
        self.slots.get(number.position())
    }

    /// Hears what the index tells.
    pub(super) fn hear(&self, look: &Look) {
        for (number, slot) in self.shards() {
            if let Some(generation) = generation_told(&look.tags, self.layout, number) {
                slot.hear_of(generation);
            }
        }
        self.has_been_looked_over();
    }

    /// Every shard that there is was heard of or found.
    fn has_been_looked_over(&self) {
        *guard(&self.looked) = Some(Instant::now());
    }

    /// Whether the index was looked at not long ago: a shard that it did not tell of then never moved.
    pub(super) fn is_oriented(&self) -> bool {
        guard(&self.looked).is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Store {
    /// What is known; looks at the index once a process.
    pub(super) async fn board(&self) -> Result<Arc<Board>, StoreError> {
        self.oriented
            .get_or_try_init(async || self.orient().await.map(drop))
            .await?;
        Ok(self.current())
    }

    /// Looks at the index, and begins anew where the namespace is laid out anew.
    pub(super) async fn orient(&self) -> Result<Arc<Board>, StoreError> {
        let Some(look) = self.index.look(&self.secrets).await? else {
            return self.orient_without_index().await;
        };
        let layout = self.index.layout(&self.secrets, &look).await?;
        let board = self.adopt(layout);
        board.hear(&look);
        Ok(board)
    }

    /// Without an index, only the shards tell where they are.
    async fn orient_without_index(&self) -> Result<Arc<Board>, StoreError> {
        let board = self.current();
        let numbers = board.numbers();
        let lessons: Vec<u64> = board.shards().map(|(_, slot)| slot.lessons()).collect();
        match self.find(&board, None, &numbers).await {
            Ok(found) => {
                for (((_, slot), found), lessons) in board.shards().zip(found).zip(lessons) {
                    slot.learn(&found, lessons);
                }
                board.has_been_looked_over();
                Ok(board)
            }
            // Somebody makes the namespace just now.
            Err(Stop::LaidOutAnew) => Ok(board),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// What is known of the layout that was last heard of.
    pub(super) fn current(&self) -> Arc<Board> {
        Arc::clone(&guard(&self.board))
    }

    /// Goes on with a layout; what is known of its shards is kept.
    pub(super) fn adopt(&self, layout: Layout) -> Arc<Board> {
        let mut board = guard(&self.board);
        if board.layout != layout {
            *board = Arc::new(Board::new(layout));
        }
        Arc::clone(&board)
    }

    /// The fullest shard, as far as this process knows.
    pub(super) fn fill(&self) -> Option<Fill> {
        let board = self.current();
        let (number, slot) = board.shards().max_by_key(|(_, slot)| slot.bytes())?;
        let name = self.names.shard(board.layout, number, slot.generation());
        (slot.bytes() > 0).then(|| Fill {
            item: format!("secret {name}"),
            bytes: slot.bytes(),
            bytes_max: VALUE_BYTES_MAX,
        })
    }
}
