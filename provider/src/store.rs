//! The open store, shared by all calls of the process.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tollgate_store::Namespace;
use tollgate_store::backend::{Backend, Change};
use tollgate_store::document::{DocumentKey, Origin, Revision};
use tollgate_store::token::Verifier;

use crate::diagnostic::Diagnostic;
use crate::failure::declared_twice;
use crate::lock;
use crate::plans::Plans;

/// How long a change waits, where no other one is being made that could help, for one to begin: Terraform starts those
/// of an apply at the same moment, but their calls arrive one after another.
const BEGIN_MAX: Duration = Duration::from_secs(1);

/// How long a change waits for others of the same apply that may bring, or take away, what it depends on.
const PATIENCE: Duration = Duration::from_secs(20);

/// The open store, shared by all calls.
#[derive(Debug)]
pub(crate) struct Store {
    /// Where the documents are kept.
    pub(crate) backend: Arc<dyn Backend>,
    /// Which of its namespaces it is.
    pub(crate) namespace: Namespace,
    /// Where what this process creates comes from; `None` where that can't be told.
    pub(crate) origin: Option<Origin>,
    /// What this process planned.
    pub(crate) plans: Plans,
    reserved: Mutex<BTreeMap<DocumentKey, Reserved>>,
    /// The tokens made elsewhere that changes are about to give to keys.
    pub(crate) claimed: Mutex<HashSet<Verifier>>,
    /// What this process created, by the write that did: no interrupted apply left it.
    created: Mutex<BTreeMap<DocumentKey, Revision>>,
    /// Whether a read has had the store tidied up.
    tidied: AtomicBool,
    changes: Changes,
    /// Whether the user was told that the store fills up.
    warned: AtomicBool,
}

/// What a document's place is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To put a document there.
    Create,
    /// To take one away.
    Remove,
}

/// A place that is reserved.
#[derive(Debug)]
struct Reserved {
    purpose: Purpose,
    /// Whether somebody else wanted it.
    is_awaited: bool,
}

/// The changes that are being made.
#[derive(Debug, Default)]
struct Changes {
    /// How many there are.
    running: AtomicUsize,
    /// How many of them only wait for others.
    waiting: AtomicUsize,
    /// Told whenever one begins or ends.
    moved: Notify,
}

impl Store {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        namespace: Namespace,
        origin: Option<Origin>,
    ) -> Self {
        Self {
            backend,
            namespace,
            origin,
            plans: Plans::default(),
            reserved: Mutex::default(),
            claimed: Mutex::default(),
            created: Mutex::default(),
            tidied: AtomicBool::default(),
            changes: Changes::default(),
            warned: AtomicBool::default(),
        }
    }

    /// Reserves a document's place while it is created or removed, for one at a time: a resource that gets another
    /// address is removed and created at the same moment. `None` where somebody has it who will be done soon; an error
    /// where two create it, which are two resources that have the same name by mistake.
    pub(crate) fn reserve(
        &self,
        key: &DocumentKey,
        purpose: Purpose,
    ) -> Result<Option<Reservation<'_>>, Diagnostic> {
        let mut reserved = lock(&self.reserved);
        let Some(standing) = reserved.get_mut(key) else {
            let is_awaited = false;
            reserved.insert(
                key.clone(),
                Reserved {
                    purpose,
                    is_awaited,
                },
            );
            let key = key.clone();
            return Ok(Some(Reservation { store: self, key }));
        };
        if (standing.purpose, purpose) == (Purpose::Create, Purpose::Create) {
            return Err(declared_twice(key));
        }
        standing.is_awaited = true;
        Ok(None)
    }

    /// Whether this process created the document.
    pub(crate) fn has_created(&self, key: &DocumentKey) -> bool {
        lock(&self.created).contains_key(key)
    }

    /// Terraform ends this process as it ends every one whose answers it got: what was created is remembered, and no
    /// later create may take it over. Where that can't be written down, it may for a day.
    pub(crate) async fn prove_created(&self) {
        let created = std::mem::take(&mut *lock(&self.created)).into_iter();
        let changes = created.map(|(key, revision)| Change::Prove { key, revision });
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return;
        }
        for outcome in self.backend.commit(changes).await {
            if let Err(error) = outcome {
                tracing::warn!(%error, "a create could not be marked as remembered");
            }
        }
    }

    /// Tidies up once for all reads that miss a document.
    pub(crate) async fn tidy_once(&self) {
        if !self.tidied.swap(true, Ordering::Relaxed) {
            self.tidy().await;
        }
    }

    /// Removes what an interrupted removal left. Where that can't be done, nothing is lost but tidiness.
    pub(crate) async fn tidy(&self) {
        if let Err(error) = self.backend.tidy().await {
            tracing::warn!(%error, "what a removal left could not be removed");
        }
    }

    /// What the user should know of the room that is left; told once a process.
    pub(crate) async fn warn_of_little_room(&self) -> Option<Diagnostic> {
        // Who can't tell how full it is has told everything else already.
        let fill = self.backend.fill().await.ok().flatten()?;
        if !fill.is_worth_a_warning() || self.warned.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(Diagnostic::warning(
            "The store fills up",
            format!(
                "In {}, {} has {} of at most {} bytes. Spread the namespace over more secrets before it is full: set \
                 `shards` in the provider's `secrets_manager` to twice as many as it has (16 where none is given, 40 at \
                 most), and apply.",
                self.backend.place(),
                fill.item,
                fill.bytes,
                fill.bytes_max
            ),
        ))
    }

    /// Tells others, until it is dropped, that a change is being made.
    pub(crate) fn begin_change(&self) -> RunningChange<'_> {
        self.changes.running.fetch_add(1, Ordering::SeqCst);
        self.changes.moved.notify_waiters();
        RunningChange(&self.changes)
    }

    /// Waits, within a change, until another one begins or ends; `false` where there is none that could help.
    async fn others_moved(&self) -> bool {
        let Changes {
            running,
            waiting,
            moved,
        } = &self.changes;
        let moved = moved.notified();
        let all_wait = waiting.fetch_add(1, Ordering::SeqCst) + 1 >= running.load(Ordering::SeqCst);
        let _waiting = Waiting(waiting);
        if all_wait {
            return tokio::time::timeout(BEGIN_MAX, moved).await.is_ok();
        }
        moved.await;
        true
    }

    /// Looks, within a change, until what it sees is settled: again whenever another change begins or ends, as long as
    /// one could help, and 20 seconds at most. Returns what it saw last.
    pub(crate) async fn settled<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        look: impl Fn() -> F,
        is_settled: impl Fn(&T) -> bool,
    ) -> Result<T, E> {
        let mut seen = look().await?;
        let waiting = async {
            while !is_settled(&seen) && self.others_moved().await {
                seen = look().await?;
            }
            Ok(())
        };
        if let Ok(waited) = tokio::time::timeout(PATIENCE, waiting).await {
            waited?;
        }
        Ok(seen)
    }
}

/// A document's reserved place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    store: &'a Store,
    key: DocumentKey,
}

impl Reservation<'_> {
    /// The document is there now.
    pub(crate) fn created(&self, revision: Revision) {
        lock(&self.store.created).insert(self.key.clone(), revision);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let reserved = lock(&self.store.reserved).remove(&self.key);
        // Nobody else is woken: whoever looks at a place reserves it for that moment.
        if reserved.is_some_and(|reserved| reserved.is_awaited) {
            self.store.changes.moved.notify_waiters();
        }
    }
}

/// A change that is being made, until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningChange<'a>(&'a Changes);

impl Drop for RunningChange<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.moved.notify_waiters();
    }
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
