//! Keys: what a proxy knows of a client's token, and what the client may do with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Declaration, Kind, Spec, check_count};
use crate::token::Verifier;
use crate::{Cidr, Environment, KeyId, Name, Problem, Timestamp};

/// The most scopes of one key.
pub const KEY_SCOPES_MAX: usize = 100;
/// The most quotas of one key.
pub const KEY_QUOTAS_MAX: usize = 8;
/// The most address blocks of one key.
pub const KEY_CIDRS_MAX: usize = 64;
/// The most entries of a key's metadata.
pub const METADATA_ENTRIES_MAX: usize = 16;
/// The most characters of one metadata key or value.
pub const METADATA_CHARS_MAX: usize = 256;
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
    /// The scopes it holds: 1 to 100.
    pub scopes: BTreeSet<Name>,
    /// The quotas it is counted by; none where left out.
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
    /// The tokens that are good: 1 to 8, the newest last.
    pub versions: Vec<KeyVersion>,
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
}

fn enabled() -> bool {
    true
}

impl Declaration for Key {
    const KIND: Kind = Kind::Key;

    fn check(&self) -> Result<(), Problem> {
        check_count("scopes", Some(self.scopes.len()), KEY_SCOPES_MAX)?;
        check_count(
            "quotas",
            self.quotas.as_ref().map(BTreeSet::len),
            KEY_QUOTAS_MAX,
        )?;
        check_count(
            "allowed_cidrs",
            self.allowed_cidrs.as_ref().map(BTreeSet::len),
            KEY_CIDRS_MAX,
        )?;
        check_count(
            "metadata",
            self.metadata.as_ref().map(BTreeMap::len),
            METADATA_ENTRIES_MAX,
        )?;
        check_count("versions", Some(self.versions.len()), KEY_VERSIONS_MAX)?;
        if let (Some(start), Some(end)) = (&self.not_before, &self.expires_at)
            && start.at() >= end.at()
        {
            return Err(Problem::field(
                "expires_at",
                format!("{end} must be later than not_before, {start}"),
            ));
        }
        let long = |text: &&String| text.chars().count() > METADATA_CHARS_MAX;
        if let Some(text) = self
            .metadata
            .iter()
            .flatten()
            .flat_map(|(key, value)| [key, value])
            .find(long)
        {
            let start: String = text.chars().take(20).collect();
            let message =
                format!("\"{start}…\" is too long: at most {METADATA_CHARS_MAX} characters");
            return Err(Problem::field("metadata", message));
        }
        Ok(())
    }
}

impl From<Key> for Spec {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}
