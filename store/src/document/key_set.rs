//! Key sets: thousands of keys in few documents.
//!
//! The set's own document says what its keys have in common. The keys stand in parts, named after the set, its
//! generation and their number. A change of the number of parts writes the parts of a new generation, then the set,
//! and then removes the old parts, so that whoever reads meanwhile finds one whole generation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::check::{
    check_count, check_lifetime, check_metadata, check_number, check_set, enabled, is_enabled,
};
use super::key::check_versions;
use super::{Claim, Declaration, DocumentKey, KEY_CIDRS_MAX, KeyVersion, Kind, Spec};
use crate::{Cidr, Description, Environment, KeyId, Name, Namespace, Problem, Timestamp};

/// The most characters of a set's name: a part's name also holds its generation and its number.
pub const KEY_SET_NAME_CHARS_MAX: usize = 48;
/// The most parts of one set.
pub const KEY_SET_PARTS_MAX: u32 = 4_096;
/// The most pages that the tokens of one set are kept in.
pub const KEY_SET_PAGES_MAX: u32 = 4_096;
/// The most keys of one part.
pub const PART_KEYS_MAX: usize = 1_000;

/// What the keys of a set have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The namespace that the ids of the keys derive from.
    pub namespace: Namespace,
    /// The environment that the tokens show.
    #[serde(default)]
    pub environment: Environment,
    /// The principal that each key acts as which names no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// The scopes of each key that has none of its own, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Name>>,
    /// The roles of each key, 1 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Name>>,
    /// The quotas of each key that has none of its own, 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<BTreeSet<Name>>,
    /// Whether any of its keys opens anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Which parts count: those that have this number in their name. 1 or more.
    pub generation: u32,
    /// How many parts there are: 1 to 4096.
    pub parts: u32,
    /// How many pages the tokens are kept in: 1 to 4096.
    pub pages: u32,
}

/// Some of the keys of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySetPart {
    /// The keys by their names within the set: at most 1,000.
    #[serde(deserialize_with = "at_once")]
    pub keys: BTreeMap<Name, SetKey>,
}

/// One key of a set. What it says itself replaces what the set says.
///
/// Most say nothing of their own, and there may be millions: what is seldom said has a place elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetKey {
    /// Whether it opens anything.
    #[serde(default = "enabled", skip_serializing_if = "is_enabled")]
    pub enabled: bool,
    /// From when on it opens something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Box<Timestamp>>,
    /// From when on it opens nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Box<Timestamp>>,
    /// The principal that it acts as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// Its scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Box<BTreeSet<Name>>>,
    /// Its quotas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Box<BTreeSet<Name>>>,
    /// The client addresses it may be used from; every address where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Box<BTreeSet<Cidr>>>,
    /// Notes of the author's, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<BTreeMap<String, String>>>,
    /// The tokens that are good: 1 to 8, the newest last.
    pub versions: Box<[KeyVersion]>,
}

/// Which part of which set, as its name says: `<set>/<generation>/<number>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// The set's name.
    pub set: Name,
    /// The generation: 1 or more.
    pub generation: u32,
    /// Its number within the generation: 1 to the set's number of parts.
    pub number: u32,
}

impl PartName {
    /// Reads a part's name; the error says how one is written.
    pub fn parse(name: &Name) -> Result<Self, String> {
        Self::split(name.as_str()).ok_or_else(|| {
            format!(
                "{:?} is not the name of a part: it must be the set's name, the generation and the number, like \
                 \"partners/1/12\"",
                name.as_str()
            )
        })
    }

    /// What the set's own document is found by.
    #[must_use]
    pub fn set_key(&self) -> DocumentKey {
        DocumentKey {
            kind: Kind::KeySet,
            name: self.set.clone(),
        }
    }

    fn split(text: &str) -> Option<Self> {
        let (rest, number) = text.rsplit_once('/')?;
        let (set, generation) = rest.rsplit_once('/')?;
        let part = Self {
            set: Name::parse(set).ok().filter(is_short)?,
            generation: generation.parse().ok().filter(|number| *number > 0)?,
            number: number
                .parse()
                .ok()
                .filter(|number| (1..=KEY_SET_PARTS_MAX).contains(number))?,
        };
        // Not `01` or `+1`: two names would be one part.
        (part.to_string() == text).then_some(part)
    }

    /// The document's name; an error where the set's name is too long.
    pub fn to_name(&self) -> Result<Name, String> {
        Name::parse(&self.to_string())
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}",
            self.set, self.generation, self.number
        )
    }
}

fn is_short(set: &Name) -> bool {
    set.as_str().len() <= KEY_SET_NAME_CHARS_MAX
}

impl KeySet {
    /// The id of its key `key`; `set` is its own name.
    #[must_use]
    pub fn key_id(&self, set: &Name, key: &Name) -> KeyId {
        KeyId::derive_in_set(&self.namespace, set, key)
    }

    /// What it says for all its keys.
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

impl SetKey {
    /// As whom it acts, what it may do, and what counts it, as one of `set`. Only [`Claim::check`] tells whether the
    /// two agree.
    #[must_use]
    pub fn claim<'d>(&'d self, set: &'d KeySet) -> Claim<'d> {
        let (own, common) = (self.own_claim(), set.claim());
        Claim {
            principal: own.principal.or(common.principal),
            scopes: own.scopes.or(common.scopes),
            roles: common.roles,
            quotas: own.quotas.or(common.quotas),
        }
    }

    /// What it says itself; roles are the set's alone.
    pub(super) fn own_claim(&self) -> Claim<'_> {
        Claim {
            principal: self.principal.as_ref(),
            scopes: self.scopes.as_deref(),
            roles: None,
            quotas: self.quotas.as_deref(),
        }
    }

    fn check(&self) -> Result<(), Problem> {
        self.own_claim().check_consistent()?;
        check_set(
            "allowed_cidrs",
            self.allowed_cidrs.as_deref(),
            KEY_CIDRS_MAX,
        )?;
        check_metadata(self.metadata.as_deref())?;
        check_versions(&self.versions)?;
        check_lifetime(self.not_before.as_deref(), self.expires_at.as_deref())
    }
}

/// Reads a map into a list first: made of all its entries at once, it has no room to spare. Of two entries with one
/// name, the later counts, as everywhere.
fn at_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Name, SetKey>, D::Error> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = BTreeMap<Name, SetKey>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::with_capacity(PART_KEYS_MAX);
            while let Some(entry) = map.next_entry()? {
                keys.push(entry);
            }
            Ok(keys.into_iter().collect())
        }
    }
    deserializer.deserialize_map(Keys)
}

impl Declaration for KeySet {
    const KIND: Kind = Kind::KeySet;

    fn check(&self) -> Result<(), Problem> {
        self.claim().check_consistent()?;
        check_number("generation", self.generation, u32::MAX)?;
        check_number("parts", self.parts, KEY_SET_PARTS_MAX)?;
        check_number("pages", self.pages, KEY_SET_PAGES_MAX)
    }

    fn check_name(name: &Name) -> Result<(), Problem> {
        if is_short(name) {
            return Ok(());
        }
        Err(Problem::whole(format!(
            "{:?} is too long for a key set's name: at most {KEY_SET_NAME_CHARS_MAX} characters",
            name.as_str()
        )))
    }
}

impl Declaration for KeySetPart {
    const KIND: Kind = Kind::KeySetPart;

    fn check(&self) -> Result<(), Problem> {
        if self.keys.len() > PART_KEYS_MAX {
            check_count("keys", Some(self.keys.len()), PART_KEYS_MAX)?;
        }
        for (name, key) in &self.keys {
            key.check()
                .map_err(|problem| problem.within_entry("keys", name.as_str()))?;
        }
        Ok(())
    }

    fn check_name(name: &Name) -> Result<(), Problem> {
        PartName::parse(name).map(drop).map_err(Problem::whole)
    }
}

impl From<KeySet> for Spec {
    fn from(set: KeySet) -> Self {
        Self::KeySet(set)
    }
}

impl From<KeySetPart> for Spec {
    fn from(part: KeySetPart) -> Self {
        Self::KeySetPart(part)
    }
}
