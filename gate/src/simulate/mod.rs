//! What would become of a request: the same straight line, with a caller who is named rather than proven.

mod conditions;
mod explain;
mod progress;
mod question;
mod reason;

use std::net::IpAddr;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tollgate_store::Secret;

use crate::identify::{IssuerRule, KeyRule};
use crate::{
    Admission, Circumstances, CredentialFault, Grant, IssuerKeys, Malformed, Meter, NoKeys, Now,
    OverQuota, Presented, Principal, Refusal, Rejected, Sent, Snapshot, Target, TokenTrail,
};

pub use conditions::ConditionFinding;
use conditions::ConditionalFinding;
pub use explain::{Documents, Explanation, Finding};
use progress::{Progress, Shown, Stage, Stop};
pub use question::{Caller, Decision, Question, SIMULATED_REQUESTS_MAX};

impl Snapshot {
    /// Decides a request that nobody sent, by what decides those that are: [`Target::parse`], the checks of a key,
    /// [`Snapshot::authorize`] and [`Meter::admit`] on a meter that counted nothing before.
    ///
    /// `rejected` is what [`Snapshot::build`] left out: it tells why a key or a principal is not served.
    #[must_use]
    pub fn simulate(&self, question: &Question<'_>, rejected: &[Rejected]) -> Decision {
        let (decision, _, _) = self.decide(question, rejected);
        decision
    }

    /// The issuer that must be asked about a token before anybody can tell whether it is good.
    #[must_use]
    pub fn issuer_to_ask(&self, token: &Secret, at: jiff::Timestamp) -> Option<&IssuerRule> {
        let now = Now {
            wall: at,
            monotonic: Duration::ZERO,
        };
        let refusal = self.identify(&bearing(token).ok()?, None, now).err()?;
        self.issuer(refusal.wants_answer_of()?)
    }

    fn decide(
        &self,
        question: &Question<'_>,
        rejected: &[Rejected],
    ) -> (Decision, Progress, Stage) {
        let mut progress = Progress::default();
        let outcome = self.walk(question, Shown::Nothing, &mut progress);
        let mut reason = reason::reached(question, &progress, (&outcome, rejected));
        if outcome.as_ref().is_err_and(Stop::is_of_possession) {
            let mut beyond = Progress::default();
            let then = self.walk(question, Shown::WhatMust, &mut beyond);
            let then = reason::reached(question, &beyond, (&then, rejected));
            reason.extend(["; with that, ", &then]);
        }
        let over = match &outcome {
            Err(Stop::Refused(Refusal::OverQuota(over))) => Some(over),
            _ => None,
        };
        let told = progress.clone();
        let (issuer, subject) = told.token.map_or((None, None), |token| {
            (Some(token.issuer.to_string()), token.subject)
        });
        let decision = Decision {
            allowed: outcome.is_ok(),
            code: outcome.as_ref().err().map_or("allowed", Stop::code),
            reason,
            quota: over.map(|over| over.policy.quota.to_string()),
            limit: over.map(|over| over.policy.measure.to_string()),
            retry_after_seconds: over.map(OverQuota::retry_after_seconds),
            key: told.key,
            issuer,
            subject,
            principal: told.principal,
            scope: told.scope,
            conditions: conditions::by_role(&told.conditional),
            route: told.route,
            upstream: told.upstream,
            quotas: told.quotas,
        };
        (decision, progress, Stage::reached(&outcome))
    }

    fn walk(
        &self,
        question: &Question<'_>,
        shown: Shown,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let target = target(question)?;
        if self.proxy().is_none() {
            return Err(Stop::NotReady);
        }
        self.check_target(&target)?;
        progress.page = self.own_page(&target);
        if progress.page.is_some() {
            return Ok(());
        }
        let address = question.address;
        let now = Now {
            wall: question.at,
            monotonic: Duration::ZERO,
        };
        let key_of_principal;
        let key = match question.caller {
            Caller::Nobody | Caller::Certificate(_) => {
                let principal = self.without_a_token(question, now, progress)?;
                return self.walk_on(&principal, &target, (question, now), progress);
            }
            Caller::Token(_)
            | Caller::SignedToken(..)
            | Caller::AnsweredToken(..)
            | Caller::Claims(..) => {
                let principal = self.bearer(question, (&target, shown), now, progress)?;
                return self.walk_on(&principal, &target, (question, now), progress);
            }
            Caller::KeyId(id) => self.keys.by_id(id).ok_or(Stop::NoKey)?,
            Caller::KeyName(name) => self.keys.by_name(name).ok_or(Stop::NoKey)?,
            Caller::Principal(name) => {
                let access = self.principals.get(name).ok_or(Stop::NoPrincipal)?;
                key_of_principal = KeyRule::plain(access);
                &key_of_principal
            }
        };
        progress.caller(key.name(), key.access());
        let principal = Principal::assumed(key, Some(address), now)?;
        self.walk_on(&principal, &target, (question, now), progress)
    }

    /// Who bears no token, but may show a certificate.
    fn without_a_token(
        &self,
        question: &Question<'_>,
        now: Now,
        progress: &mut Progress,
    ) -> Result<Principal<'_>, Refusal> {
        let certificate = match question.caller {
            Caller::Certificate(certificate) => Some(certificate),
            _ => None,
        };
        let presented = Presented {
            headers: &HeaderMap::new(),
            address: Some(question.address),
            certificate,
            keys: &NoKeys,
            memory: None,
            sent: None,
            trail: None,
        };
        let principal = self.identify_presented(&presented, now)?;
        progress.caller("", principal.access());
        Ok(principal)
    }

    /// Who bears the token that the question is about.
    fn bearer(
        &self,
        question: &Question<'_>,
        (target, shown): (&Target, Shown),
        now: Now,
        progress: &mut Progress,
    ) -> Result<Principal<'_>, Refusal> {
        let trail = TokenTrail::default();
        let (headers, keys): (_, &dyn IssuerKeys) = match question.caller {
            Caller::Token(token) => (bearing(token)?, &NoKeys),
            Caller::SignedToken(token, keys) => (bearing(token)?, keys),
            Caller::AnsweredToken(token, answer) => (bearing(token)?, answer),
            _ => (HeaderMap::new(), &NoKeys),
        };
        let sent = Sent {
            target,
            authority: Some(question.host),
            is_encrypted: true,
            certificate: None,
        };
        let presented = Presented {
            headers: &headers,
            address: Some(question.address),
            certificate: None,
            keys,
            memory: None,
            sent: (shown == Shown::Nothing).then_some(sent),
            trail: Some(&trail),
        };
        let found = match question.caller {
            Caller::Claims(issuer, claims) => {
                self.identify_claimed((issuer, claims), &presented, now)
            }
            _ => self.identify_presented(&presented, now),
        };
        match &found {
            Ok(principal) => progress.bearer(principal),
            Err(refusal) => {
                progress.token = trail.traced().cloned();
                if let Refusal::Unauthenticated(fault) = refusal
                    && let Some(key) = fault.key().and_then(|id| self.keys.by_id(id))
                {
                    progress.caller(key.name(), key.access());
                }
            }
        }
        found
    }

    /// What follows once it is known who asks.
    fn walk_on<'s>(
        &'s self,
        principal: &Principal<'s>,
        target: &Target,
        (question, now): (&Question<'_>, Now),
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let headers = HeaderMap::new();
        let circumstances = Circumstances {
            address: Some(question.address),
            time: now.wall,
            headers: question.headers.unwrap_or(&headers),
        };
        progress.conditional = conditions::findings(principal, target, &circumstances);
        let scope = self.grants.find(&principal.access().scopes, target);
        progress.scope = scope.map(|scope| scope.name.to_string());
        let grant = self.authorize(principal, target, &circumstances);
        if let Some(scope) = grant.as_ref().ok().and_then(Grant::scope) {
            progress.scope = Some(scope.to_string());
        }
        let grant = grant?;
        progress.route = Some(grant.route().to_string());
        progress.upstream = Some(grant.upstream().name.to_string());
        // Of who proves nothing, the route says what counts it.
        let quotas = grant.quotas().iter();
        progress.quotas = quotas.map(|quota| quota.name.to_string()).collect();
        let meter = Meter::default();
        meter.share_among(self.fleet_size());
        let asked = (question.address, now);
        admit(&meter, &grant, question.requests, asked).map_err(Stop::from)
    }
}

fn bearing(token: &Secret) -> Result<HeaderMap, CredentialFault> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut bearer = bearer.map_err(|_| CredentialFault::Malformed)?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
}

fn target(question: &Question<'_>) -> Result<Target, Refusal> {
    let method =
        Method::from_bytes(question.method.as_bytes()).map_err(|_| Malformed::MethodInvalid)?;
    if !question.path.starts_with('/') {
        return Err(Malformed::PathForm.into());
    }
    let uri = Uri::try_from(question.path).map_err(|_| Malformed::PathCharacter)?;
    Target::parse(&method, Some(question.host), &uri)
}

/// What becomes of the last of `requests`.
fn admit(
    meter: &Meter,
    grant: &Grant<'_>,
    requests: u32,
    (address, now): (IpAddr, Now),
) -> Result<(), Refusal> {
    let admit = || meter.admit(grant, address, now);
    let earlier = requests.clamp(1, SIMULATED_REQUESTS_MAX) - 1;
    // At one moment, all of them are under way.
    let under_way: Vec<Admission> = (0..earlier).map_while(|_| admit().ok()).collect();
    let last = admit().map(drop);
    drop(under_way);
    last
}
