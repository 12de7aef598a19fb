//! Callers that bear a token of a key.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smol_str::SmolStr;
use tollgate_store::document::KeyVersion;
use tollgate_store::token::{self, IMPORTED_CHARS_MAX, Verifier};
use tollgate_store::{Cidr, KeyId, Timestamp};

use super::access::{Access, is_within};
use super::version::{Version, Versions};
use crate::CredentialFault;

/// Every key of a snapshot.
#[derive(Debug)]
pub(crate) struct Keys {
    rules: Box<[KeyRule]>,
    /// Where each id's rule is.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Where the rules are that stand in for those of unknown ids, which so cost what wrong secrets cost: as many looks
    /// at memory that is in no cache. It says no more than a number, which a known id's place costs, too.
    stand_ins: Box<[u32]>,
    /// The keys of tokens that were made elsewhere, and hold no id of ours.
    imported: HashMap<Verifier, KeyId>,
    /// Stands in where there is no key at all.
    nobody: Versions,
}

impl Keys {
    /// `imported` names for each token from elsewhere the one key that it is of.
    pub(crate) fn new(rules: Vec<KeyRule>, imported: HashMap<Verifier, KeyId>) -> Self {
        let mut keys = Self {
            places: HashTable::with_capacity(rules.len()),
            rules: rules.into(),
            hasher: DefaultHashBuilder::default(),
            stand_ins: Box::default(),
            imported,
            nobody: Versions::new(&[]),
        };
        let ids = keys.rules.iter().map(|rule| rule.id);
        for (place, id) in (0..).zip(ids) {
            let hash = keys.hasher.hash_one(id);
            // There is room for all of them: nothing is ever moved.
            keys.places.insert_unique(hash, place, |_| hash);
        }
        keys.stand_ins = keys.places.iter().copied().collect();
        keys
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The key of that id.
    pub(crate) fn by_id(&self, id: KeyId) -> Option<&KeyRule> {
        self.find(self.hasher.hash_one(id), id)
    }

    fn find(&self, hash: u64, id: KeyId) -> Option<&KeyRule> {
        let is_it = |place: &u32| at(&self.rules, *place).is_some_and(|rule| rule.id == id);
        let place = self.places.find(hash, is_it)?;
        at(&self.rules, *place)
    }

    /// The tokens that those of an unknown id are compared with.
    fn stand_in(&self, hash: u64) -> &Versions {
        // The lower bits chose where the id was looked for. A division would take longer than all of this.
        let len = u64::try_from(self.stand_ins.len()).unwrap_or_default();
        let number = usize::try_from(((hash >> 32) * len) >> 32).ok();
        let place = number.and_then(|number| self.stand_ins.get(number));
        let rule = place.and_then(|place| at(&self.rules, *place));
        rule.map_or(&self.nobody, |rule| &rule.versions)
    }

    /// The key of that name, found by looking at each. Where a key of a set is called what a key that stands by itself
    /// is called, it is the latter.
    pub(crate) fn by_name(&self, name: &str) -> Option<&KeyRule> {
        let called_so = self.rules.iter().filter(|rule| rule.name == name);
        called_so.min_by_key(|rule| (rule.is_in_set, rule.id))
    }

    /// The key and the version of it that `token` is.
    pub(super) fn verify(&self, token: &str) -> Result<(&KeyRule, &Version), CredentialFault> {
        match token::key_id(token) {
            Some(id) => self.verify_own(id, token),
            None => self.verify_foreign(token),
        }
    }

    /// A token of our shape, which may have been made for another namespace and imported here.
    fn verify_own(&self, id: KeyId, token: &str) -> Result<(&KeyRule, &Version), CredentialFault> {
        let presented = Verifier::of(token);
        let hash = self.hasher.hash_one(id);
        let rule = self.find(hash, id);
        let version = rule
            .map_or_else(|| self.stand_in(hash), |rule| &rule.versions)
            .fit(&presented);
        if let (Some(rule), Some(version)) = (rule, version) {
            return Ok((rule, version));
        }
        self.imported(&presented).ok_or(match rule {
            Some(_) => CredentialFault::Wrong { key: id },
            None => CredentialFault::Unknown { key: id },
        })
    }

    fn verify_foreign(&self, token: &str) -> Result<(&KeyRule, &Version), CredentialFault> {
        // Where nothing was imported, what has no shape is not worth a hash.
        if self.imported.is_empty() || token.len() > IMPORTED_CHARS_MAX {
            return Err(CredentialFault::Malformed);
        }
        self.imported(&Verifier::of(token))
            .ok_or(CredentialFault::Malformed)
    }

    /// Found by hash, and compared once more like any other, in constant time.
    fn imported(&self, presented: &Verifier) -> Option<(&KeyRule, &Version)> {
        let rule = self.by_id(*self.imported.get(presented)?)?;
        Some((rule, rule.versions.fit(presented)?))
    }
}

fn at(rules: &[KeyRule], place: u32) -> Option<&KeyRule> {
    rules.get(usize::try_from(place).ok()?)
}

/// What a document says of a key itself, wherever the key stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credential<'d> {
    pub(crate) id: KeyId,
    pub(crate) is_in_set: bool,
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<&'d Timestamp>,
    pub(crate) expires_at: Option<&'d Timestamp>,
    pub(crate) allowed_cidrs: Option<&'d BTreeSet<Cidr>>,
    pub(crate) versions: &'d [KeyVersion],
}

/// What decides requests that bear one key.
#[derive(Debug)]
pub(crate) struct KeyRule {
    id: KeyId,
    is_in_set: bool,
    enabled: bool,
    /// Of a key of a set: `<set>/<key>`. Most are short enough to lie here.
    name: SmolStr,
    versions: Versions,
    /// `None`: it is good at any time and from anywhere, as most are.
    bounds: Option<Box<Bounds>>,
    access: Arc<Access>,
}

/// When and from where a key opens anything.
#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    not_before: Option<jiff::Timestamp>,
    expires_at: Option<jiff::Timestamp>,
    /// `None`: every address.
    allowed: Option<Box<[Cidr]>>,
}

impl Bounds {
    /// Those that are given; `None` where none is.
    fn given(credential: &Credential<'_>) -> Option<Box<Self>> {
        let Credential {
            not_before,
            expires_at,
            allowed_cidrs,
            ..
        } = *credential;
        if not_before.is_none() && expires_at.is_none() && allowed_cidrs.is_none() {
            return None;
        }
        Some(Box::new(Self {
            not_before: not_before.map(Timestamp::at),
            expires_at: expires_at.map(Timestamp::at),
            allowed: allowed_cidrs.map(|cidrs| cidrs.iter().cloned().collect()),
        }))
    }
}

impl KeyRule {
    pub(crate) fn new(name: SmolStr, credential: &Credential<'_>, access: Arc<Access>) -> Self {
        Self {
            id: credential.id,
            is_in_set: credential.is_in_set,
            enabled: credential.enabled,
            name,
            versions: Versions::new(credential.versions),
            bounds: Bounds::given(credential),
            access,
        }
    }

    /// A key without a name that may do what `access` says and is good at any time and from anywhere. No token is its.
    pub(crate) fn plain(access: &Arc<Access>) -> Self {
        let credential = Credential {
            id: KeyId::NONE,
            is_in_set: false,
            enabled: true,
            not_before: None,
            expires_at: None,
            allowed_cidrs: None,
            versions: &[],
        };
        Self::new(SmolStr::default(), &credential, Arc::clone(access))
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// The token that opens for longest.
    pub(super) fn longest(&self) -> &Version {
        self.versions.longest()
    }

    /// Whether the key opens anything now, from there and by that token.
    pub(super) fn check(
        &self,
        version: &Version,
        address: Option<IpAddr>,
        now: jiff::Timestamp,
    ) -> Result<(), CredentialFault> {
        let key = self.id;
        if !self.enabled {
            return Err(CredentialFault::Disabled { key });
        }
        if self.access.principal.as_ref().is_some_and(|it| !it.enabled) {
            return Err(CredentialFault::PrincipalDisabled { key });
        }
        let bounds = self.bounds.as_deref();
        let not_before = bounds.and_then(|bounds| bounds.not_before);
        if let Some(at) = not_before.filter(|at| now < *at) {
            return Err(CredentialFault::NotYetValid { key, at });
        }
        let expires_at = bounds.and_then(|bounds| bounds.expires_at);
        if let Some(at) = expires_at.filter(|at| now >= *at) {
            return Err(CredentialFault::Expired { key, at });
        }
        if let Some(at) = version.expires_at().filter(|at| now >= *at) {
            return Err(CredentialFault::TokenExpired { key, at });
        }
        let allowed = bounds.and_then(|bounds| bounds.allowed.as_deref());
        if !allowed.is_none_or(|blocks| is_within(address, blocks)) {
            return Err(CredentialFault::Address { key, address });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tollgate_store::Environment;

    use super::super::version::COMPARED;
    use super::*;

    const VERSION_AT: &str = "2026-01-01T00:00:00Z";

    fn token(id: &str) -> tollgate_store::Secret {
        token::generate(&Environment::default(), KeyId::parse(id).unwrap()).unwrap()
    }

    fn version(number: u32, token: &str) -> KeyVersion {
        KeyVersion {
            version: number,
            sha256: Verifier::of(token),
            created_at: Timestamp::parse(VERSION_AT).unwrap(),
            expires_at: None,
            imported: false,
            pending: false,
        }
    }

    fn keys(id: &str, tokens: &[&str]) -> Keys {
        let versions: Vec<_> = (1..)
            .zip(tokens)
            .map(|(number, it)| version(number, it))
            .collect();
        let credential = Credential {
            id: KeyId::parse(id).unwrap(),
            is_in_set: false,
            enabled: true,
            not_before: None,
            expires_at: None,
            allowed_cidrs: None,
            versions: &versions,
        };
        let rule = KeyRule::new("acme".into(), &credential, Arc::default());
        Keys::new(vec![rule], HashMap::new())
    }

    /// How many tokens are compared with one that is presented.
    fn compared(keys: &Keys, presented: &str) -> usize {
        let before = COMPARED.get();
        let _ = keys.verify(presented);
        COMPARED.get() - before
    }

    #[test]
    fn an_unknown_key_a_wrong_secret_and_the_right_one_are_compared_alike() {
        let good = token("abcdefghijkl");
        let keys = keys("abcdefghijkl", &[good.expose()]);
        let (wrong, unknown) = (token("abcdefghijkl"), token("zzzzzzzzzzzz"));

        assert_eq!(compared(&keys, good.expose()), 1);
        assert_eq!(compared(&keys, wrong.expose()), 1);
        assert_eq!(compared(&keys, unknown.expose()), 1);
    }

    #[test]
    fn every_token_of_a_key_is_compared_whichever_fits() {
        let (old, new) = (token("abcdefghijkl"), token("abcdefghijkl"));
        let keys = keys("abcdefghijkl", &[old.expose(), new.expose()]);

        for presented in [old.expose(), new.expose(), token("abcdefghijkl").expose()] {
            assert_eq!(compared(&keys, presented), 2);
        }
    }
}
