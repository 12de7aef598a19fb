//! Upstreams: the servers behind the proxies.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_number};
use super::{
    AwsPayload, Declaration, Kind, Retries, Spec, Throttle, UpstreamCredential, UpstreamIdentity,
};
use crate::{
    Authorities, CheckInterval, CheckPath, Description, MaterialReference, Problem, SecretPlace,
    ServerName, TargetUrl, Timeout,
};

/// The most targets of one upstream.
pub const TARGETS_MAX: usize = 64;
/// The most checks in a row that it takes until a target is taken for well, or for not.
pub const CHECKS_MAX: u32 = 10;
/// The most connections to one target that a limit may allow.
pub const CONNECTIONS_MAX: u32 = 100_000;
/// The most that a target may weigh.
pub const TARGET_WEIGHT_MAX: u32 = 100;
/// What a check's answer may have to be.
pub const CHECK_STATUS_BOUNDS: RangeInclusive<u32> = 200..=599;

/// Servers that answer the same requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What it is, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Where it answers: 1 to 64 targets, taken in turn.
    pub targets: Vec<TargetUrl>,
    /// How many requests targets get in proportion to others, 1 to 100, by the targets: 1 where one is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_weights: Option<BTreeMap<TargetUrl, u32>>,
    /// The most connections that each proxy has open to each target, 1 to 100,000; any number where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// How it is spoken to, where that is not to be found out: HTTP/1.1 to a target without TLS, and with TLS what
    /// both sides agree on (ALPN, RFC 7301).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How it and the proxy prove who they are, where its targets are spoken to by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Which target gets a request: [`Balance::RoundRobin`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// How it is asked whether it is well; targets are only watched where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Over what time a target that is well again gets its full share of requests; at once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Timeout>,
    /// How long to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// What is sent again after it failed; nothing where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Box<Retries>>,
    /// How many requests at once it is given; any number where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Box<Throttle>>,
    /// What it is told of who asks, beside `X-Tollgate-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Box<UpstreamIdentity>>,
    /// What the proxy shows it; nothing where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Box<UpstreamCredential>>,
    /// Whether it gets the client's own credential; not where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_credential: Option<bool>,
}

/// How an upstream is spoken to, by the names that TLS has for it (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    #[serde(rename = "http/1.1")]
    Http11,
    /// HTTP/2 (RFC 9113), without TLS by prior knowledge.
    #[serde(rename = "h2")]
    Http2,
}

/// Which target gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests of this proxy in flight.
    LeastRequests,
    /// Of two by chance, the one with the fewer requests of this proxy in flight.
    TwoChoices,
    /// The same for all requests of a principal, or else of a key, as long as that has not far more to do than others.
    Hash,
}

/// How a target is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is asked for by `GET`.
    pub path: CheckPath,
    /// How long to wait between two checks: 5 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CheckInterval>,
    /// How long to wait for an answer: 2 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// After how many good answers it is well again, 1 to 10: 2 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_after: Option<u32>,
    /// After how many checks without a good answer it is not well, 1 to 10: 3 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_after: Option<u32>,
    /// The status that a good answer has, 200 to 599: any from 200 to 299 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// How an upstream and the proxy prove who they are. An upstream is always verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// The authorities that its certificate must be signed by, in place of those that the proxy's system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
    /// Whom its certificate must be made out to, also what is asked for by SNI: the target's host where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
    /// The proxy's own certificate with what it is signed by, and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<MaterialReference>,
}

/// How long a proxy waits for an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection: 2 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Timeout>,
    /// For the head of a response, once the request was sent: 30 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Timeout>,
    /// For the next bytes of a body, in either direction, or of a connection that was upgraded: 60 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Timeout>,
    /// For everything, up to the last byte of the answer: without end where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Timeout>,
}

impl Declaration for Upstream {
    const KIND: Kind = Kind::Upstream;

    fn check(&self) -> Result<(), Problem> {
        check_count("targets", Some(self.targets.len()), TARGETS_MAX)?;
        self.check_weights()?;
        check_number(
            "connections_max",
            self.connections_max.unwrap_or(1),
            CONNECTIONS_MAX,
        )?;
        if self.tls.is_some() && !self.targets.iter().any(TargetUrl::encrypted) {
            let message =
                "no target is spoken to by TLS: write \"https://\" in targets, or leave it out";
            return Err(Problem::field("tls", message));
        }
        let identity = self.identity.as_deref();
        let identity = identity.map_or(Ok(()), UpstreamIdentity::check);
        identity.map_err(|problem| problem.under("identity"))?;
        if let Some(credential) = self.credential.as_deref() {
            let checked = credential.check();
            let checked = checked.and_then(|()| credential.check_way(&self.targets));
            checked.map_err(|problem| problem.under("credential"))?;
        }
        self.check_payload()?;
        self.check_headers()?;
        let health = self.health.as_ref().map_or(Ok(()), Health::check);
        health.map_err(|problem| problem.under("health"))?;
        let retries = self.retries.as_deref().map_or(Ok(()), Retries::check);
        retries.map_err(|problem| problem.under("retries"))?;
        let throttle = self.throttle.as_deref().map_or(Ok(()), Throttle::check);
        throttle.map_err(|problem| problem.under("throttle"))
    }
}

impl Upstream {
    /// Where everything is that a proxy reads for it: certificates, keys and secrets.
    pub fn places(&self) -> impl Iterator<Item = &MaterialReference> {
        let tls = self.tls.iter().flat_map(|tls| {
            let ca = tls.ca.as_ref().and_then(Authorities::reference);
            ca.into_iter().chain(&tls.certificate)
        });
        let jwt = self.identity.iter().filter_map(|told| told.jwt.as_ref());
        let credential = self.credential.iter().filter_map(|shown| shown.secret());
        let secrets = jwt.map(|jwt| &jwt.key).chain(credential);
        let shown = self.credential.iter();
        let authorities = shown.filter_map(|shown| shown.authorities());
        tls.chain(secrets.map(SecretPlace::reference))
            .chain(authorities)
    }

    /// What a target weighs.
    #[must_use]
    pub fn weight(&self, target: &TargetUrl) -> u32 {
        let mut weights = self.target_weights.iter().flatten();
        let declared = weights.find(|(url, _)| url.leads_to_same(target));
        declared.map_or(1, |(_, weight)| *weight)
    }

    /// Whether each weight is one of a target's, and each target has one.
    fn check_weights(&self) -> Result<(), Problem> {
        const FIELD: &str = "target_weights";
        let Some(weights) = &self.target_weights else {
            return Ok(());
        };
        check_count(FIELD, Some(weights.len()), TARGETS_MAX)?;
        for (url, weight) in weights {
            check_number(FIELD, *weight, TARGET_WEIGHT_MAX)?;
            if !self.targets.iter().any(|target| target.leads_to_same(url)) {
                let message = format!("{:?} is none of the targets", url.as_str());
                return Err(Problem::field(FIELD, message));
            }
            let same = weights.keys().filter(|other| other.leads_to_same(url));
            if same.count() > 1 {
                let message = format!("{:?} is there twice", url.as_str());
                return Err(Problem::field(FIELD, message));
            }
        }
        Ok(())
    }

    /// Whether what is not signed is at least hidden.
    fn check_payload(&self) -> Result<(), Problem> {
        let signature = self.credential.as_ref();
        let signature = signature.and_then(|credential| credential.aws_sigv4.as_ref());
        let is_unsigned = signature.is_some_and(|it| it.payload == Some(AwsPayload::Unsigned));
        if is_unsigned && !self.targets.iter().all(TargetUrl::encrypted) {
            let message = "bodies that are not signed need TLS: write \"https://\" in all targets, or sign them";
            let problem = Problem::field("payload", message).under("aws_sigv4");
            return Err(problem.under("credential"));
        }
        Ok(())
    }

    /// Whether each header says one thing.
    fn check_headers(&self) -> Result<(), Problem> {
        let shown = self
            .credential
            .as_ref()
            .map(|credential| match &credential.header {
                Some(header) => header.name.as_str(),
                None => "authorization",
            });
        let forwards = self.forward_credential == Some(true);
        if forwards && matches!(shown, Some("authorization" | "x-api-key")) {
            let message = "the proxy shows a credential of its own in a header that a client's stands in: leave out one of both";
            return Err(Problem::field("forward_credential", message));
        }
        let told = self.identity.iter().flat_map(|identity| identity.names());
        for (field, name) in told {
            if Some(name.as_str()) == shown {
                let message = format!(
                    "{:?} is where a credential stands: take another",
                    name.as_str()
                );
                return Err(Problem::field(field, message).under("identity"));
            }
        }
        Ok(())
    }
}

impl Health {
    fn check(&self) -> Result<(), Problem> {
        for (field, number) in [
            ("healthy_after", self.healthy_after),
            ("unhealthy_after", self.unhealthy_after),
        ] {
            check_number(field, number.unwrap_or(1), CHECKS_MAX)?;
        }
        match self.status {
            Some(status) if !CHECK_STATUS_BOUNDS.contains(&u32::from(status)) => {
                let message = format!("{status} is out of bounds: it must be 200 to 599");
                Err(Problem::field("status", message))
            }
            _ => Ok(()),
        }
    }
}

impl From<Upstream> for Spec {
    fn from(upstream: Upstream) -> Self {
        Self::Upstream(upstream)
    }
}
