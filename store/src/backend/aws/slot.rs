//! What this process knows of one shard, and who waits to write it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::layout::GENERATION_FIRST;
use super::secrets::Value;
use super::shard::{Edit, Shard, Stage};
use crate::backend::StoreError;
use crate::document::DocumentKey;

/// How long a read is answered without asking again. Writes never rely on it.
pub(super) const FRESH: Duration = Duration::from_secs(10);

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

/// A shard, and in which of its secrets it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where it is, or where it would be made.
    pub(super) generation: u32,
    /// What the secret holds; `None` where there is none.
    pub(super) value: Option<Value>,
    pub(super) seen: Seen,
}

/// A write that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) key: DocumentKey,
    pub(super) change: Edit,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
    /// How often it had to look for its shard elsewhere.
    pub(super) moves: u8,
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
    /// The newest secret that it was heard to be in, or where it would be made.
    generation: Option<u32>,
    /// Somebody told of it, and nobody looked yet.
    heard: bool,
    /// How many bytes its value had.
    bytes: usize,
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

    /// What becomes of the secret, where it is a shard.
    pub(super) fn stage(&self) -> Option<Stage> {
        match self {
            Self::Shard { shard, .. } => Some(shard.stage),
            Self::Absent | Self::Corrupt { .. } => None,
        }
    }

    /// Whether the secret has anything to say: a reserved one has not, nor has one that is not there.
    pub(super) fn is_telling(&self) -> bool {
        !matches!(self, Self::Absent) && self.stage() != Some(Stage::Reserved)
    }
}

impl Found {
    /// What a secret of that generation holds.
    pub(super) fn of(generation: u32, value: Option<Value>) -> Self {
        Self {
            generation,
            seen: Seen::of(value.as_ref()),
            value,
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

    /// Whether a poll that saw this tag made sure that there is no such shard.
    pub(super) fn has_polled_absence(&self, tag: Option<&String>) -> bool {
        let absent = matches!(guard(&self.known).seen, Some((Seen::Absent, _)));
        absent && self.has_polled(tag)
    }

    /// Whether what is kept may be older than what was seen.
    pub(super) fn is_doubtful(&self) -> bool {
        guard(&self.known).doubtful
    }

    /// How much was learnt so far: to be asked before Secrets Manager is, and handed to `learn`.
    pub(super) fn lessons(&self) -> u64 {
        guard(&self.known).lessons
    }

    /// Which of its secrets the shard is in, as far as it was heard.
    pub(super) fn generation(&self) -> u32 {
        guard(&self.known).generation.unwrap_or(GENERATION_FIRST)
    }

    /// How many bytes its value had when it was last seen.
    pub(super) fn bytes(&self) -> usize {
        guard(&self.known).bytes
    }

    /// Whether the shard was ever heard of: what then is missing has moved or was removed.
    pub(super) fn is_known(&self) -> bool {
        let known = guard(&self.known);
        let seen = known.seen.as_ref();
        known.heard || seen.is_some_and(|(seen, _)| seen.is_telling())
    }

    /// Hears of a generation. An older one than is known says nothing: it comes late.
    pub(super) fn hear_of(&self, generation: u32) {
        let mut known = guard(&self.known);
        known.generation = known.generation.max(Some(generation));
        known.heard = true;
    }

    /// Learns what was read or written.
    pub(super) fn learn(&self, found: &Found, lessons: u64) {
        guard(&self.known).learn(found, lessons);
    }

    /// Learns what a poll read that saw this tag.
    pub(super) fn learn_polled(&self, found: &Found, tag: Option<String>, lessons: u64) {
        let mut known = guard(&self.known);
        known.learn(found, lessons);
        known.polled = true;
        known.tag = tag;
    }
}

impl Known {
    fn learn(&mut self, found: &Found, lessons: u64) {
        self.doubtful = self.lessons != lessons;
        self.lessons += 1;
        self.heard = false;
        self.generation = Some(found.generation);
        match &found.seen {
            Seen::Absent => self.last_good = None,
            Seen::Shard { shard, .. } => self.last_good = Some(Arc::clone(shard)),
            Seen::Corrupt { .. } => {}
        }
        let text = found.value.as_ref().and_then(|value| value.text.as_ref());
        self.bytes = text.map_or(0, String::len);
        self.seen = Some((found.seen.clone(), Instant::now()));
    }
}

pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a few assignments that can't panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Found {
        Found::of(GENERATION_FIRST, None)
    }

    #[tokio::test]
    async fn of_two_answers_that_crossed_neither_is_taken_for_fresh() {
        let slot = Slot::default();
        let (one, other) = (slot.lessons(), slot.lessons());

        slot.learn_polled(&absent(), None, one);
        assert!(slot.fresh().is_some() && slot.has_polled(None));
        slot.learn(&absent(), other);
        assert!(slot.fresh().is_none() && !slot.has_polled(None));

        slot.learn_polled(&absent(), None, slot.lessons());
        assert!(slot.fresh().is_some() && slot.has_polled(None));
    }

    #[tokio::test]
    async fn what_only_a_write_saw_is_polled_still() {
        let slot = Slot::default();

        slot.learn(&absent(), slot.lessons());

        assert!(!slot.has_polled(None));
    }

    #[tokio::test]
    async fn a_generation_that_is_heard_of_late_says_nothing() {
        let slot = Slot::default();

        slot.hear_of(3);
        slot.hear_of(2);

        assert_eq!(slot.generation(), 3);
        assert!(slot.is_known());
    }
}
