//! Polling: one call while nothing changes, and only what changed where something did.

use std::sync::Arc;

use super::Store;
use super::board::Board;
use super::find::{Stop, UNSETTLED_MAX};
use super::index::Look;
use super::layout::layout_told;
use super::patience::Patience;
use super::slot::{Seen, Slot};
use crate::backend::digest::Digest;
use crate::backend::{Cursor, Depth, Load, StoreError};
use crate::document::{DocumentId, Entry};

impl Store {
    /// See [`crate::backend::Backend::poll`].
    pub(super) async fn poll(
        &self,
        since: Option<&Cursor>,
        depth: Depth,
    ) -> Result<Option<Load>, StoreError> {
        let mut patience = Patience::lasting(UNSETTLED_MAX);
        loop {
            match self.poll_once(since, depth).await {
                Ok(load) => return Ok(load),
                Err(stop) => self.settle(stop, &mut patience).await?,
            }
        }
    }

    async fn poll_once(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, Stop> {
        // Before the shards: what is written meanwhile then differs at the next poll.
        let look = self.index.look(&self.secrets).await?;
        let signal = signal(look.as_ref());
        let seen = since.and_then(|cursor| cursor.0.split_once(' '));
        let same = seen.is_some_and(|(seen, _)| seen == signal);
        let certain = !self.current().shards().any(|(_, slot)| slot.is_doubtful());
        if depth == Depth::Signal && same && certain && look.is_some() {
            return Ok(None);
        }
        // Without an index nothing tells which shards changed.
        let depth = match (&look, since) {
            (Some(_), Some(_)) => depth,
            _ => Depth::Everything,
        };
        let board = self.refresh(look.as_ref(), depth).await?;
        let (entries, digest) = self.entries(&board);
        if since.is_none() && entries.is_empty() {
            return Err(Stop::Failed(StoreError::NoNamespace {
                place: self.place().to_owned(),
            }));
        }
        let cursor = Cursor(format!("{signal} {digest}"));
        Ok((since != Some(&cursor)).then_some(Load { entries, cursor }))
    }

    /// Reads what changed as the namespace is laid out at that look.
    async fn refresh(&self, look: Option<&Look>, depth: Depth) -> Result<Arc<Board>, Stop> {
        let Some(look) = look else {
            let board = self.current();
            self.refresh_shards(&board, None, depth, false).await?;
            return Ok(board);
        };
        if self.index.is_unread() {
            // A guess saves a new proxy a call: the index is read along with the shards.
            let guess = layout_told(&look.tags).unwrap_or(self.current().layout);
            let board = self.adopt(guess);
            if self.refresh_shards(&board, Some(look), depth, true).await? {
                return Ok(board);
            }
        }
        let layout = self.index.layout(&self.secrets, look).await?;
        let board = self.adopt(layout);
        self.refresh_shards(&board, Some(look), depth, false)
            .await?;
        Ok(board)
    }

    /// Reads the shards whose tag differs from when they were last read, or all of them; `false` where the index that
    /// was read along tells of another layout, or of none.
    async fn refresh_shards(
        &self,
        board: &Board,
        look: Option<&Look>,
        depth: Depth,
        with_index: bool,
    ) -> Result<bool, Stop> {
        if let Some(look) = look {
            board.hear(look);
        }
        let mut numbers = Vec::new();
        let mut changed = Vec::new();
        for (number, slot) in board.shards() {
            let tag = look.and_then(|look| look.tags.get(&number.tag()));
            if depth == Depth::Everything || !slot.has_polled(tag) {
                numbers.push(number);
                changed.push((slot, tag.cloned(), slot.lessons()));
            }
        }
        let (found, index) = self.gather(board, look, &numbers, with_index).await?;
        let layout = match (look, index) {
            (Some(look), Some(index)) => Some(self.index.learn(&self.secrets, look, &index)?),
            _ => None,
        };
        if with_index && layout != Some(board.layout) {
            return Ok(false);
        }
        for ((slot, tag, lessons), found) in changed.into_iter().zip(found) {
            slot.learn_polled(&found, tag, lessons);
        }
        Ok(true)
    }

    /// All that is known, and a digest that differs where any of it does.
    fn entries(&self, board: &Board) -> (Vec<Entry>, String) {
        let mut entries = Vec::new();
        let mut digest = Digest::default();
        for (number, slot) in board.shards() {
            let (seen, last_good) = slot.last();
            // A corrupt shard goes on with what it held when it was last good.
            entries.extend(last_good.iter().flat_map(|shard| shard.entries()));
            digest.add(seen.as_ref().map_or("", Seen::version));
            if let Some(Seen::Corrupt { cause, .. }) = seen {
                let name = self
                    .names
                    .shard(board.layout, number, Slot::generation(slot));
                let id = DocumentId {
                    kind: "shard".to_owned(),
                    name,
                };
                entries.push(Entry::broken(id, cause));
            }
        }
        (entries, digest.text())
    }
}

fn signal(look: Option<&Look>) -> String {
    let Some(look) = look else {
        return "none".to_owned();
    };
    let mut digest = Digest::default();
    digest.add(&look.version);
    for (key, value) in &look.tags {
        digest.add(key);
        digest.add(value);
    }
    digest.text()
}
