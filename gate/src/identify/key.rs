//! Callers that bear a token of a key.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::{Key, KeyVersion, Quota};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Cidr, KeyId, Name};

use crate::CredentialFault;

/// Every key of a snapshot, by id.
#[derive(Debug)]
pub(crate) struct Keys {
    rules: HashMap<KeyId, KeyRule>,
    /// Stands in for the key of an unknown id, so that it costs what a wrong secret costs.
    nobody: Verifiers,
}

impl Keys {
    pub(crate) fn new(rules: impl IntoIterator<Item = KeyRule>) -> Self {
        Self {
            rules: rules.into_iter().map(|rule| (rule.id, rule)).collect(),
            nobody: Verifiers::new(&[]),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The key that `token` belongs to.
    pub(super) fn verify(&self, token: &str) -> Result<&KeyRule, CredentialFault> {
        let id = token::key_id(token).ok_or(CredentialFault::Malformed)?;
        let rule = self.rules.get(&id);
        let verifiers = rule.map_or(&self.nobody, |rule| &rule.verifiers);
        let is_good = verifiers.fit(&Verifier::of(token));
        match rule {
            Some(rule) if is_good => Ok(rule),
            Some(_) => Err(CredentialFault::Wrong { key: id }),
            None => Err(CredentialFault::Unknown { key: id }),
        }
    }
}

/// What decides requests that bear one key.
#[derive(Debug)]
pub(crate) struct KeyRule {
    id: KeyId,
    name: Name,
    verifiers: Verifiers,
    enabled: bool,
    not_before: Option<jiff::Timestamp>,
    expires_at: Option<jiff::Timestamp>,
    /// `None`: every address.
    allowed: Option<Box<[Cidr]>>,
    access: Arc<Access>,
}

impl KeyRule {
    pub(crate) fn new(name: &Name, key: &Key, access: Arc<Access>) -> Self {
        let allowed = key.allowed_cidrs.as_ref();
        Self {
            id: key.id,
            name: name.clone(),
            verifiers: Verifiers::new(&key.versions),
            enabled: key.enabled,
            not_before: key.not_before.as_ref().map(tollgate_store::Timestamp::at),
            expires_at: key.expires_at.as_ref().map(tollgate_store::Timestamp::at),
            allowed: allowed.map(|cidrs| cidrs.iter().cloned().collect()),
            access,
        }
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether the key opens anything now and from there.
    pub(super) fn check(
        &self,
        address: IpAddr,
        now: jiff::Timestamp,
    ) -> Result<(), CredentialFault> {
        let key = self.id;
        if !self.enabled {
            return Err(CredentialFault::Disabled { key });
        }
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            return Err(CredentialFault::NotYetValid { key, at });
        }
        if let Some(at) = self.expires_at.filter(|at| now >= *at) {
            return Err(CredentialFault::Expired { key, at });
        }
        let is_allowed = |cidrs: &[Cidr]| cidrs.iter().any(|cidr| cidr.contains(address));
        if !self.allowed.as_deref().is_none_or(is_allowed) {
            return Err(CredentialFault::Address { key, address });
        }
        Ok(())
    }
}

/// The verifiers of a key's tokens; the newest, which most requests need, lies beside what else they need.
#[derive(Debug)]
struct Verifiers {
    newest: Verifier,
    older: Box<[Verifier]>,
}

impl Verifiers {
    /// Of no versions, one that no token has: the empty text is none.
    fn new(versions: &[KeyVersion]) -> Self {
        let mut newest_first = versions.iter().rev().map(|version| version.sha256);
        Self {
            newest: newest_first.next().unwrap_or_else(|| Verifier::of("")),
            older: newest_first.collect(),
        }
    }

    /// Whether one fits. Every one is compared, whichever fits.
    fn fit(&self, presented: &Verifier) -> bool {
        let newest = self.newest.matches(presented);
        let older = self.older.iter();
        older.fold(newest, |fits, verifier| fits | verifier.matches(presented))
    }
}

/// What a key may do; keys with the same scopes and quotas share one.
#[derive(Debug)]
pub(crate) struct Access {
    /// In the order of their names.
    pub(crate) scopes: Box<[Arc<ScopeRule>]>,
    pub(crate) quotas: Box<[Arc<QuotaRule>]>,
}

/// A scope, by the number that its grants are filed under.
#[derive(Debug)]
pub(crate) struct ScopeRule {
    pub(crate) number: u32,
    pub(crate) name: Name,
}

/// A quota and its name.
#[derive(Debug)]
pub(crate) struct QuotaRule {
    /// Shared with every count of the quota.
    pub(crate) name: Arc<Name>,
    pub(crate) quota: Quota,
}
