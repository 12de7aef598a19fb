//! Polling: one call while nothing changes, and only what changed where something did.

use super::Store;
use super::index::Tags;
use super::layout::ShardNumber;
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
        // Before the shards: what is written meanwhile then differs at the next poll.
        let tags = self.index.tags(&self.secrets).await?;
        let signal = signal(tags.as_ref());
        let seen = since.and_then(|cursor| cursor.0.split_once(' '));
        let same = seen.is_some_and(|(seen, _)| seen == signal);
        let certain = !self.slots.iter().any(Slot::is_doubtful);
        if depth == Depth::Signal && same && certain && tags.is_some() {
            return Ok(None);
        }
        // Without an index nothing tells which shards changed.
        let depth = match (&tags, since) {
            (Some(_), Some(_)) => depth,
            _ => Depth::Everything,
        };
        self.refresh(&tags.unwrap_or_default(), depth).await?;
        let (entries, digest) = self.entries();
        if since.is_none() && entries.is_empty() {
            return Err(StoreError::NoNamespace {
                place: self.place().to_owned(),
            });
        }
        let cursor = Cursor(format!("{signal} {digest}"));
        Ok((since != Some(&cursor)).then_some(Load { entries, cursor }))
    }

    /// Reads the shards whose tag differs from when they were last read, or all of them.
    async fn refresh(&self, tags: &Tags, depth: Depth) -> Result<(), StoreError> {
        let mut changed = Vec::new();
        for (number, slot) in ShardNumber::all().zip(&self.slots) {
            let tag = tags.get(&number.tag());
            if depth == Depth::Everything || !slot.has_polled(tag) {
                changed.push((self.names.shard(number), slot, tag, slot.lessons()));
            }
        }
        let mut names: Vec<String> = changed.iter().map(|(name, ..)| name.clone()).collect();
        if changed.len() == self.slots.len() {
            names.push(self.index.name().to_owned());
        }
        if names.is_empty() {
            return Ok(());
        }
        let values = self.secrets.values(&names).await?;
        if let Some(value) = values.get(self.index.name()) {
            self.index.check_reader(&self.secrets, value)?;
        }
        for (name, slot, tag, lessons) in changed {
            let seen = Seen::of(values.get(&name));
            slot.learn_polled(seen, tag.cloned(), lessons);
        }
        Ok(())
    }

    /// All that is known, and a digest that differs where any of it does.
    fn entries(&self) -> (Vec<Entry>, String) {
        let mut entries = Vec::new();
        let mut digest = Digest::default();
        for (number, slot) in ShardNumber::all().zip(&self.slots) {
            let (seen, last_good) = slot.last();
            // A corrupt shard goes on with what it held when it was last good.
            entries.extend(last_good.iter().flat_map(|shard| shard.entries()));
            digest.add(seen.as_ref().map_or("", Seen::version));
            if let Some(Seen::Corrupt { cause, .. }) = seen {
                let id = DocumentId {
                    kind: "shard".to_owned(),
                    name: self.names.shard(number),
                };
                entries.push(Entry::broken(id, cause));
            }
        }
        (entries, digest.text())
    }
}

fn signal(tags: Option<&Tags>) -> String {
    let Some(tags) = tags else {
        return "none".to_owned();
    };
    let mut digest = Digest::default();
    for (key, value) in tags {
        digest.add(key);
        digest.add(value);
    }
    digest.text()
}
