//! Who asks. Each way to tell has its own file.

mod access;
mod header;
mod key;
mod version;

use std::net::IpAddr;

use http::HeaderMap;
use tollgate_store::{KeyId, Name};

pub(crate) use access::{Access, PrincipalRule, QuotaRule, ScopeRule};
pub(crate) use key::{Credential, KeyRule, Keys};

use crate::{Now, Refusal, Snapshot};

/// Who asks: proof that a credential was presented and was good at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'s> {
    key: &'s KeyRule,
}

impl<'s> Principal<'s> {
    /// The public id of the key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.id()
    }

    /// The name of the key; of a key of a set, `<set>/<key>`.
    #[must_use]
    pub fn key_name(&self) -> &'s str {
        self.key.name()
    }

    /// The name of the principal that the key acts as; `None` where it stands alone, as its own.
    #[must_use]
    pub fn name(&self) -> Option<&'s Name> {
        let principal = self.key.access().principal.as_ref();
        principal.map(|principal| &*principal.name)
    }

    /// What the key may do.
    pub(crate) fn access(self) -> &'s Access {
        self.key.access()
    }

    /// Whoever bears a good token of that key, of which none is at hand: the one that opens for longest is assumed.
    pub(crate) fn assumed(
        key: &'s KeyRule,
        address: Option<IpAddr>,
        now: Now,
    ) -> Result<Self, Refusal> {
        key.check(key.longest(), address, now.wall)?;
        Ok(Self { key })
    }
}

impl Snapshot {
    /// Finds out who asks, from `Authorization: Bearer` or `X-API-Key`; `address` is the client's, if it is known.
    ///
    /// Every fault must look the same to the caller. They also cost the same, once a token has the right shape.
    pub fn identify<'s>(
        &'s self,
        headers: &HeaderMap,
        address: impl Into<Option<IpAddr>>,
        now: Now,
    ) -> Result<Principal<'s>, Refusal> {
        let token = header::token(headers)?;
        let (key, version) = self.keys.verify(token)?;
        key.check(version, address.into(), now.wall)?;
        Ok(Principal { key })
    }
}
