//! Callers that bear a token of an issuer (RFC 6750, RFC 9068).
//!
//! Only `alg` and `kid` of a token's head choose anything, and only among what its issuer's document and its published
//! keys hold: a token brings no key, and names no place to fetch one from.

mod claimed;
mod claims;
mod fault;
mod introspection;
mod issuer;
mod json;
mod jws;
mod keys;
mod memory;
mod possession;
mod proof;
mod trail;
mod verify;

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::{Map, Value};
use tollgate_store::Name;

pub use fault::TokenFault;
pub use introspection::Introspection;
pub use issuer::IssuerRule;
pub(crate) use issuer::{Held, Subjects, subject_claim};
pub use keys::{ISSUER_KEYS_MAX, JsonWebKeys};
pub use memory::{PROOFS_MAX, TokenDigest, TokenMemory};
pub use possession::Sent;
pub use trail::{TokenTrail, Traced};

use super::access::Access;

/// What holds the keys of issuers that publish them, and what issuers said of tokens.
pub trait IssuerKeys: Send + Sync {
    /// The keys of an issuer; `None` where none are known.
    fn keys(&self, issuer: &Name) -> Option<Arc<JsonWebKeys>>;

    /// What an issuer said of a token; `None` where it was not asked, or too long ago.
    fn introspection(&self, _issuer: &Name, _token: &TokenDigest) -> Option<Arc<Introspection>> {
        None
    }
}

/// One set of keys, taken for every issuer's: for who asks about one token and knows whose it is.
#[derive(Debug)]
pub struct GivenKeys(pub Arc<JsonWebKeys>);

impl IssuerKeys for GivenKeys {
    fn keys(&self, _issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        Some(Arc::clone(&self.0))
    }
}

/// What an issuer said of one token, taken for what every issuer says of any: likewise.
#[derive(Debug)]
pub struct GivenAnswer(pub Arc<Introspection>);

impl IssuerKeys for GivenAnswer {
    fn keys(&self, _issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        None
    }

    fn introspection(&self, _issuer: &Name, _token: &TokenDigest) -> Option<Arc<Introspection>> {
        Some(Arc::clone(&self.0))
    }
}

/// No keys at all.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

impl IssuerKeys for NoKeys {
    fn keys(&self, _issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        None
    }
}

/// The place of an issuer among those of its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IssuerNumber(usize);

/// How a token is sent in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// As whoever's who has it (RFC 6750).
    Bearer,
    /// With a proof that its key is the sender's (RFC 9449).
    Dpop,
}

/// Every issuer of a snapshot, by what its tokens say in `iss`.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    rules: Vec<IssuerRule>,
    by_url: HashMap<String, usize>,
    /// Those that are asked about tokens, by what these begin with: the longest first.
    asked: Vec<(String, usize)>,
}

/// Who bears a good token of an issuer.
#[derive(Debug)]
pub(crate) struct Bearer<'s> {
    issuer: &'s IssuerRule,
    /// The issuer's name, a space, which no name holds, and the subject: shared with every count.
    subject: Arc<str>,
    held: Held<'s>,
    /// What the token says, where what it opens may depend on it.
    claims: Option<Arc<Map<String, Value>>>,
}

impl Bearer<'_> {
    pub(crate) fn issuer(&self) -> &Name {
        &self.issuer.name
    }

    /// What counts it, where no principal does.
    pub(crate) fn counted_as(&self) -> &Arc<str> {
        &self.subject
    }

    pub(crate) fn subject(&self) -> &str {
        let subject = self.subject.split_once(' ');
        subject.map_or("", |(_, subject)| subject)
    }

    pub(crate) fn access(&self) -> &Access {
        self.held.access()
    }

    pub(crate) fn claims(&self) -> Option<&Map<String, Value>> {
        self.claims.as_deref()
    }
}

impl Issuers {
    /// `rules` have a URL of their own each.
    pub(crate) fn new(rules: Vec<IssuerRule>) -> Self {
        let urls = rules.iter().map(|rule| rule.issuer.url.to_string());
        let by_url = urls.zip(0..).collect();
        let prefixes = rules.iter().zip(0..);
        let prefixes =
            prefixes.filter_map(|(rule, number)| Some((rule.opaque_prefix()?.to_owned(), number)));
        let mut asked: Vec<_> = prefixes.collect();
        asked.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        Self {
            rules,
            by_url,
            asked,
        }
    }

    pub(crate) fn all(&self) -> &[IssuerRule] {
        &self.rules
    }

    pub(crate) fn get(&self, number: IssuerNumber) -> Option<&IssuerRule> {
        self.rules.get(number.0)
    }
}
