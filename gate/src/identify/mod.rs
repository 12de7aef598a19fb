//! Who asks. Each way to tell has its own file.

mod header;
mod key;

use std::net::IpAddr;

use http::HeaderMap;
use tollgate_store::{KeyId, Name};

pub(crate) use key::{Access, KeyRule, Keys, QuotaRule, ScopeRule};

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

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &'s Name {
        self.key.name()
    }

    /// What the key may do.
    pub(crate) fn access(self) -> &'s Access {
        self.key.access()
    }
}

impl Snapshot {
    /// Finds out who asks, from `Authorization: Bearer` or `X-API-Key`; `address` is the client's.
    ///
    /// Every fault must look the same to the caller. They also cost the same, once a token has the right shape.
    pub fn identify<'s>(
        &'s self,
        headers: &HeaderMap,
        address: IpAddr,
        now: Now,
    ) -> Result<Principal<'s>, Refusal> {
        let token = header::token(headers)?;
        let key = self.keys.verify(token)?;
        key.check(address, now.wall)?;
        Ok(Principal { key })
    }
}
