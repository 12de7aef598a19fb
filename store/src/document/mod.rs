//! Documents: what Terraform writes, the store keeps and every proxy reads.
//!
//! A document is a versioned envelope in JSON: `kind`, `name`, `schema`, `spec`, and the `revision` of the write that
//! made it. Its parts are validated types, so that whoever holds a [`Document`] never checks again. Documents grant
//! and never deny: leaving a bad one out can only narrow access.

mod envelope;
mod key;
mod proxy;
mod quota;
mod route;
mod scope;
mod upstream;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use envelope::{DocumentId, Entry, Revision, SCHEMA};
pub use key::{
    KEY_CIDRS_MAX, KEY_QUOTAS_MAX, KEY_SCOPES_MAX, KEY_VERSIONS_MAX, Key, KeyVersion,
    METADATA_CHARS_MAX, METADATA_ENTRIES_MAX,
};
pub use proxy::{LISTEN_MAX, Listen, Proxy, TRUSTED_PROXIES_MAX};
pub use quota::{Each, LIMITS_MAX, Limit, Quota, REQUESTS_MAX};
pub use route::Route;
pub use scope::{GRANTS_MAX, Grant, MATCHERS_MAX, Scope};
pub use upstream::{TARGETS_MAX, Timeouts, Upstream};

use crate::{Name, Problem};

/// What kind of thing a document declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Methods, hosts and paths that a credential may be given.
    Scope,
    /// Limits on requests over time.
    Quota,
    /// A client's key: its verifiers and what it may do.
    Key,
    /// Servers that answer behind the proxies.
    Upstream,
    /// Which requests go to which upstream.
    Route,
    /// A deployment of proxies.
    Proxy,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Scope,
        Self::Quota,
        Self::Key,
        Self::Upstream,
        Self::Route,
        Self::Proxy,
    ];

    /// Its name in JSON, in file names and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Quota => "quota",
            Self::Key => "key",
            Self::Upstream => "upstream",
            Self::Route => "route",
            Self::Proxy => "proxy",
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
        write!(formatter, "{} {:?}", self.kind, self.name.as_str())
    }
}

/// What a document declares, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// See [`Scope`].
    Scope(Scope),
    /// See [`Quota`].
    Quota(Quota),
    /// See [`Key`].
    Key(Key),
    /// See [`Upstream`].
    Upstream(Upstream),
    /// See [`Route`].
    Route(Route),
    /// See [`Proxy`].
    Proxy(Proxy),
}

/// One kind's `spec`: a struct whose fields are validated types, and the checks that concern several of them.
pub trait Declaration: Serialize + DeserializeOwned + Into<Spec> {
    /// Its kind.
    const KIND: Kind;

    /// Checks what one field's type can't: counts, and fields that depend on each other.
    fn check(&self) -> Result<(), Problem>;

    /// Reads a `spec`: unknown fields, bad values and contradictions are a problem at their place.
    fn parse(spec: serde_json::Value) -> Result<Self, Problem> {
        let declaration: Self = serde_path_to_error::deserialize(spec)?;
        declaration.check()?;
        Ok(declaration)
    }
}

/// A named, valid declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    name: Name,
    spec: Spec,
}

impl Document {
    /// Names a declaration, if it is valid.
    pub fn new<D: Declaration>(name: Name, declaration: D) -> Result<Self, Problem> {
        declaration.check()?;
        Ok(Self {
            name,
            spec: declaration.into(),
        })
    }

    /// Reads a `spec` of the given kind.
    pub fn parse(key: &DocumentKey, spec: serde_json::Value) -> Result<Self, Problem> {
        let spec = match key.kind {
            Kind::Scope => Scope::parse(spec)?.into(),
            Kind::Quota => Quota::parse(spec)?.into(),
            Kind::Key => Key::parse(spec)?.into(),
            Kind::Upstream => Upstream::parse(spec)?.into(),
            Kind::Route => Route::parse(spec)?.into(),
            Kind::Proxy => Proxy::parse(spec)?.into(),
        };
        Ok(Self {
            name: key.name.clone(),
            spec,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it declares.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.spec {
            Spec::Scope(_) => Kind::Scope,
            Spec::Quota(_) => Kind::Quota,
            Spec::Key(_) => Kind::Key,
            Spec::Upstream(_) => Kind::Upstream,
            Spec::Route(_) => Kind::Route,
            Spec::Proxy(_) => Kind::Proxy,
        }
    }

    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> DocumentKey {
        DocumentKey {
            kind: self.kind(),
            name: self.name.clone(),
        }
    }
}

impl Serialize for Spec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scope(scope) => scope.serialize(serializer),
            Self::Quota(quota) => quota.serialize(serializer),
            Self::Key(key) => key.serialize(serializer),
            Self::Upstream(upstream) => upstream.serialize(serializer),
            Self::Route(route) => route.serialize(serializer),
            Self::Proxy(proxy) => proxy.serialize(serializer),
        }
    }
}

/// Checks that a list or set has `1..=most` elements where it is given.
fn check_count(field: &str, count: Option<usize>, most: usize) -> Result<(), Problem> {
    match count {
        Some(0) => Err(Problem::field(
            field,
            "must not be empty: give at least one, or leave it out",
        )),
        Some(count) if count > most => Err(Problem::field(
            field,
            format!("has {count} elements, at most {most} are allowed"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
