//! Every key of the namespace, whichever document holds it.

use tollgate_store::Name;
use tollgate_store::document::{Document, Entry, Key, Kind, Spec};

use crate::diagnostic::Diagnostic;
use crate::resource::Store;

/// A key, as a document of its own.
pub(super) struct Found {
    /// The key set that it belongs to.
    pub(super) set: Option<Name>,
    /// The key's name and what it may do.
    pub(super) document: Document,
}

impl Found {
    /// Its name as logs show it: `acme-ci`, or `partners/acme-ci` of a key set.
    pub(super) fn label(&self) -> String {
        let name = self.document.name();
        match &self.set {
            None => name.to_string(),
            Some(set) => format!("{set}/{name}"),
        }
    }

    /// What it may do.
    pub(super) fn key(&self) -> Option<&Key> {
        match self.document.spec() {
            Spec::Key(key) => Some(key),
            _ => None,
        }
    }
}

/// Everything that the namespace holds, good and broken.
pub(super) async fn entries(store: &Store) -> Result<Vec<Entry>, Diagnostic> {
    let listed = store.backend.list().await;
    listed.map_err(|error| Diagnostic::error("The store was not read", error.to_string()))
}

/// The keys, in the order of their labels, and a warning where some of them are broken.
pub(super) fn keys(entries: &[Entry]) -> (Vec<Found>, Option<Diagnostic>) {
    let documents = entries
        .iter()
        .filter_map(|entry| entry.document.as_ref().ok());
    let mut keys: Vec<_> = documents
        .filter(|document| document.kind() == Kind::Key)
        .map(|document| Found {
            set: None,
            document: document.clone(),
        })
        .collect();
    keys.sort_by_cached_key(Found::label);
    (keys, broken(entries))
}

/// How many broken documents a warning names.
const NAMED_MAX: usize = 10;

fn broken(entries: &[Entry]) -> Option<Diagnostic> {
    let is_of_keys = |entry: &&Entry| Kind::parse(&entry.id.kind) == Some(Kind::Key);
    let mut broken: Vec<_> = entries
        .iter()
        .filter(is_of_keys)
        .filter_map(|entry| Some(format!("{}: {}", entry.id, entry.document.as_ref().err()?)))
        .collect();
    if broken.is_empty() {
        return None;
    }
    broken.sort_unstable();
    let more = broken.len().saturating_sub(NAMED_MAX);
    broken.truncate(NAMED_MAX);
    let more = if more == 0 {
        String::new()
    } else {
        format!("; and {more} more")
    };
    Some(Diagnostic::warning(
        "Some keys are broken",
        format!(
            "Neither this list nor a proxy has them. {}{more}",
            broken.join("; ")
        ),
    ))
}
