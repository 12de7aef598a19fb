//! What can go wrong with a store: the cause, and the remedy.

use std::sync::Arc;

use crate::document::DocumentKey;

/// Why a store could not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A create met a document of the same kind and name.
    #[error("{key} already exists in {place}: import it, or choose another name")]
    AlreadyExists {
        /// The document.
        key: DocumentKey,
        /// The store.
        place: String,
    },
    /// Somebody else changed or removed the document since it was read.
    #[error(
        "{key} in {place} was changed by somebody else since it was read: nothing was written; plan again to see what changed"
    )]
    Conflict {
        /// The document.
        key: DocumentKey,
        /// The store.
        place: String,
    },
    /// Another token is kept than the one that was to be replaced.
    #[error(
        "the {owner} in {place} was written by somebody else meanwhile: nothing was written; plan again"
    )]
    TokenStands {
        /// Whose token.
        owner: String,
        /// The store.
        place: String,
    },
    /// Nothing was ever written to the namespace, or all of it was removed.
    #[error("{place} holds nothing: run `terraform apply` for it, or check the namespace's name")]
    NoNamespace {
        /// The store.
        place: String,
    },
    /// The place can't be reached, or did not answer in time.
    #[error("{place} can't be reached: {cause}; {remedy}")]
    Unreachable {
        /// The store.
        place: String,
        /// What went wrong.
        cause: String,
        /// What would help.
        remedy: String,
    },
    /// There are no credentials, or they are no good.
    #[error("{place} can't be used without credentials: {cause}; {remedy}")]
    NoCredentials {
        /// The store.
        place: String,
        /// What went wrong.
        cause: String,
        /// What would help.
        remedy: String,
    },
    /// The credentials do not allow it.
    #[error("{place} refused {action}: {cause}; allow it in the policy of the role in use")]
    Denied {
        /// The store.
        place: String,
        /// What was asked for.
        action: String,
        /// What the store answered.
        cause: String,
    },
    /// The store asked to slow down, also after the last retry.
    #[error(
        "{place} asks to slow down, also after {attempts} attempts: wait a minute, or lower terraform's -parallelism"
    )]
    Throttled {
        /// The store.
        place: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Something that is not a document but holds documents is broken.
    #[error("{item} in {place} is corrupt: {cause}; {remedy}")]
    Corrupt {
        /// The store.
        place: String,
        /// What is broken.
        item: String,
        /// In which way.
        cause: String,
        /// What would help.
        remedy: String,
    },
    /// There is no room left for the document.
    #[error(
        "{item} in {place} is full: it would have {bytes} bytes, the limit is {bytes_max}; declare more shards, or use a second namespace"
    )]
    Full {
        /// The store.
        place: String,
        /// What is full.
        item: String,
        /// How large it would be.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// A file can't be read or written.
    #[error("{path} can't be {action}: {source}")]
    File {
        /// Which file or folder.
        path: String,
        /// `read`, `written`, `locked`, `removed`, `listed`.
        action: &'static str,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The store answered something that fits none of the above.
    #[error("{place} failed {action}: {cause}")]
    Failed {
        /// The store.
        place: String,
        /// What was asked for.
        action: String,
        /// What the store answered.
        cause: String,
    },
}
