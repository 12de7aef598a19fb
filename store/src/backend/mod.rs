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
mod parallel;
mod standing;

use std::fmt;

use async_trait::async_trait;

#[cfg(feature = "aws")]
pub use aws::ForeignSecrets;
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

impl Expected {
    /// Whether what stands is what the writer believes; `None` is nothing.
    pub(crate) fn is(&self, standing: Option<&Revision>) -> bool {
        match self {
            Self::Absent => standing.is_none(),
            Self::Revision(believed) => standing == Some(believed),
        }
    }
}

/// One change of a namespace, to be committed together with others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are writes, and each is made once"
)]
pub enum Change {
    /// The document, where `expected` still stands.
    Write {
        /// What is to stand.
        document: Document,
        /// What the writer believes to stand.
        expected: Expected,
    },
    /// No document, where that revision still stands.
    Delete {
        /// Which document.
        key: DocumentKey,
        /// What the writer believes to stand.
        expected: Revision,
    },
    /// The same document under the same revision, its owner [`crate::document::Owner::proven`]: where that revision
    /// still stands, and nothing otherwise.
    Prove {
        /// Which document.
        key: DocumentKey,
        /// The write that is remembered.
        revision: Revision,
    },
}

/// Whose tokens are kept in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOwner<'a> {
    /// A key: its newest token.
    Key {
        /// The key's name.
        name: &'a Name,
        /// The key's id.
        id: &'a KeyId,
    },
    /// Some of a key set's keys: a JSON object that maps names to tokens.
    Page {
        /// The set's name.
        set: &'a Name,
        /// Which partition of the set.
        generation: u32,
        /// Which page of that partition, counted from zero.
        page: u32,
    },
}

/// Prints as `token of key "acme-ci"`.
impl fmt::Display for TokenOwner<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { name, .. } => write!(formatter, "token of key {:?}", name.as_str()),
            Self::Page {
                set,
                generation,
                page,
            } => {
                let set = set.as_str();
                write!(
                    formatter,
                    "page {generation}.{page} of the tokens of key set {set:?}"
                )
            }
        }
    }
}

/// A token, or a page of them, as it is kept.
#[derive(Debug, Clone)]
pub struct KeptToken {
    /// The token.
    pub token: Secret,
    /// What a writer names who replaces it.
    pub revision: Revision,
    /// Where it is.
    pub place: TokenPlace,
}

/// Where a client reads its own token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The secret's name, or the file's path.
    pub secret_id: String,
    /// The secret's ARN, where there is one.
    pub secret_arn: Option<String>,
}

/// How full a part of the place is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Which part: `secret tollgate/prod/shard-07`.
    pub item: String,
    /// How many bytes it has.
    pub bytes: usize,
    /// How many bytes it can have.
    pub bytes_max: usize,
}

impl Fill {
    /// Whether it is so full that its owner should know: 70 %.
    #[must_use]
    pub fn is_worth_a_warning(&self) -> bool {
        self.bytes.saturating_mul(10) >= self.bytes_max.saturating_mul(7)
    }
}

/// A place that keeps one namespace's documents and tokens.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync {
    /// Which place it is, for messages: `directory ./tollgate, namespace "prod"`.
    fn place(&self) -> String;

    /// Where one document stands, for messages, as far as a person can look there.
    fn place_of(&self, _key: &DocumentKey) -> String {
        self.place()
    }

    /// Reads everything, if anything changed since `since`; `None` where nothing did.
    ///
    /// A namespace that was never written to, or whose last document was removed, is [`StoreError::NoNamespace`]
    /// where `since` is `None`, and empty otherwise.
    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError>;

    /// Everything that the namespace holds, good and broken, in no order; nothing where nothing was ever written.
    ///
    /// Meant to be asked often: what others wrote in the last ten seconds may be missing, what this process wrote is
    /// there.
    async fn list(&self) -> Result<Vec<Entry>, StoreError>;

    /// Reads one document, good or broken; `None` where there is none. As recent as [`Backend::list`].
    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError>;

    /// Makes several changes, each by itself, with as few calls as can be; the outcomes are in the order of the changes.
    ///
    /// What others wrote to other documents meanwhile is kept. [`StoreError::AlreadyExists`] or
    /// [`StoreError::Conflict`] where something else stands in a document's place. A written document's revision is
    /// returned; a removed one has none, and one that is gone already is no error.
    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>>;

    /// Writes one document where `expected` still stands, and returns the revision that it then has.
    async fn write(
        &self,
        document: &Document,
        expected: &Expected,
    ) -> Result<Revision, StoreError> {
        let change = Change::Write {
            document: document.clone(),
            expected: expected.clone(),
        };
        match self.commit(vec![change]).await.pop() {
            Some(Ok(Some(revision))) => Ok(revision),
            Some(Err(error)) => Err(error),
            _ => Err(no_outcome(self.place())),
        }
    }

    /// Removes one document where `expected` still stands; one that is gone already is no error.
    async fn delete(&self, key: &DocumentKey, expected: &Revision) -> Result<(), StoreError> {
        let change = Change::Delete {
            key: key.clone(),
            expected: expected.clone(),
        };
        match self.commit(vec![change]).await.pop() {
            Some(outcome) => outcome.map(drop),
            None => Err(no_outcome(self.place())),
        }
    }

    /// Keeps a token where only its client reads it, in place of what is `expected` to be kept.
    /// [`StoreError::TokenStands`] where something else is.
    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError>;

    /// Reads a token; `None` where none is kept.
    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError>;

    /// Where a token is kept; `None` where none is. Reads no token. What was removed a few minutes ago may still be
    /// told of.
    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError>;

    /// Removes a token; one that is gone already is no error.
    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError>;

    /// The fullest part of the place, as far as this process knows from what it read and wrote; makes no call of its
    /// own. `None` where nothing is known, or nothing fills up.
    async fn fill(&self) -> Result<Option<Fill>, StoreError> {
        Ok(None)
    }

    /// Removes what an interrupted removal of the last documents left, so that nobody pays for it. What holds
    /// documents, or is about to, stays.
    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A backend that broke the promise of [`Backend::commit`].
fn no_outcome(place: String) -> StoreError {
    StoreError::Failed {
        place,
        action: "to write".to_owned(),
        cause: "it did not say what came of it".to_owned(),
    }
}
