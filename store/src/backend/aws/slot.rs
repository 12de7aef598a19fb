//! What this process knows of one shard, and who waits to write it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::secrets::Value;
use super::shard::{Edit, Shard};
use crate::backend::StoreError;
use crate::document::DocumentKey;

/// How long a read is answered without asking again. Writes never rely on it.
const FRESH: Duration = Duration::from_secs(10);

/// A shard as one read found it.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// There is no such secret.
    Absent,
    /// A shard.
    Shard { version: String, shard: Arc<Shard> },
    /// A value that is no shard.
    Corrupt { version: String, cause: String },
}

/// A write that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) key: DocumentKey,
    pub(super) change: Edit,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// One shard.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Held by the one who reads or writes the secret: the others then find their answer in `known`, or their write
    /// done.
    pub(super) turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Waiting>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Counts what was learnt: who finds it changed since they asked can't tell whose answer is newer.
    lessons: u64,
    /// Two answers crossed, and the one that is kept may be the older.
    doubtful: bool,
    seen: Option<(Seen, Instant)>,
    polled: bool,
    /// The shard's tag on the index when a poll last read it.
    tag: Option<String>,
    last_good: Option<Arc<Shard>>,
}

impl Seen {
    /// Reads what a secret holds.
    pub(super) fn of(value: Option<&Value>) -> Self {
        let Some(value) = value else {
            return Self::Absent;
        };
        let version = value.version.clone();
        let parsed = match &value.text {
            Some(text) => Shard::parse(text),
            None => Err("it is binary".to_owned()),
        };
        match parsed {
            Ok(shard) => Self::Shard {
                version,
                shard: Arc::new(shard),
            },
            Err(cause) => Self::Corrupt { version, cause },
        }
    }

    /// Which version was seen; empty where there is no secret.
    pub(super) fn version(&self) -> &str {
        match self {
            Self::Absent => "",
            Self::Shard { version, .. } | Self::Corrupt { version, .. } => version,
        }
    }
}

impl Slot {
    /// Lets a write wait for its turn.
    pub(super) fn enqueue(&self, waiting: Waiting) {
        guard(&self.waiting).push(waiting);
    }

    /// Everything that waits.
    pub(super) fn take_waiting(&self) -> Vec<Waiting> {
        std::mem::take(&mut *guard(&self.waiting))
    }

    /// What was seen not long ago.
    pub(super) fn fresh(&self) -> Option<Seen> {
        let known = guard(&self.known);
        let (seen, at) = known.seen.as_ref()?;
        (!known.doubtful && at.elapsed() < FRESH).then(|| seen.clone())
    }

    /// What was seen last, and the documents of the last shard that was good.
    pub(super) fn last(&self) -> (Option<Seen>, Option<Arc<Shard>>) {
        let known = guard(&self.known);
        let seen = known.seen.as_ref().map(|(seen, _)| seen.clone());
        (seen, known.last_good.clone())
    }

    /// Whether a poll has read what that tag announces.
    pub(super) fn has_polled(&self, tag: Option<&String>) -> bool {
        let known = guard(&self.known);
        known.polled && !known.doubtful && known.tag.as_ref() == tag
    }

    /// Whether what is kept may be older than what was seen.
    pub(super) fn is_doubtful(&self) -> bool {
        guard(&self.known).doubtful
    }

    /// How much was learnt so far: to be asked before Secrets Manager is, and handed to `learn`.
    pub(super) fn lessons(&self) -> u64 {
        guard(&self.known).lessons
    }

    /// Learns what was read or written.
    pub(super) fn learn(&self, seen: Seen, lessons: u64) {
        guard(&self.known).learn(seen, lessons);
    }

    /// Learns what a poll read that saw this tag.
    pub(super) fn learn_polled(&self, seen: Seen, tag: Option<String>, lessons: u64) {
        let mut known = guard(&self.known);
        known.learn(seen, lessons);
        known.polled = true;
        known.tag = tag;
    }
}

impl Known {
    fn learn(&mut self, seen: Seen, lessons: u64) {
        self.doubtful = self.lessons != lessons;
        self.lessons += 1;
        match &seen {
            Seen::Absent => self.last_good = None,
            Seen::Shard { shard, .. } => self.last_good = Some(Arc::clone(shard)),
            Seen::Corrupt { .. } => {}
        }
        self.seen = Some((seen, Instant::now()));
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a few assignments that can't panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_two_answers_that_crossed_neither_is_taken_for_fresh() {
        let slot = Slot::default();
        let (one, other) = (slot.lessons(), slot.lessons());

        slot.learn_polled(Seen::Absent, None, one);
        assert!(slot.fresh().is_some() && slot.has_polled(None));
        slot.learn(Seen::Absent, other);
        assert!(slot.fresh().is_none() && !slot.has_polled(None));

        slot.learn_polled(Seen::Absent, None, slot.lessons());
        assert!(slot.fresh().is_some() && slot.has_polled(None));
    }

    #[tokio::test]
    async fn what_only_a_write_saw_is_polled_still() {
        let slot = Slot::default();

        slot.learn(Seen::Absent, slot.lessons());

        assert!(!slot.has_polled(None));
    }
}
