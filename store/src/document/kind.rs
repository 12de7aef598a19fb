//! The kinds of documents, and what a document is found by.

use std::fmt;

use serde::Serialize;

use crate::Name;

/// What kind of thing a document declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Methods, hosts and paths that a credential may be given.
    Scope,
    /// Limits on requests over time.
    Quota,
    /// Scopes that are given together.
    Role,
    /// A user or a system that may own many credentials.
    Principal,
    /// An authorization server whose tokens are taken.
    Issuer,
    /// A client's key: its verifiers and what it may do.
    Key,
    /// What thousands of keys have in common.
    KeySet,
    /// Some of the keys of a set.
    KeySetPart,
    /// Servers that answer behind the proxies.
    Upstream,
    /// Which requests go to which upstream.
    Route,
    /// A deployment of proxies.
    Proxy,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Scope,
        Self::Quota,
        Self::Role,
        Self::Issuer,
        Self::Principal,
        Self::Key,
        Self::KeySet,
        Self::KeySetPart,
        Self::Upstream,
        Self::Route,
        Self::Proxy,
    ];

    /// Its name in JSON, in file names and in Terraform.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Quota => "quota",
            Self::Role => "role",
            Self::Principal => "principal",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::KeySet => "key_set",
            Self::KeySetPart => "key_set_part",
            Self::Upstream => "upstream",
            Self::Route => "route",
            Self::Proxy => "proxy",
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::KeySet => "key set",
            Self::KeySetPart => "key set part",
            _ => self.as_str(),
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a document is found by: its kind and its name. Prints as `key "acme-ci"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// The kind.
    pub kind: Kind,
    /// The name, unique within the kind.
    pub name: Name,
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.kind.words(), self.name.as_str())
    }
}
