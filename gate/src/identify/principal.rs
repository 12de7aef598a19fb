//! Who asks, by whatever proved it.

use std::net::IpAddr;

use tollgate_store::{KeyId, Name};

use super::access::Access;
use super::key::KeyRule;
use super::token::Bearer;
use crate::{CallerKind, Now, Refusal};

/// Who asks: proof that a credential was presented and was good at that moment.
#[derive(Debug)]
pub struct Principal<'s> {
    proof: Proof<'s>,
}

/// What proved it.
#[derive(Debug)]
pub(crate) enum Proof<'s> {
    /// A token of a key.
    Key(&'s KeyRule),
    /// A token of an issuer.
    Bearer(Box<Bearer<'s>>),
}

impl<'s> Principal<'s> {
    /// Whoever bears a good token of that key.
    pub(super) fn of_key(key: &'s KeyRule) -> Self {
        Self {
            proof: Proof::Key(key),
        }
    }

    /// Whoever bears a good token of an issuer.
    pub(super) fn of_bearer(bearer: Bearer<'s>) -> Self {
        Self {
            proof: Proof::Bearer(Box::new(bearer)),
        }
    }

    /// Whoever bears a good token of that key, of which none is at hand: the one that opens for longest is assumed.
    pub(crate) fn assumed(
        key: &'s KeyRule,
        address: Option<IpAddr>,
        now: Now,
    ) -> Result<Self, Refusal> {
        key.check(key.longest(), address, now.wall)?;
        Ok(Self::of_key(key))
    }

    /// The public id of the key, where a key proved it.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self.proof {
            Proof::Key(key) => Some(key.id()),
            Proof::Bearer(_) => None,
        }
    }

    /// The name of the key, where a key proved it; of a key of a set, `<set>/<key>`.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self.proof {
            Proof::Key(key) => Some(key.name()),
            Proof::Bearer(_) => None,
        }
    }

    /// The issuer of the token and whom it is about, where an issuer's token proved it.
    #[must_use]
    pub fn issuer(&self) -> Option<(&Name, &str)> {
        match &self.proof {
            Proof::Key(_) => None,
            Proof::Bearer(bearer) => Some((bearer.issuer(), bearer.subject())),
        }
    }

    /// The name of the principal that the credential acts as; `None` where it stands alone, as its own.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        let principal = self.access().principal.as_ref();
        principal.map(|principal| &*principal.name)
    }

    /// What to call whoever asks: the principal, or else what stands alone.
    #[must_use]
    pub fn label(&self) -> &str {
        match (self.name(), &self.proof) {
            (Some(name), _) => name.as_str(),
            (None, Proof::Key(key)) => key.name(),
            (None, Proof::Bearer(bearer)) => bearer.counted_as(),
        }
    }

    /// What proved it, for messages.
    pub(crate) fn kind(&self) -> CallerKind {
        match self.proof {
            Proof::Key(key) => CallerKind::Key(key.id()),
            Proof::Bearer(_) => CallerKind::Token,
        }
    }

    /// What it may do.
    pub(crate) fn access(&self) -> &Access {
        match &self.proof {
            Proof::Key(key) => key.access(),
            Proof::Bearer(bearer) => bearer.access(),
        }
    }

    /// What proved it.
    pub(crate) fn proof(&self) -> &Proof<'s> {
        &self.proof
    }
}
