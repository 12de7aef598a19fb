//! Who asks. Each way to tell has its own file.

mod access;
mod certificate;
mod header;
mod key;
mod principal;
mod scopes;
mod token;
mod version;

use std::net::IpAddr;

use http::HeaderMap;

pub(crate) use access::{Access, PrincipalRule, QuotaRule, ScopeRule};
pub use certificate::ClientCertificate;
pub(crate) use certificate::{CertificateRule, Certificates};
pub(crate) use key::{Credential, KeyRule, Keys};
pub use principal::Principal;
pub(crate) use principal::Proof;
pub(crate) use scopes::{HeldScopes, ScopeSet};
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
    /// The certificate that the client has shown, if it has and TLS found it good.
    pub certificate: Option<&'r ClientCertificate>,
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
            certificate: None,
            keys: &NoKeys,
        };
        self.identify_presented(&presented, now)
    }

    /// Finds out who asks: by a key's token in `Authorization: Bearer` or `X-API-Key`, by an issuer's in the former or,
    /// where there is neither, by the client's certificate. Who proves nothing is anonymous where a route is open to
    /// everybody; who proves something badly is not.
    ///
    /// Every fault must look the same to the caller. Those of keys also cost the same, once a token has the right shape.
    pub fn identify_presented<'s>(
        &'s self,
        presented: &Presented<'_>,
        now: Now,
    ) -> Result<Principal<'s>, Refusal> {
        let principal = match header::token(presented.headers) {
            Ok((token, place)) => self.bearer_of(token, place, (presented, now))?,
            Err(CredentialFault::Missing) => self.without_token(presented.certificate)?,
            Err(fault) => return Err(fault.into()),
        };
        principal.check_place(presented.address)?;
        Ok(principal)
    }

    fn bearer_of<'s>(
        &'s self,
        token: &str,
        place: Place,
        (presented, now): (&Presented<'_>, Now),
    ) -> Result<Principal<'s>, Refusal> {
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

    fn without_token(
        &self,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Principal<'_>, CredentialFault> {
        let found = certificate.map_or(Err(CredentialFault::Missing), |certificate| {
            self.certificates.find(certificate)
        });
        match found {
            Ok(rule) => Ok(Principal::of_certificate(rule)),
            Err(fault @ (CredentialFault::Missing | CredentialFault::CertificateUnknown))
                if self.routes.are_any_open() =>
            {
                Ok(Principal::anonymous(&self.nobody, fault))
            }
            Err(fault) => Err(fault),
        }
    }
}
