//! Who asks. Each way to tell has its own file.

mod access;
mod header;
mod key;
mod principal;
mod version;

use std::net::IpAddr;

use http::HeaderMap;

pub(crate) use access::{Access, PrincipalRule, QuotaRule, ScopeRule};
pub(crate) use key::{Credential, KeyRule, Keys};
pub use principal::Principal;
pub(crate) use principal::Proof;

use crate::{Now, Refusal, Snapshot};

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
        Ok(Principal::of_key(key))
    }
}
