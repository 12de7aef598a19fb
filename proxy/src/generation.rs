//! What requests are decided and carried by: a snapshot and its upstreams, swapped together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tollgate_gate::{Admission, Snapshot, Target};
use tollgate_store::{Cidr, Name};

use crate::record::Record;
use crate::refusal::Refusal;
use crate::upstream::{AnswerBody, TlsConfig, Upstream};

/// A snapshot, and the pools of connections that its routes lead to.
#[derive(Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// What decides.
    pub snapshot: Snapshot,
    upstreams: HashMap<Name, Arc<Upstream>>,
}

/// An upstream's answer, and the admission that it counts for.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response<AnswerBody>,
    /// What to hold until its last byte.
    pub admission: Admission,
}

impl Generation {
    /// The generation after `previous`. An upstream that did not change keeps its connections.
    #[must_use]
    pub fn next(snapshot: Snapshot, previous: Option<&Self>, tls: &TlsConfig) -> Self {
        let kept = |name: &Name| previous.and_then(|previous| previous.upstreams.get(name));
        let upstreams = snapshot
            .upstreams()
            .map(|rule| {
                let upstream = kept(&rule.name)
                    .filter(|upstream| upstream.rule() == rule)
                    .map_or_else(|| Arc::new(Upstream::new(rule, tls)), Arc::clone);
                (rule.name.clone(), upstream)
            })
            .collect();
        Self {
            number: previous.map_or(0, |previous| previous.number) + 1,
            snapshot,
            upstreams,
        }
    }

    /// The networks whose word about a client is taken.
    #[must_use]
    pub fn trusted_proxies(&self) -> Option<&BTreeSet<Cidr>> {
        self.snapshot.proxy()?.trusted_proxies.as_ref()
    }

    /// Closes connections to upstreams that have been idle for too long; call it every few seconds.
    pub fn sweep(&self) {
        self.upstreams
            .values()
            .for_each(|upstream| upstream.sweep());
    }

    /// Sends an admitted request to its upstream.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        target: &Target,
        admission: Admission,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let upstream = self.upstreams.get(&admission.upstream().name);
        let upstream = upstream.ok_or(Refusal::Internal)?;
        let received = record.send_on();
        let result = upstream.send(request, target, received).await;
        record.answered();
        result.map(|response| Answer {
            response,
            admission,
        })
    }
}
