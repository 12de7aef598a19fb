//! Decisions as sentences, for a person who wonders.

use tollgate_store::Name;
use tollgate_store::document::{CertificateSubject, Kind, PartName};

use super::conditions::{self, ConditionFinding};
use super::{Caller, Progress, Question, Stop};
use crate::refusal::address_text;
use crate::{
    ClientCertificate, CredentialFault, OverQuota, Refusal, Rejected, TokenFault, credential,
};

/// The most scopes that a sentence names.
const SCOPES_NAMED_MAX: usize = 10;

/// What would become of a request, and why.
pub(super) fn reached(
    question: &Question<'_>,
    progress: &Progress,
    (outcome, rejected): (&Result<(), Stop>, &[Rejected]),
) -> String {
    match outcome {
        Ok(()) => allowed(question, progress),
        Err(stop) => stopped(question, progress, (stop, rejected)),
    }
}

/// Why a request would be sent on.
fn allowed(question: &Question<'_>, progress: &Progress) -> String {
    if let Some(page) = progress.page {
        let request = request(question);
        return format!(
            "the proxy answers {request} by itself, to everybody: {}",
            page.as_str()
        );
    }
    let (who, request) = (who(progress), request(question));
    let scope = quoted(progress.scope.as_ref());
    let route = quoted(progress.route.as_ref());
    let upstream = quoted(progress.upstream.as_ref());
    let counted = match progress.quotas.as_slice() {
        [] => "no quota counts it".to_owned(),
        [quota] => format!("quota {quota:?} counts it and has room"),
        quotas => format!("quotas {} count it and have room", listed(quotas)),
    };
    if progress.scope.is_none() {
        return format!(
            "route {route} is open to everybody, also to {who}, and carries {request} to upstream {upstream}, and \
             {counted}"
        );
    }
    format!(
        "scope {scope} lets {who} send {request}, route {route} carries it to upstream {upstream}, and {counted}"
    )
}

/// Why it would not.
fn stopped(
    question: &Question<'_>,
    progress: &Progress,
    (stop, rejected): (&Stop, &[Rejected]),
) -> String {
    match stop {
        Stop::Refused(refusal) => refused(question, progress, refusal),
        Stop::NotReady => {
            "the proxy itself has no document, or none that is good, and serves nothing".to_owned()
        }
        Stop::NoKey => match question.caller {
            Caller::KeyName(name) => no_key(name, rejected),
            Caller::KeyId(id) => format!("no key with the id {id} is served"),
            _ => "no such key is served".to_owned(),
        },
        Stop::NoPrincipal => match question.caller {
            Caller::Principal(name) => no_principal(name, rejected),
            _ => "no such principal is served".to_owned(),
        },
    }
}

fn refused(question: &Question<'_>, progress: &Progress, refusal: &Refusal) -> String {
    let who = who(progress);
    match refusal {
        Refusal::Malformed(malformed) => format!("the request is malformed: {malformed}"),
        Refusal::Unauthenticated(fault) => unauthenticated(question, progress, *fault),
        Refusal::ConditionUnmet { roles, .. } => {
            let names: Vec<_> = roles.iter().map(ToString::to_string).collect();
            let unmet = conditions::by_role(&progress.conditional);
            let unmet = unmet
                .iter()
                .filter(|it| names.contains(&it.role) && !it.is_met);
            let unmet: Vec<_> = unmet.take(SCOPES_NAMED_MAX).map(condition_unmet).collect();
            format!(
                "{who} may send {} only under a condition: {}",
                request(question),
                unmet.join("; ")
            )
        }
        Refusal::CredentialKind { .. } | Refusal::NotExchanged { .. } => match &progress.scope {
            Some(scope) => format!("scope {scope:?} would do, but {refusal}"),
            None => refusal.to_string(),
        },
        Refusal::OutOfScope { .. } => {
            let request = request(question);
            let conditional = progress.conditional.iter().flat_map(|it| &it.scopes);
            let mut held: Vec<_> = progress.held.iter().chain(conditional).cloned().collect();
            held.sort();
            held.dedup();
            match held.as_slice() {
                [] => format!("{who} holds no scope, and {request} needs one"),
                [held] => format!("{who} holds scope {held:?}, which does not allow {request}"),
                held => format!(
                    "{who} holds the scopes {}, none of which allows {request}",
                    listed(held)
                ),
            }
        }
        Refusal::NoRoute => format!(
            "scope {} lets {who} send {}, but no route of this proxy carries it",
            quoted(progress.scope.as_ref()),
            request(question)
        ),
        Refusal::OverQuota(over) => over_quota(question, &who, over),
        Refusal::Overloaded
        | Refusal::CountersUnreachable
        | Refusal::ProofsFull
        | Refusal::TokenUnasked { .. }
        | Refusal::IssuerUnready { .. } => refusal.to_string(),
    }
}

/// The condition of a role, and how that is at which it looks.
fn condition_unmet(of: &ConditionFinding) -> String {
    let text: Vec<_> = of.condition.split_whitespace().collect();
    let because = match of.because.as_slice() {
        [] => String::new(),
        because => format!(" ({})", because.join(", ")),
    };
    format!("role {:?} wants {}{because}", of.role, text.join(" "))
}

fn unauthenticated(question: &Question<'_>, progress: &Progress, fault: CredentialFault) -> String {
    let who = who(progress);
    let now = question.at;
    match fault {
        CredentialFault::Disabled { .. } => format!("{who} is disabled"),
        CredentialFault::PrincipalDisabled { .. } => {
            let principal = quoted(progress.principal.as_ref());
            format!("principal {principal} is disabled, and with it every key that acts as it")
        }
        CredentialFault::PrincipalAddress { address, .. } => {
            let principal = quoted(progress.principal.as_ref());
            let address = address_text(address);
            format!("principal {principal} may not ask from {address}, by whatever credential")
        }
        CredentialFault::Token { fault, .. } => token(progress, fault),
        CredentialFault::CertificateUnknown | CredentialFault::CertificateAmbiguous => {
            let Caller::Certificate(certificate) = question.caller else {
                return fault.to_string();
            };
            format!("{fault}: it says {}", says(certificate))
        }
        CredentialFault::NotYetValid { at, .. } => {
            format!("{who} opens nothing before {at}, and it would be {now}")
        }
        CredentialFault::Expired { at, .. } => {
            format!("{who} opens nothing since {at}, and it would be {now}")
        }
        CredentialFault::TokenExpired { at, .. } => {
            format!("the last token of {who} opens nothing since {at}, and it would be {now}")
        }
        CredentialFault::Address { address, .. } => {
            format!("{who} may not be used from {}", address_text(address))
        }
        other => other.to_string(),
    }
}

fn token(progress: &Progress, fault: TokenFault) -> String {
    let Some(token) = &progress.token else {
        return fault.to_string();
    };
    let says = token.says.as_ref();
    let says = says.map_or_else(String::new, |says| format!(" ({says})"));
    let what_must = match fault {
        TokenFault::ProofMissing => {
            ": a proof by that key must be sent with \"Authorization: DPoP\" (RFC 9449)"
        }
        TokenFault::CertificateMissing => {
            ": the client must show that certificate to the proxy (RFC 8705)"
        }
        _ => "",
    };
    format!("{}: {fault}{says}{what_must}", who(progress))
}

/// What a certificate says of its holder.
fn says(certificate: &ClientCertificate) -> String {
    let fields = certificate.subjects().iter().map(CertificateSubject::field);
    let said: Vec<_> = fields
        .take(SCOPES_NAMED_MAX)
        .map(|(field, value)| format!("{field} {value:?}"))
        .collect();
    said.join(", ")
}

fn over_quota(question: &Question<'_>, who: &str, over: &OverQuota) -> String {
    let nth = question.requests;
    let (quota, measure) = (over.policy.quota.as_str(), &over.policy.measure);
    let wait = over.retry_after_seconds();
    format!(
        "quota {quota:?} allows {measure}, which request {nth} of {who} at one moment exceeds; there is room for one \
         more after {wait} s"
    )
}

fn no_key(name: &str, rejected: &[Rejected]) -> String {
    let key = rejected.iter().find(|it| is(it, Kind::Key, name));
    let is_set =
        |it: &&Rejected| it.id.kind == Kind::KeySet.as_str() && is_set_of(&it.id.name, name);
    if let Some(because) = key.or_else(|| rejected.iter().find(is_set)) {
        return format!("key {name:?} is not served: {}", because.reason);
    }
    let is_part = |it: &&Rejected| {
        let part = Name::parse(&it.id.name).and_then(|part| PartName::parse(&part));
        it.id.kind == Kind::KeySetPart.as_str()
            && part.is_ok_and(|part| is_set_of(part.set.as_str(), name))
    };
    match rejected.iter().find(is_part) {
        Some(part) => format!(
            "no key {name:?} is served: it may stand in {}, which is left out: {}",
            part.id, part.reason
        ),
        None => format!("no key {name:?} is served: there is none of that name"),
    }
}

/// Whether a key that is called `<set>/<key>` may be one of `set`.
fn is_set_of(set: &str, key: &str) -> bool {
    let rest = key.strip_prefix(set);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn no_principal(name: &Name, rejected: &[Rejected]) -> String {
    let name = name.as_str();
    match rejected.iter().find(|it| is(it, Kind::Principal, name)) {
        Some(because) => format!("principal {name:?} is not served: {}", because.reason),
        None => format!("no principal {name:?} is served: there is none of that name"),
    }
}

fn is(rejected: &Rejected, kind: Kind, name: &str) -> bool {
    rejected.id.kind == kind.as_str() && rejected.id.name == name
}

/// The caller: `key "acme-ci" of principal "acme"`.
pub(super) fn who(progress: &Progress) -> String {
    if let Some(token) = &progress.token {
        let issuer = token.issuer.as_str();
        let subject = token.subject.as_ref();
        let subject = subject.map(|subject| format!(" about subject {subject:?}"));
        let principal = progress.principal.as_ref();
        let principal = principal.map(|principal| format!(", who is principal {principal:?}"));
        let (subject, principal) = (subject.unwrap_or_default(), principal.unwrap_or_default());
        return format!("the token of issuer {issuer:?}{subject}{principal}");
    }
    match (&progress.key, &progress.principal) {
        (Some(key), Some(principal)) => format!("key {key:?} of principal {principal:?}"),
        (Some(key), None) => format!("key {key:?}"),
        (None, Some(principal)) => format!("principal {principal:?}"),
        (None, None) => "whoever bears nothing".to_owned(),
    }
}

/// The request without its query, which may hold what is nobody's business.
pub(super) fn request(question: &Question<'_>) -> String {
    let path = question.path.split('?').next().unwrap_or_default();
    let path = credential::redacted(path);
    format!("{} {}{path}", question.method, question.host)
}

fn quoted(name: Option<&String>) -> String {
    name.map_or_else(|| "none".to_owned(), |name| format!("{name:?}"))
}

/// Names one after the other; the last ones by their number where there are many.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SCOPES_NAMED_MAX);
    let mut shown: Vec<_> = shown.map(|name| format!("{name:?}")).collect();
    let more = names.len() - shown.len();
    if more > 0 {
        shown.push(format!("{more} others"));
    }
    shown.join(", ")
}
