//! Who asks. Each way to tell has its own file.

mod access;
mod header;
mod key;
mod principal;
mod token;
mod version;

use std::net::IpAddr;

use http::HeaderMap;

pub(crate) use access::{Access, PrincipalRule, QuotaRule, ScopeRule};
pub(crate) use key::{Credential, KeyRule, Keys};
pub use principal::Principal;
pub(crate) use principal::Proof;
pub use token::{
    ISSUER_KEYS_MAX, IssuerKeys, IssuerNumber, IssuerRule, JsonWebKeys, NoKeys, TokenFault,
};
pub(crate) use token::{Issuers, ScopesByName, Subjects, subject_claim};

use crate::{CredentialFault, Now, Refusal, Snapshot};
use header::Place;

/// What tells who asks.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    /// The request's headers.
    pub headers: &'r HeaderMap,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// The keys that issuers publish.
    pub keys: &'r dyn IssuerKeys,
}

impl Snapshot {
    /// [`Snapshot::identify_presented`] where no issuer's published keys are known.
    pub fn identify<'s>(
        &'s self,
        headers: &HeaderMap,
        address: impl Into<Option<IpAddr>>,
        now: Now,
    ) -> Result<Principal<'s>, Refusal> {
        let presented = Presented {
            headers,
            address: address.into(),
            keys: &NoKeys,
        };
        self.identify_presented(&presented, now)
    }

    /// Finds out who asks: by a key's token in `Authorization: Bearer` or `X-API-Key`, or by an issuer's in the former.
    ///
    /// Every fault must look the same to the caller. Those of keys also cost the same, once a token has the right shape.
    pub fn identify_presented<'s>(
        &'s self,
        presented: &Presented<'_>,
        now: Now,
    ) -> Result<Principal<'s>, Refusal> {
        let (token, place) = header::token(presented.headers)?;
        match self.keys.verify(token) {
            Ok((key, version)) => {
                key.check(version, presented.address, now.wall)?;
                Ok(Principal::of_key(key))
            }
            // What is no key's may be an issuer's.
            Err(CredentialFault::Malformed)
                if place == Place::Bearer && !self.issuers.is_empty() && token::has_form(token) =>
            {
                let bearer = self.issuers.verify(token, presented.keys, now)?;
                Ok(Principal::of_bearer(bearer))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}
