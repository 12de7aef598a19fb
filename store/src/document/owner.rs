//! Whose a document is, where several could believe that it is theirs.

use rand::rngs::SysError;
use serde::{Deserialize, Serialize};

use super::Revision;
use crate::Timestamp;

/// How long a create that nobody is known to remember may be taken over.
const UNPROVEN_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// The create that a document belongs to.
///
/// Terraform forgets a create whose answer never reached it. The next apply of the same configuration makes the same
/// object again, and finds it there: it takes it over, under an id of its own, so that whoever was there before sees
/// that it is no longer theirs. A document that some later write changed is remembered, and never taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven_since: Option<Timestamp>,
}

impl Owner {
    /// A new owner, who has yet to be remembered.
    pub fn draw(now: jiff::Timestamp) -> Result<Self, SysError> {
        Ok(Self {
            id: Revision::draw()?.as_str().to_owned(),
            unproven_since: Some(now.into()),
        })
    }

    /// An owner who is remembered, as the id shows that somebody kept.
    #[must_use]
    pub fn proven(id: String) -> Self {
        Self {
            id,
            unproven_since: None,
        }
    }

    /// The id: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the document may be what an interrupted create left: made within a day, and not changed since.
    #[must_use]
    pub fn may_be_forgotten(&self, now: jiff::Timestamp) -> bool {
        let since = self.unproven_since.as_ref();
        since.is_some_and(|since| now.duration_since(since.at()) < UNPROVEN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_young_create_that_nothing_followed_may_be_forgotten() {
        let now: jiff::Timestamp = "2027-01-02T00:00:00Z".parse().unwrap();
        let owner = Owner::draw(now - jiff::SignedDuration::from_hours(23)).unwrap();

        assert!(owner.may_be_forgotten(now));
        assert!(!owner.may_be_forgotten(now + jiff::SignedDuration::from_hours(1)));
        assert!(!Owner::proven(owner.id().to_owned()).may_be_forgotten(now));
    }
}
