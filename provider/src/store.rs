//! The open store, shared by all calls of the process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tollgate_store::Namespace;
use tollgate_store::backend::Backend;
use tollgate_store::document::DocumentKey;

use crate::diagnostic::{Diagnostic, Path};
use crate::lock;

/// How long a change waits, where no other one is being made that could help, for one to begin: Terraform starts those
/// of an apply at the same moment, but their calls arrive one after another.
const BEGIN_MAX: Duration = Duration::from_secs(1);

/// The open store, shared by all calls.
#[derive(Debug)]
pub(crate) struct Store {
    /// Where the documents are kept.
    pub(crate) backend: Arc<dyn Backend>,
    /// Which of its namespaces it is.
    pub(crate) namespace: Namespace,
    creating: Mutex<BTreeSet<DocumentKey>>,
    /// What this process created: no interrupted apply left it.
    created: Mutex<BTreeSet<DocumentKey>>,
    /// Whether a read has had the store tidied up.
    tidied: AtomicBool,
    changes: Changes,
    /// Whether the user was told that the store fills up.
    warned: AtomicBool,
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
    pub(crate) fn new(backend: Arc<dyn Backend>, namespace: Namespace) -> Self {
        Self {
            backend,
            namespace,
            creating: Mutex::default(),
            created: Mutex::default(),
            tidied: AtomicBool::default(),
            changes: Changes::default(),
            warned: AtomicBool::default(),
        }
    }

    /// Reserves a document's place while it is created: two resources of one configuration may have the same name by
    /// mistake, and Terraform creates them at the same moment.
    pub(crate) fn reserve(&self, key: &DocumentKey) -> Result<Reservation<'_>, Diagnostic> {
        if lock(&self.creating).insert(key.clone()) {
            let key = key.clone();
            return Ok(Reservation { store: self, key });
        }
        Err(Diagnostic::error(
            format!("{key} is declared twice"),
            format!(
                "Another resource creates {key} at this moment. A {kind}'s name must be its own: give one of the two \
                 another name.",
                kind = key.kind
            ),
        )
        .at(Path::attribute("name")))
    }

    /// Whether this process created the document.
    pub(crate) fn has_created(&self, key: &DocumentKey) -> bool {
        lock(&self.created).contains(key)
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
    pub(crate) async fn others_moved(&self) -> bool {
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
}

/// A document's reserved place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    store: &'a Store,
    key: DocumentKey,
}

impl Reservation<'_> {
    /// The document is there now.
    pub(crate) fn created(&self) {
        lock(&self.store.created).insert(self.key.clone());
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        lock(&self.store.creating).remove(&self.key);
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
