//! Whose a document is, where several could believe that it is theirs.

use rand::rngs::SysError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Revision;
use crate::Timestamp;

/// How long a create that nobody is known to remember may be taken over.
const UNPROVEN_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Where a create came from, as far as can be told: 16 hexadecimal digits of a SHA-256. Two creates of one origin share
/// a Terraform state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// The origin that these facts tell of; their order matters.
    #[must_use]
    pub fn of(facts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for fact in facts {
            // Lengths keep ("ab", "c") from being ("a", "bc").
            hash.update((fact.len() as u64).to_be_bytes());
            hash.update(fact);
        }
        // Enough to tell the states of one namespace apart.
        let start = hash.finalize().first_chunk().copied().unwrap_or_default();
        Self(format!("{:016x}", u64::from_be_bytes(start)))
    }
}

/// The create that a document belongs to.
///
/// Terraform forgets a create whose answer never reached it. The next apply of the same configuration makes the same
/// object again, and finds it there: it takes it over, under an id of its own, so that whoever was there before sees
/// that it is no longer theirs. A document that some later write changed is remembered, and never taken over; nor is one
/// of another origin, which another state remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

impl Owner {
    /// A new owner, who has yet to be remembered; `None` is an origin that can't be told.
    pub fn draw(now: jiff::Timestamp, origin: Option<&Origin>) -> Result<Self, SysError> {
        Ok(Self {
            id: Revision::draw()?.as_str().to_owned(),
            unproven_since: Some(now.into()),
            origin: origin.cloned(),
        })
    }

    /// An owner who is remembered, as the id shows that somebody kept.
    #[must_use]
    pub fn proven(id: String) -> Self {
        Self {
            id,
            unproven_since: None,
            origin: None,
        }
    }

    /// The id: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the document may be what an interrupted create of that origin left: made within a day, and not changed
    /// since.
    #[must_use]
    pub fn may_be_forgotten(&self, now: jiff::Timestamp, origin: Option<&Origin>) -> bool {
        let since = self.unproven_since.as_ref();
        let is_young = since.is_some_and(|since| now.duration_since(since.at()) < UNPROVEN_MAX);
        is_young && origin.is_some() && self.origin.as_ref() == origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_young_create_that_nothing_followed_may_be_forgotten() {
        let now: jiff::Timestamp = "2027-01-02T00:00:00Z".parse().unwrap();
        let here = Origin::of(&[b"here"]);
        let then = now - jiff::SignedDuration::from_hours(23);
        let owner = Owner::draw(then, Some(&here)).unwrap();

        let later = now + jiff::SignedDuration::from_hours(1);
        assert!(owner.may_be_forgotten(now, Some(&here)));
        assert!(!owner.may_be_forgotten(later, Some(&here)));
        assert!(!Owner::proven(owner.id().to_owned()).may_be_forgotten(now, Some(&here)));
    }

    #[test]
    fn another_states_create_is_never_taken_for_a_forgotten_one() {
        let now: jiff::Timestamp = "2027-01-02T00:00:00Z".parse().unwrap();
        let (here, there) = (Origin::of(&[b"a", b"bc"]), Origin::of(&[b"ab", b"c"]));
        let owner = Owner::draw(now, Some(&here)).unwrap();
        let unknown = Owner::draw(now, None).unwrap();

        assert!(!owner.may_be_forgotten(now, Some(&there)));
        assert!(!owner.may_be_forgotten(now, None));
        assert!(!unknown.may_be_forgotten(now, None));
        assert!(!unknown.may_be_forgotten(now, Some(&here)));
    }
}
