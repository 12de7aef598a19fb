//! Who asks, by whatever proved it.

use std::net::IpAddr;

use serde_json::{Map, Value};
use tollgate_store::document::{CertificateSubject, CredentialKind};
use tollgate_store::{KeyId, Name};

use super::Presented;
use super::access::{Access, is_within};
use super::certificate::CertificateRule;
use super::key::KeyRule;
use super::token::Bearer;
use crate::{CallerKind, CredentialFault, Now, Refusal};

/// What whoever proves nothing is called.
const ANONYMOUS: &str = "anonymous";

/// Who asks: proof that a credential was presented and was good at that moment, or that there was none.
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
    /// A client's certificate.
    Certificate(&'s CertificateRule),
    /// Nothing, and why that is not enough where a route is not open to everybody.
    Nothing(&'s Access, CredentialFault),
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

    /// Whoever has shown that certificate.
    pub(super) fn of_certificate(rule: &'s CertificateRule) -> Self {
        Self {
            proof: Proof::Certificate(rule),
        }
    }

    /// Whoever proves nothing; `access` must be none.
    pub(super) fn anonymous(access: &'s Access, fault: CredentialFault) -> Self {
        Self {
            proof: Proof::Nothing(access, fault),
        }
    }

    /// Whether its principal may ask from where it does.
    pub(super) fn check_presented(&self, presented: &Presented<'_>) -> Result<(), CredentialFault> {
        let checked = self.check_place(presented.address);
        if let (Err(_), Some(trail), Some(told)) = (&checked, presented.trail, self.issuer()) {
            trail.note_good(told);
        }
        checked
    }

    /// Whether its principal may ask from there.
    fn check_place(&self, address: Option<IpAddr>) -> Result<(), CredentialFault> {
        let principal = self.access().principal.as_ref();
        let allowed = principal.and_then(|principal| principal.allowed.as_deref());
        if allowed.is_none_or(|blocks| is_within(address, blocks)) {
            return Ok(());
        }
        Err(CredentialFault::PrincipalAddress {
            key: self.key_id(),
            address,
        })
    }

    /// Whoever bears a good token of that key, of which none is at hand: the one that opens for longest is assumed.
    pub(crate) fn assumed(
        key: &'s KeyRule,
        address: Option<IpAddr>,
        now: Now,
    ) -> Result<Self, Refusal> {
        key.check(key.longest(), address, now.wall)?;
        let principal = Self::of_key(key);
        principal.check_place(address)?;
        Ok(principal)
    }

    /// The public id of the key, where a key proved it.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self.proof {
            Proof::Key(key) => Some(key.id()),
            _ => None,
        }
    }

    /// The name of the key, where a key proved it; of a key of a set, `<set>/<key>`.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self.proof {
            Proof::Key(key) => Some(key.name()),
            _ => None,
        }
    }

    /// The issuer of the token and whom it is about, where an issuer's token proved it.
    #[must_use]
    pub fn issuer(&self) -> Option<(&Name, &str)> {
        match &self.proof {
            Proof::Bearer(bearer) => Some((bearer.issuer(), bearer.subject())),
            _ => None,
        }
    }

    /// What the client's certificate says that made it the principal's, where that proved it.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateSubject> {
        match &self.proof {
            Proof::Certificate(rule) => Some(&rule.subject),
            _ => None,
        }
    }

    /// What kind of credential proved it; `None`: none.
    #[must_use]
    pub fn credential(&self) -> Option<CredentialKind> {
        match &self.proof {
            Proof::Key(_) => Some(CredentialKind::Key),
            Proof::Bearer(_) => Some(CredentialKind::Token),
            Proof::Certificate(_) => Some(CredentialKind::Certificate),
            Proof::Nothing(..) => None,
        }
    }

    /// Why whoever proves nothing is refused where a route is not open to everybody; `None` of who proves something.
    pub(crate) fn nothing(&self) -> Option<CredentialFault> {
        match self.proof {
            Proof::Nothing(_, fault) => Some(fault),
            _ => None,
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
            (None, Proof::Certificate(rule)) => rule.subject.field().1,
            (None, Proof::Nothing(..)) => ANONYMOUS,
        }
    }

    /// What proved it, for messages.
    pub(crate) fn kind(&self) -> CallerKind {
        match self.proof {
            Proof::Key(key) => CallerKind::Key(key.id()),
            Proof::Bearer(_) => CallerKind::Token,
            Proof::Certificate(_) => CallerKind::Certificate,
            Proof::Nothing(..) => CallerKind::Nothing,
        }
    }

    /// What it may do.
    pub(crate) fn access(&self) -> &Access {
        match &self.proof {
            Proof::Key(key) => key.access(),
            Proof::Bearer(bearer) => bearer.access(),
            Proof::Certificate(rule) => &rule.access,
            Proof::Nothing(access, _) => access,
        }
    }

    /// What the token says by which it is known, where that is an issuer's and conditions may ask for it.
    pub(crate) fn claims(&self) -> Option<&Map<String, Value>> {
        match &self.proof {
            Proof::Bearer(bearer) => bearer.claims(),
            _ => None,
        }
    }

    /// What proved it.
    pub(crate) fn proof(&self) -> &Proof<'s> {
        &self.proof
    }
}
