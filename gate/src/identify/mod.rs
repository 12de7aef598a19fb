//! Who asks. Each way to tell has its own file.

mod access;
mod certificate;
mod conditional;
mod header;
mod key;
mod principal;
mod scopes;
mod token;
mod version;

use std::net::IpAddr;

use http::HeaderMap;
use tollgate_store::Name;

pub(crate) use access::{Access, PrincipalRule, QuotaRule, ScopeRule};
pub use certificate::ClientCertificate;
pub(crate) use certificate::{CertificateRule, Certificates};
pub(crate) use conditional::{ConditionalScopes, GivenScopes, RoleRule};
pub(crate) use key::{Credential, KeyRule, Keys};
pub use principal::Principal;
pub(crate) use principal::Proof;
pub(crate) use scopes::{HeldScopes, ScopeSet};
pub use token::{
    GivenAnswer, GivenKeys, ISSUER_KEYS_MAX, Introspection, IssuerKeys, IssuerNumber, IssuerRule,
    JsonWebKeys, NoKeys, PROOFS_MAX, Sent, TokenDigest, TokenFault, TokenMemory, TokenTrail,
    Traced,
};
pub(crate) use token::{Issuers, Subjects, subject_claim};

use crate::{CredentialFault, Malformed, Now, Refusal, Snapshot, Target, credential};
use header::Place;
use token::Scheme;

/// What tells who asks.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    /// The request's headers.
    pub headers: &'r HeaderMap,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// The certificate that the client has shown, if it has and TLS found it good.
    pub certificate: Option<&'r ClientCertificate>,
    /// The keys that issuers publish, and what they said of tokens.
    pub keys: &'r dyn IssuerKeys,
    /// What is remembered of tokens; with `None`, each is verified anew, and a proof of possession counts again.
    pub memory: Option<&'r TokenMemory>,
    /// What shows that a token is its sender's own. With `None` it is taken for shown: as of a connection that goes on,
    /// or of a request that nobody sends.
    pub sent: Option<Sent<'r>>,
    /// What takes down whose token it is that is refused, if anybody wonders.
    pub trail: Option<&'r TokenTrail>,
}

/// The token that a request bears, if it bears one in a way that is read.
#[must_use]
pub fn token_of(headers: &HeaderMap) -> Option<&str> {
    header::token(headers).ok().map(|(token, _)| token)
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
            memory: None,
            sent: None,
            trail: None,
        };
        self.identify_presented(&presented, now)
    }

    /// Who bears a token of that issuer with those claims, a JSON object: for who wonders what it would open. `presented`
    /// is what comes with it.
    pub(crate) fn identify_claimed(
        &self,
        claimed: (&Name, &str),
        presented: &Presented<'_>,
        now: Now,
    ) -> Result<Principal<'_>, Refusal> {
        let bearer = self.issuers.claimed(claimed, presented, now)?;
        let principal = Principal::of_bearer(bearer);
        principal.check_presented(presented)?;
        Ok(principal)
    }

    /// The issuer that a token says it is of, which proves nothing.
    #[must_use]
    pub fn issuer_named_by(&self, token: &str) -> Option<&IssuerRule> {
        self.issuers.named_by(token)
    }

    /// Refuses a target that holds a token which says that it is of one of the issuers: logs on the way would keep it, and
    /// the upstream would get it. Tokens of others may be its own links.
    pub fn check_target(&self, target: &Target) -> Result<(), Malformed> {
        let is_one = |token: &str| self.issuers.is_named_in(token);
        let text = target.path_and_query().as_str();
        if !self.issuers.all().is_empty() && credential::is_any_jwt_in(text, is_one) {
            return Err(Malformed::CredentialInTarget);
        }
        Ok(())
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
        principal.check_presented(presented)?;
        Ok(principal)
    }

    fn bearer_of<'s>(
        &'s self,
        token: &str,
        place: Place,
        (presented, now): (&Presented<'_>, Now),
    ) -> Result<Principal<'s>, Refusal> {
        let scheme = match place {
            Place::Bearer => Some(Scheme::Bearer),
            Place::Dpop => Some(Scheme::Dpop),
            Place::ApiKey => None,
        };
        match self.keys.verify(token) {
            // What proves that a key of one's own is at hand proves nothing about a key's token.
            Ok(_) if place == Place::Dpop => Err(CredentialFault::Malformed.into()),
            Ok((key, version)) => {
                key.check(version, presented.address, now.wall)?;
                Ok(Principal::of_key(key))
            }
            // What is no key's may be an issuer's.
            Err(fault) => match scheme {
                Some(scheme)
                    if fault == CredentialFault::Malformed && self.issuers.may_be_of_one(token) =>
                {
                    let sent = (token, scheme);
                    let bearer = self.issuers.verify(sent, presented, now)?;
                    Ok(Principal::of_bearer(bearer))
                }
                _ => Err(fault.into()),
            },
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
