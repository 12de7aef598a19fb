//! Callers that bear a token of an issuer (RFC 6750, RFC 9068).
//!
//! Only `alg` and `kid` of a token's head choose anything, and only among what its issuer's document and its published
//! keys hold: a token brings no key, and names no place to fetch one from.

mod claims;
mod fault;
mod issuer;
mod json;
mod jws;
mod keys;

use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value;
use tollgate_store::Name;

pub use fault::TokenFault;
pub use issuer::IssuerRule;
pub(crate) use issuer::{Held, ScopesByName, Subjects, subject_claim};
pub use keys::{ISSUER_KEYS_MAX, JsonWebKeys};

use super::access::Access;
use crate::{CredentialFault, Now, Refusal};
use claims::Claims;
use jws::Jws;

/// What holds the keys of issuers that publish them.
pub trait IssuerKeys: Send + Sync {
    /// The keys of an issuer; `None` where none are known.
    fn keys(&self, issuer: &Name) -> Option<Arc<JsonWebKeys>>;
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

/// Every issuer of a snapshot, by what its tokens say in `iss`.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    rules: Vec<IssuerRule>,
    by_url: HashMap<String, usize>,
}

/// Who bears a good token of an issuer.
#[derive(Debug)]
pub(crate) struct Bearer<'s> {
    issuer: &'s IssuerRule,
    /// The issuer's name, a space, which no name holds, and the subject: shared with every count.
    subject: Arc<str>,
    held: Held<'s>,
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
        match &self.held {
            Held::Declared(access) => access,
            Held::Made(access) => access,
        }
    }
}

/// Whether a text may be a token of an issuer.
pub(super) fn has_form(token: &str) -> bool {
    jws::has_form(token)
}

impl Issuers {
    /// `rules` have a URL of their own each.
    pub(crate) fn new(rules: Vec<IssuerRule>) -> Self {
        let urls = rules.iter().map(|rule| rule.issuer.url.to_string());
        Self {
            by_url: urls.zip(0..).collect(),
            rules,
        }
    }

    pub(crate) fn all(&self) -> &[IssuerRule] {
        &self.rules
    }

    pub(crate) fn get(&self, number: IssuerNumber) -> Option<&IssuerRule> {
        self.rules.get(number.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Who bears a token, if it is good now.
    pub(super) fn verify(
        &self,
        token: &str,
        keys: &dyn IssuerKeys,
        now: Now,
    ) -> Result<Bearer<'_>, Refusal> {
        let nobodys = |fault| CredentialFault::Token {
            issuer: None,
            fault,
        };
        let token = Jws::read(token).map_err(nobodys)?;
        let issuer = token.claims.get("iss").and_then(Value::as_str);
        let place = issuer.and_then(|issuer| self.by_url.get(issuer).copied());
        let unknown = || nobodys(TokenFault::Issuer);
        let number = IssuerNumber(place.ok_or_else(unknown)?);
        let rule = self.get(number).ok_or_else(unknown)?;
        let faulty = |fault| CredentialFault::Token {
            issuer: Some(number),
            fault,
        };
        rule.check_head(&token).map_err(faulty)?;
        let keys = match &rule.inline {
            Some(keys) => Arc::clone(keys),
            None => keys
                .keys(&rule.name)
                .ok_or(Refusal::IssuerUnready { issuer: number })?,
        };
        keys.verify(&token).map_err(faulty)?;
        // What it says counts from here on.
        bearer(rule, &Claims(&token.claims), now).map_err(|fault| faulty(fault).into())
    }
}

fn bearer<'s>(
    rule: &'s IssuerRule,
    claims: &Claims<'_>,
    now: Now,
) -> Result<Bearer<'s>, TokenFault> {
    rule.check_claims(claims, now.wall.as_second())?;
    let subject = rule.subject(claims)?;
    Ok(Bearer {
        subject: format!("{} {subject}", rule.name).into(),
        held: rule.access(claims)?,
        issuer: rule,
    })
}
