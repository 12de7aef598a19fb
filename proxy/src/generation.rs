//! What requests are decided and carried by: a snapshot and its upstreams, swapped together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use http::{Request, Response};
use hyper::body::Incoming;
use tollgate_gate::{Admission, Grant, OwnPage, Snapshot, Target, ThrottleState};
use tollgate_store::document::RateLimitHeaders;
use tollgate_store::{Cidr, Name};

use crate::counters::Counters;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::upgrade::Upgrade;
use crate::upstream::{
    AnswerBody, Errand, Findings, Flight, Means, Permit, Switched, TargetState, Upstream,
    UpstreamEnd,
};
use crate::well_known::{self, WellKnown};

/// A snapshot, and the pools of connections that its routes lead to.
#[derive(Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// What decides.
    pub snapshot: Snapshot,
    /// What is answered without asking who asks.
    pub well_known: WellKnown,
    /// Where the fleet counts; each process counts by itself where there are none.
    pub counters: Option<Arc<Counters>>,
    upstreams: HashMap<Name, Arc<Upstream>>,
}

/// An upstream's answer, and the admission that it counts for.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response<Box<AnswerBody>>,
    /// What to hold until its last byte.
    pub admission: Admission,
    /// What the connections on both sides turn into, where they do.
    pub switch: Option<Box<Switch>>,
}

/// What the connections on both sides turn into.
#[derive(Debug)]
pub struct Switch {
    /// The client's side.
    pub upgrade: Upgrade,
    /// The upstream's.
    pub upstream: UpstreamEnd,
    /// What counts it at its target.
    pub flight: Flight,
    /// How long nothing may pass.
    pub idle_max: Duration,
}

/// What is asked for, and by whom.
#[expect(missing_debug_implementations, reason = "it holds a token")]
pub struct Asked<'a> {
    /// What is asked for.
    pub target: &'a Target,
    /// Who asks: the principal, or else the key.
    pub caller: &'a str,
    /// What lets it through.
    pub grant: &'a Grant<'a>,
    /// The token that it was let through by, where that is an issuer's and is exchanged for another.
    pub subject: Option<&'a str>,
    /// When it came.
    pub now: jiff::Timestamp,
    /// Where to count what becomes of it.
    pub metrics: &'a Metrics,
}

impl Asked<'_> {
    fn errand(&self, record: &mut Record) -> Errand<'_> {
        Errand {
            target: self.target,
            caller: self.caller,
            grant: self.grant,
            subject: self.subject,
            now: self.now,
            received: record.send_on(),
            metrics: self.metrics,
        }
    }
}

impl Generation {
    /// The generation after `previous`. An upstream that did not change is the same; of one that did, targets that stay
    /// keep what is counted and known of them, and a throttle that did not change what it has learned.
    #[must_use]
    pub fn next(snapshot: Snapshot, previous: Option<&Self>, means: &Means) -> Self {
        let kept = |name: &Name| previous.and_then(|previous| previous.upstreams.get(name));
        let upstreams = snapshot
            .upstreams()
            .map(|rule| {
                let kept = kept(&rule.name);
                let upstream = kept
                    .filter(|upstream| upstream.rule() == rule)
                    .map_or_else(|| Upstream::new(rule, kept, means), Arc::clone);
                (rule.name.clone(), upstream)
            })
            .collect();
        Self {
            number: previous.map_or(0, |previous| previous.number) + 1,
            well_known: WellKnown::of(snapshot.proxy()),
            snapshot,
            counters: None,
            upstreams,
        }
    }

    /// Lets what `previous` alone needs end with the requests that it still has: call it once this one decides.
    pub fn replaced(&self, previous: &Self) {
        for (name, upstream) in &previous.upstreams {
            let next = self.upstreams.get(name);
            if !next.is_some_and(|next| Arc::ptr_eq(next, upstream)) {
                upstream.retire(next);
            }
        }
    }

    /// The same, in which the fleet counts there.
    #[must_use]
    pub fn counting_in(mut self, counters: Option<Arc<Counters>>) -> Self {
        self.counters = counters;
        self
    }

    /// The networks whose word about a client is taken.
    #[must_use]
    pub fn trusted_proxies(&self) -> Option<&BTreeSet<Cidr>> {
        self.snapshot.proxy()?.trusted_proxies.as_ref()
    }

    /// What clients are told of their quotas.
    #[must_use]
    pub fn rate_limit_headers(&self) -> RateLimitHeaders {
        let proxy = self.snapshot.proxy();
        let declared = proxy.and_then(|proxy| proxy.rate_limit_headers);
        declared.unwrap_or_default()
    }

    /// How the targets of all upstreams are.
    pub fn targets(&self) -> impl Iterator<Item = (&Name, TargetState<'_>)> {
        let upstreams = self.upstreams.iter();
        upstreams.flat_map(|(name, upstream)| upstream.targets().map(move |state| (name, state)))
    }

    /// How the throttles of all upstreams are that have one.
    pub fn throttles(&self) -> impl Iterator<Item = (&Name, ThrottleState)> {
        let upstreams = self.upstreams.iter();
        upstreams.filter_map(|(name, upstream)| Some((name, upstream.throttle()?)))
    }

    /// The public keys that verify what upstreams are told, as a set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys = self.upstreams.values().flat_map(|upstream| upstream.jwks());
        // Upstreams may share one.
        let by_id: BTreeMap<_, _> = keys
            .map(|key| (key.get("kid").map(ToString::to_string), key))
            .collect();
        serde_json::json!({"keys": by_id.into_values().collect::<Vec<_>>()})
    }

    /// A page that the proxy answers by itself.
    #[must_use]
    pub fn page(&self, page: OwnPage) -> Response<Bytes> {
        match page {
            OwnPage::Jwks => well_known::jwks(&self.jwks()),
            // Also whatever the engine may one day know beyond.
            _ => self.well_known.resource(),
        }
    }

    /// What is found about the certificates and secrets that upstreams need.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        for upstream in self.upstreams.values() {
            upstream.report(&mut findings);
        }
        if let Some(counters) = &self.counters {
            counters.report(&mut findings);
        }
        findings
    }

    /// Looks after the connections to upstreams: call it every second.
    pub fn tend(&self) {
        self.upstreams.values().for_each(Upstream::tend);
    }

    /// Finds room for a request at its upstream, where there may be too many: before its quotas are charged, as what is
    /// shed costs its caller nothing.
    pub async fn room(
        &self,
        grant: &Grant<'_>,
        metrics: &Metrics,
    ) -> Result<Option<Permit>, Refusal> {
        let upstream = self.upstreams.get(&grant.upstream().name);
        let upstream = upstream.ok_or(Refusal::Internal)?;
        upstream.admit(grant.priority(), metrics).await
    }

    /// Sends an admitted request to its upstream.
    pub async fn forward(
        &self,
        request: Box<Request<Incoming>>,
        asked: &Asked<'_>,
        (admission, permit): (Admission, Option<Permit>),
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let upstream = self.upstreams.get(&admission.upstream().name);
        let upstream = upstream.ok_or(Refusal::Internal)?;
        let result = upstream.send(request, permit, &asked.errand(record)).await;
        record.answered();
        result.map(|response| Answer {
            response,
            admission,
            switch: None,
        })
    }

    /// The same with a request whose connection is to turn into something else.
    pub async fn forward_upgrade(
        &self,
        request: Box<Request<Incoming>>,
        (asked, upgrade): (&Asked<'_>, Upgrade),
        (admission, permit): (Admission, Option<Permit>),
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let upstream = self.upstreams.get(&admission.upstream().name);
        let upstream = upstream.ok_or(Refusal::Internal)?;
        let errand = asked.errand(record);
        let what = (&errand, &upgrade);
        let result = upstream.send_upgrade(request, permit, what).await;
        record.answered();
        let upstream_idle = upstream.idle_max();
        let (response, switch) = match result? {
            Switched::Answer(response) => (response, None),
            Switched::Tunnel(response, upstream, flight) => {
                let switch = Switch {
                    upgrade,
                    upstream,
                    flight,
                    idle_max: upstream_idle,
                };
                (response, Some(Box::new(switch)))
            }
        };
        Ok(Answer {
            response,
            admission,
            switch,
        })
    }
}
