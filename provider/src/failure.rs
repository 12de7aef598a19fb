//! What can go wrong between a resource and the store, for the user: what, where, and what to do.

use std::fmt::Display;
use std::time::Duration;

use tollgate_store::Problem;
use tollgate_store::backend::StoreError;
use tollgate_store::document::DocumentKey;

use crate::diagnostic::{Diagnostic, Path, listed};
use crate::resource::Failed;
use crate::store::Store;

/// The store's own words on why a document was not `done`: created, changed, removed, read.
pub(crate) fn failure(key: &DocumentKey, done: &str, error: &StoreError) -> Diagnostic {
    Diagnostic::error(format!("{key} was not {done}"), error.to_string())
}

/// A create met a document of the same kind and name.
pub(crate) fn already_exists(store: &Store, key: &DocumentKey) -> Diagnostic {
    let (kind, name) = (key.kind, &key.name);
    let place = store.backend.place();
    Diagnostic::error(
        format!("{key} already exists"),
        format!(
            "{key} already exists in {place}. To manage it from here, run `terraform import tollgate_{kind}.NAME {name}` \
             (NAME is the resource's name in your configuration); otherwise choose another name. If only the resource's \
             name in your configuration changed, say so in a `moved` block; if it is being replaced, do so without \
             `create_before_destroy`: two can't have one name."
        ),
    )
    .at(Path::attribute("name"))
}

/// Two resources of one configuration have the same name.
pub(crate) fn declared_twice(key: &DocumentKey) -> Diagnostic {
    Diagnostic::error(
        format!("{key} is declared twice"),
        format!(
            "Another resource of this configuration is {key} too. A {kind}'s name must be its own: give one of the two \
             another name, or remove it.",
            kind = key.kind.words()
        ),
    )
    .at(Path::attribute("name"))
}

/// A plan is to create what stands already.
pub(crate) fn exists_at_plan(store: &Store, key: &DocumentKey) -> Diagnostic {
    let (kind, name) = (key.kind, &key.name);
    Diagnostic::warning(
        format!("{key} exists already"),
        format!(
            "{} holds {key}, which is to be created. If an interrupted apply of this state left it there, just as it is \
             declared here, the apply goes on with it. Otherwise the apply is refused, unless it removes that one first. \
             If the resource only got another address, say so in a `moved` block; to manage what stands from here, run \
             `terraform import tollgate_{kind}.NAME {name}` (NAME is the resource's name in your configuration); if \
             another state manages it, choose another name or another namespace.",
            store.backend.place()
        ),
    )
    .at(Path::attribute("name"))
}

/// A create found what an earlier one must have left, and went on with it.
pub(crate) fn adopted(store: &Store, key: &DocumentKey) -> Diagnostic {
    Diagnostic::warning(
        format!("{key} was there already"),
        format!(
            "{} held {key} just as it is declared here, created within the last day from this folder, workspace and \
             backend: an apply that was interrupted left it, or a resource of another address, for which there is no \
             `moved` block. This resource goes on with it, and a token that a client has stays good.",
            store.backend.place()
        ),
    )
}

/// The store holds hashes of tokens that a state does not know; `whose` are fingerprints, or the names of keys.
pub(crate) fn unknown_tokens(store: &Store, key: &DocumentKey, whose: Vec<String>) -> Diagnostic {
    Diagnostic::warning(
        format!("{key} has tokens that are not known"),
        format!(
            "{} holds hashes of tokens that this state did not put there: {}. Somebody wrote them by hand, or an apply \
             whose state was lost. The next apply takes away what is not the token that the client was given.",
            store.backend.place(),
            listed(whose)
        ),
    )
}

/// The next apply has something to do by itself.
pub(crate) fn is_due(key: &DocumentKey, reason: &str) -> Diagnostic {
    Diagnostic::warning(format!("{key} is due for a new token"), reason)
}

/// The document of that name is managed elsewhere by now.
pub(crate) fn taken_over(store: &Store, key: &DocumentKey) -> Diagnostic {
    let (kind, name) = (key.kind, &key.name);
    Diagnostic::warning(
        format!("{key} is managed elsewhere"),
        format!(
            "The {key} that stands in {} now was made, or taken over, by another create than this state's. This \
             state forgets it, and nothing is changed in the store. To manage it from here again, run `terraform \
             import tollgate_{kind}.NAME {name}`.",
            store.backend.place()
        ),
    )
}

/// The system gave no random numbers.
pub(crate) fn random_failed(key: &DocumentKey, error: &dyn Display) -> Diagnostic {
    Diagnostic::error(
        format!("{key} was not created"),
        format!("The system's random source failed: {error}."),
    )
}

/// A change took longer than its author allowed.
pub(crate) fn too_slow(limit: Duration) -> Diagnostic {
    Diagnostic::error(
        "The change took too long",
        format!(
            "It was given up after {} s, as `timeouts` asks. What was done until then stands in the store, and the next \
             apply goes on from there; raise the limit if the store is slow.",
            limit.as_secs()
        ),
    )
}

impl Failed {
    /// What the user is told; `done` as in [`failure`].
    pub(crate) fn told(self, key: &DocumentKey, done: &str) -> Diagnostic {
        match self {
            Self::Store(error) => failure(key, done, &error),
            Self::Told(diagnostic) => *diagnostic,
        }
    }
}

/// What stands in the store is no good document.
pub(crate) fn broken(store: &Store, key: &DocumentKey, problem: &Problem) -> Diagnostic {
    let place = store.backend.place_of(key);
    Diagnostic::error(
        format!("{key} is broken"),
        format!(
            "What {place} holds for {key} can't be used, and proxies leave it out: {problem}. Somebody edited it by \
             hand, or a newer version wrote it. Mend it there, or remove it there and apply again."
        ),
    )
}

/// An import of what is not there.
pub(crate) fn nothing_to_import(store: &Store, key: &DocumentKey) -> Diagnostic {
    let place = store.backend.place();
    Diagnostic::error(
        format!("There is no {key}"),
        format!(
            "{place} holds no {key}, so nothing was imported. Check the name (the import's id is the {}'s name) and the \
             provider's namespace.",
            key.kind.words()
        ),
    )
}
