//! Keys: what a proxy knows of a client's token, and what the client may do with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_lifetime, check_metadata, check_set, enabled, is_unset};
use super::{Claim, Declaration, Kind, Spec};
use crate::token::Verifier;
use crate::{Cidr, Environment, KeyId, Name, Overlap, Problem, RotationPeriod, Timestamp};

/// The most address blocks of one key.
pub const KEY_CIDRS_MAX: usize = 64;
/// The most characters of what triggers a rotation.
pub const ROTATION_TRIGGER_CHARS_MAX: usize = 256;
/// The most versions that a key may have at once.
pub const KEY_VERSIONS_MAX: usize = 8;

/// A client's key. The token itself is kept elsewhere, where no proxy can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The public id: shown in logs, and part of the token.
    pub id: KeyId,
    /// The environment that the token shows.
    #[serde(default)]
    pub environment: Environment,
    /// The principal that it acts as; where left out it stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// The scopes it holds, 1 to 100; of a principal's key, what it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Name>>,
    /// The roles it has, 1 to 32; never beside a principal, which has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Name>>,
    /// The quotas it is counted by, beside its principal's; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<BTreeSet<Name>>,
    /// Whether it opens anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// From when on it opens something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From when on it opens nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The client addresses it may be used from; every address where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<BTreeSet<Cidr>>,
    /// Notes of the author's, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// How its token is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The tokens that are good: 1 to 8, the newest last.
    pub versions: Vec<KeyVersion>,
}

/// How a key's token is replaced by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The age at which it is; never by itself where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<RotationPeriod>,
    /// How long the older token goes on opening; not at all where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Words of the author's, a change of which replaces the token at once: at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

impl Rotation {
    fn check(&self) -> Result<(), Problem> {
        if let (Some(every), Some(overlap)) = (&self.every, &self.overlap)
            && overlap.length() >= every.length()
        {
            let message = format!("{overlap} must be shorter than every, {every}");
            return Err(Problem::field("overlap", message).under("rotation"));
        }
        let trigger = self.trigger.as_deref().unwrap_or_default();
        let characters = trigger.chars().count();
        if characters > ROTATION_TRIGGER_CHARS_MAX {
            let message = format!(
                "it has {characters} characters, at most {ROTATION_TRIGGER_CHARS_MAX} are allowed"
            );
            return Err(Problem::field("trigger", message).under("rotation"));
        }
        Ok(())
    }
}

/// One token of a key, known by its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVersion {
    /// Counts up from 1.
    pub version: u32,
    /// The SHA-256 of the token.
    pub sha256: Verifier,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on this token opens nothing any more, whatever becomes of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether the token was made elsewhere: it holds no id, and is found by its hash.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub imported: bool,
    /// Whether the token is still on its way to the client. It opens like any other.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub pending: bool,
}

impl Key {
    /// As whom it acts, what it may do, and what counts it.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            principal: self.principal.as_ref(),
            scopes: self.scopes.as_ref(),
            roles: self.roles.as_ref(),
            quotas: self.quotas.as_ref(),
        }
    }
}

/// Checks that there are 1 to 8, the newest last.
pub(super) fn check_versions(versions: &[KeyVersion]) -> Result<(), Problem> {
    check_count("versions", Some(versions.len()), KEY_VERSIONS_MAX)?;
    let numbers = versions.iter().map(|version| version.version);
    if numbers.is_sorted_by(|older, newer| older < newer) {
        return Ok(());
    }
    Err(Problem::field(
        "versions",
        "their numbers must rise from each to the next",
    ))
}

impl Declaration for Key {
    const KIND: Kind = Kind::Key;

    fn check(&self) -> Result<(), Problem> {
        self.claim().check()?;
        check_set("allowed_cidrs", self.allowed_cidrs.as_ref(), KEY_CIDRS_MAX)?;
        check_metadata(self.metadata.as_ref())?;
        self.rotation.as_ref().map_or(Ok(()), Rotation::check)?;
        check_versions(&self.versions)?;
        check_lifetime(self.not_before.as_ref(), self.expires_at.as_ref())
    }
}

impl From<Key> for Spec {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}
