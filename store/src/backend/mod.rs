//! Where documents and tokens are kept.
//!
//! Every backend keeps the same promises, and one conformance suite holds all of them to it: writes are
//! compare-and-swap, one cheap call tells that nothing changed, a broken document never hides the others, and a
//! token is kept apart from its verifier.
//!
//! | backend | for |
//! |---|---|
//! | `aws` | a fleet: AWS Secrets Manager (the crate's feature `aws`) |
//! | `directory` | a laptop, a test, a volume on premises |
//! | `memory` | tests in one process |

#[cfg(feature = "aws")]
mod aws;
mod digest;
mod directory;
mod error;
mod location;
mod memory;
mod standing;

use std::fmt;

use async_trait::async_trait;

pub use error::StoreError;
pub use location::{Location, SecretsManager, open};
pub use memory::Memory;

use crate::document::{Document, DocumentKey, Entry, Revision};
use crate::{KeyId, Name, Secret};

/// How thoroughly [`Backend::poll`] looks for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// One cheap call: sees every change whose writer finished.
    Signal,
    /// Reads everything: also sees changes whose signal was lost, by a crash or by a person's edit.
    Everything,
}

/// What a poll saw; opaque, to be handed back to the next poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(crate) String);

/// Everything that a namespace holds.
#[derive(Debug, Clone)]
pub struct Load {
    /// The documents, good and broken, in no order.
    pub entries: Vec<Entry>,
    /// What to hand to the next poll.
    pub cursor: Cursor,
}

/// What a writer believes to stand in the place that it writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// What that write made.
    Revision(Revision),
}

/// The key that a token belongs to.
#[derive(Debug, Clone, Copy)]
pub struct TokenOwner<'a> {
    /// The key's name.
    pub name: &'a Name,
    /// The key's id.
    pub id: &'a KeyId,
}

/// Where a client reads its own token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The secret's name, or the file's path.
    pub secret_id: String,
    /// The secret's ARN, where there is one.
    pub secret_arn: Option<String>,
}

/// A place that keeps one namespace's documents and tokens.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync {
    /// Which place it is, for messages: `directory ./tollgate, namespace "prod"`.
    fn place(&self) -> String;

    /// Reads everything, if anything changed since `since`; `None` where nothing did.
    ///
    /// A namespace that was never written to, or whose last document was removed, is [`StoreError::NoNamespace`]
    /// where `since` is `None`, and empty otherwise.
    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError>;

    /// Reads one document, good or broken; `None` where there is none.
    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError>;

    /// Writes one document where `expected` still stands, and returns the revision that it then has.
    ///
    /// What others wrote to other documents meanwhile is kept. [`StoreError::AlreadyExists`] or
    /// [`StoreError::Conflict`] where something else stands there.
    async fn write(&self, document: &Document, expected: &Expected)
    -> Result<Revision, StoreError>;

    /// Removes one document where `expected` still stands; one that is gone already is no error.
    async fn delete(&self, key: &DocumentKey, expected: &Revision) -> Result<(), StoreError>;

    /// Keeps a key's token where only its client reads it, in place of an earlier one.
    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
    ) -> Result<TokenPlace, StoreError>;

    /// Where a key's token is kept; `None` where there is none. Reads no token.
    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError>;

    /// Removes a key's token; one that is gone already is no error.
    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError>;
}
