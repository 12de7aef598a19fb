//! What would become of a request: the same straight line, with a caller who is named rather than proven.

mod conditions;
mod explain;
mod reason;

use std::net::IpAddr;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tollgate_store::{KeyId, Name, Secret};

use crate::identify::{Access, IssuerRule, KeyRule};
use crate::{
    Admission, Circumstances, ClientCertificate, CredentialFault, GivenAnswer, GivenKeys, Grant,
    IssuerKeys, Malformed, Meter, NoKeys, Now, OverQuota, OwnPage, Presented, Principal, Refusal,
    Rejected, Sent, Snapshot, Target, TokenFault, TokenTrail, Traced,
};

pub use conditions::ConditionFinding;
use conditions::ConditionalFinding;
pub use explain::{Documents, Explanation, Finding};

/// The most requests that one question may be about.
pub const SIMULATED_REQUESTS_MAX: u32 = 10_000;

/// A request that nobody sent.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The method, like `GET`.
    pub method: &'q str,
    /// What it would be addressed to: a host, with or without a port.
    pub host: &'q str,
    /// The path, with or without a query.
    pub path: &'q str,
    /// Who would ask.
    pub caller: Caller<'q>,
    /// From where.
    pub address: IpAddr,
    /// With which headers beside those that a credential stands in; `None`: with none.
    pub headers: Option<&'q HeaderMap>,
    /// When.
    pub at: jiff::Timestamp,
    /// How many such requests at that one moment, after none before: 1 to [`SIMULATED_REQUESTS_MAX`]. The last one is
    /// decided; what is beyond the bounds is taken for the bound.
    pub requests: u32,
}

/// Who would ask. Keys are taken to bear the one of their tokens that opens for longest.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'q> {
    /// Who bears a token of the key with that id.
    KeyId(KeyId),
    /// Who bears a token of the key of that name, or of `<set>/<key>`.
    KeyName(&'q str),
    /// Who bears a token of a key of that principal, which narrows nothing and has no quotas of its own.
    Principal(&'q Name),
    /// Who bears that token, which must be good itself, and shows nothing beside it.
    Token(&'q Secret),
    /// Who shows that certificate, and bears no token.
    Certificate(&'q ClientCertificate),
    /// The same of a token that those keys of its issuer verify.
    SignedToken(&'q Secret, &'q GivenKeys),
    /// The same of a token that its issuer said that of.
    AnsweredToken(&'q Secret, &'q GivenAnswer),
    /// Who bears a token of that issuer with those claims, a JSON object, and shows nothing beside it.
    Claims(&'q Name, &'q str),
    /// Who bears nothing.
    Nobody,
}

/// What would become of a request, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it would be sent on, or be answered by the proxy itself with a page that is everybody's.
    pub allowed: bool,
    /// The reason as one stable word: `allowed`, or the refusal's as it stands in the proxy's log.
    pub code: &'static str,
    /// The reason as a sentence.
    pub reason: String,
    /// The name of the key that would be taken for the caller's; of a key of a set, `<set>/<key>`.
    pub key: Option<String>,
    /// The issuer whose token would be taken for the caller's.
    pub issuer: Option<String>,
    /// Whom that token is about.
    pub subject: Option<String>,
    /// The principal that the caller would act as.
    pub principal: Option<String>,
    /// The scope that allows it; none where the route is open to everybody.
    pub scope: Option<String>,
    /// The caller's roles that have conditions, and what becomes of those.
    pub conditions: Vec<ConditionFinding>,
    /// The route that carries it.
    pub route: Option<String>,
    /// The upstream that would answer.
    pub upstream: Option<String>,
    /// The quotas that count the caller's requests, in the order of their names.
    pub quotas: Vec<String>,
    /// The quota that is used up.
    pub quota: Option<String>,
    /// The limit of that quota that does not admit it, in words.
    pub limit: Option<String>,
    /// How long to wait until that quota has room for one more, rounded up.
    pub retry_after_seconds: Option<u64>,
}

/// Why it would not be sent on.
enum Stop {
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
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NotReady => "not_ready",
            Self::NoKey => "credential_unknown",
            Self::NoPrincipal => "principal_unknown",
        }
    }

    /// Whether a token would do if what it is bound to were shown beside it.
    fn is_of_possession(&self) -> bool {
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
enum Stage {
    Request,
    Caller,
    Scope,
    Route,
    Quota,
    End,
}

impl Stage {
    /// Where a request stopped.
    fn reached(outcome: &Result<(), Stop>) -> Self {
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
enum Shown {
    Nothing,
    /// Whatever it is bound to.
    WhatMust,
}

/// What is known of a request so far.
#[derive(Default, Clone)]
struct Progress {
    /// What the proxy answers by itself.
    page: Option<OwnPage>,
    key: Option<String>,
    token: Option<Traced>,
    principal: Option<String>,
    /// The scopes that the caller holds always.
    held: Vec<String>,
    /// Those that it holds under conditions.
    conditional: Vec<ConditionalFinding>,
    scope: Option<String>,
    route: Option<String>,
    upstream: Option<String>,
    quotas: Vec<String>,
}

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

impl Progress {
    fn bearer(&mut self, principal: &Principal<'_>) {
        self.caller(principal.key_name().unwrap_or_default(), principal.access());
        self.token = principal.issuer().map(|(issuer, subject)| Traced {
            issuer: issuer.clone(),
            subject: Some(subject.to_owned()),
            says: None,
        });
    }

    fn caller(&mut self, key_name: &str, access: &Access) {
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
