//! What can go wrong between a resource and the store, for the user: what, where, and what to do.

use tollgate_store::Problem;
use tollgate_store::backend::StoreError;
use tollgate_store::document::DocumentKey;

use crate::diagnostic::{Diagnostic, Path};
use crate::resource::Store;

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

/// After a call that ended half-way, somebody else's document stands where ours should.
pub(crate) fn not_own(store: &Store, key: &DocumentKey) -> Diagnostic {
    let (kind, name) = (key.kind, &key.name);
    let place = store.backend.place();
    Diagnostic::error(
        format!("{key} is not the one that this state tells of"),
        format!(
            "An earlier apply of {key} ended half-way, and another one stands in {place} now. Nothing was changed. \
             Remove it from this state with `terraform state rm tollgate_{kind}.NAME`; to manage it from here, run \
             `terraform import tollgate_{kind}.NAME {name}` after that."
        ),
    )
}

/// What stands in the store is no good document.
pub(crate) fn broken(store: &Store, key: &DocumentKey, problem: &Problem) -> Diagnostic {
    let place = store.backend.place();
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
            key.kind
        ),
    )
}
