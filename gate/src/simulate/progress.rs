//! How far a request would come, and what is known of it by then.

use super::conditions::ConditionalFinding;
use crate::identify::Access;
use crate::{CredentialFault, OwnPage, Principal, Refusal, TokenFault, Traced};

/// Why it would not be sent on.
pub(super) enum Stop {
    Refused(Refusal),
    /// The proxy has no document, and answers that it is not ready.
    NotReady,
    /// There is no such key, or none that is good.
    NoKey,
    /// There is no such principal, or none that is good.
    NoPrincipal,
}

impl<R: Into<Refusal>> From<R> for Stop {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

impl Stop {
    /// The word that the proxy's log has for it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NotReady => "not_ready",
            Self::NoKey => "credential_unknown",
            Self::NoPrincipal => "principal_unknown",
        }
    }

    /// Whether a token would do if what it is bound to were shown beside it.
    pub(super) fn is_of_possession(&self) -> bool {
        let Self::Refused(Refusal::Unauthenticated(CredentialFault::Token { fault, .. })) = self
        else {
            return false;
        };
        matches!(
            fault,
            TokenFault::ProofMissing | TokenFault::CertificateMissing
        )
    }
}

/// What is decided, in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Request,
    Caller,
    Scope,
    Route,
    Quota,
    End,
}

impl Stage {
    /// Where a request stopped.
    pub(super) fn reached(outcome: &Result<(), Stop>) -> Self {
        let Err(stop) = outcome else {
            return Self::End;
        };
        match stop {
            Stop::Refused(Refusal::Malformed(_)) => Self::Request,
            Stop::Refused(Refusal::OutOfScope { .. } | Refusal::ConditionUnmet { .. }) => {
                Self::Scope
            }
            Stop::Refused(
                Refusal::NoRoute | Refusal::CredentialKind { .. } | Refusal::NotExchanged { .. },
            ) => Self::Route,
            Stop::Refused(
                Refusal::OverQuota(_) | Refusal::Overloaded | Refusal::CountersUnreachable,
            ) => Self::Quota,
            _ => Self::Caller,
        }
    }
}

/// What is shown beside a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// Whatever it is bound to.
    WhatMust,
}

/// What is known of a request so far.
#[derive(Default, Clone)]
pub(super) struct Progress {
    /// What the proxy answers by itself.
    pub(super) page: Option<OwnPage>,
    pub(super) key: Option<String>,
    pub(super) token: Option<Traced>,
    pub(super) principal: Option<String>,
    /// The scopes that the caller holds always.
    pub(super) held: Vec<String>,
    /// Those that it holds under conditions.
    pub(super) conditional: Vec<ConditionalFinding>,
    pub(super) scope: Option<String>,
    pub(super) route: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) quotas: Vec<String>,
}

impl Progress {
    pub(super) fn bearer(&mut self, principal: &Principal<'_>) {
        self.caller(principal.key_name().unwrap_or_default(), principal.access());
        self.token = principal.issuer().map(|(issuer, subject)| Traced {
            issuer: issuer.clone(),
            subject: Some(subject.to_owned()),
            says: None,
        });
    }

    pub(super) fn caller(&mut self, key_name: &str, access: &Access) {
        // The made-up key of a principal has none.
        self.key = Some(key_name.to_owned()).filter(|name| !name.is_empty());
        let principal = access.principal.as_ref();
        self.principal = principal.map(|principal| principal.name.to_string());
        let scopes = access.scopes.iter();
        self.held = scopes.map(|scope| scope.name.to_string()).collect();
        let quotas = access.quotas.iter();
        self.quotas = quotas.map(|quota| quota.name.to_string()).collect();
    }
}
