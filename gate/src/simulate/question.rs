//! What is asked, and what is answered.

use std::net::IpAddr;

use http::HeaderMap;
use tollgate_store::{KeyId, Name, Secret};

use super::ConditionFinding;
use crate::{ClientCertificate, GivenAnswer, GivenKeys};

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
