//! What stands in a document's place, against what a writer believes: one rule for every backend.

use super::{Expected, StoreError};
use crate::document::{DocumentKey, Revision};

/// What a backend found in a document's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Nothing,
    /// A document that the write of this revision made; `None` where it is too broken to tell.
    Document(Option<Revision>),
}

impl Standing {
    /// Whether a document may be written here.
    pub(super) fn admit_write(
        &self,
        key: &DocumentKey,
        expected: &Expected,
        place: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        match (self, expected) {
            (Self::Nothing, Expected::Absent) => Ok(()),
            (Self::Document(Some(standing)), Expected::Revision(believed))
                if standing == believed =>
            {
                Ok(())
            }
            (Self::Document(_), Expected::Absent) => Err(StoreError::AlreadyExists {
                key: key.clone(),
                place: place(),
            }),
            (_, Expected::Revision(_)) => Err(StoreError::Conflict {
                key: key.clone(),
                place: place(),
            }),
        }
    }

    /// Whether there is a document to remove, and it may be.
    pub(super) fn admit_delete(
        &self,
        key: &DocumentKey,
        believed: &Revision,
        place: impl FnOnce() -> String,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Nothing => Ok(false),
            Self::Document(Some(standing)) if standing == believed => Ok(true),
            Self::Document(_) => Err(StoreError::Conflict {
                key: key.clone(),
                place: place(),
            }),
        }
    }
}

/// Draws the revision of a new write.
pub(super) fn draw_revision(place: impl FnOnce() -> String) -> Result<Revision, StoreError> {
    Revision::draw().map_err(|error| StoreError::Failed {
        place: place(),
        action: "to draw a revision from the system's random numbers".to_owned(),
        cause: error.to_string(),
    })
}
