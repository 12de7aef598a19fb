//! Whether a client may go on with what its connection turned into.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderMap;
use tollgate_gate::{Circumstances, Presented, Principal, Snapshot, Target, token_of};

use super::Gateway;
use crate::caller::Caller;
use crate::headers;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::tunnel::Check;
use crate::upgrade::Upgrade;

/// How many seconds a connection goes on whose token's issuer says nothing of it.
const UNANSWERED_CHECKS_MAX: u32 = 30;
/// The route no longer allows what a connection turned into.
const UPGRADE_WITHDRAWN: &str = "upgrade_withdrawn";

impl Gateway {
    /// Whether a client may go on with what its connection turned into, by what decides at that time.
    pub(super) fn check(
        &self,
        upgrade: &Upgrade,
        headers: HeaderMap,
        target: &Target,
        (client, caller): (Option<IpAddr>, &Caller),
    ) -> Check {
        let certificate = caller.tls.as_ref().and_then(|tls| tls.client.clone());
        let (generation, clock) = (Arc::clone(&self.generation), self.ledger.clock);
        let (issuers, memory) = (Arc::clone(&self.issuers), Arc::clone(&self.memory));
        let unanswered = AtomicU32::new(0);
        let (target, protocol) = (target.clone(), upgrade.protocol.clone());
        Box::new(move || {
            let generation = generation.load();
            let Some(generation) = generation.as_ref() else {
                return Some(Refusal::NotReady.code());
            };
            let snapshot = &generation.snapshot;
            let presented = Presented {
                headers: &headers,
                address: client,
                certificate: certificate.as_deref(),
                keys: &*issuers,
                memory: Some(&memory),
                // What the connection began with was shown then.
                sent: None,
                trail: None,
            };
            let now = clock.now();
            let circumstances = Circumstances::of(&presented, now);
            let principal = snapshot.identify_presented(&presented, now);
            let allows = |principal: &Principal<'_>| {
                unanswered.store(0, Ordering::Relaxed);
                let grant = snapshot.authorize(principal, &target, &circumstances)?;
                Ok(grant.allows_upgrade(protocol.to_str().unwrap_or_default()))
            };
            match principal.and_then(|principal| allows(&principal)) {
                Err(refusal) if refusal.wants_answer_of().is_some() => {
                    let asked = refusal.wants_answer_of();
                    let issuer = asked.and_then(|number| snapshot.issuer(number));
                    if let (Some(issuer), Some(token)) = (issuer, token_of(&headers)) {
                        issuers.ask_beside(&issuer.name, token, client);
                    }
                    // An issuer that is down for a moment ends no connection.
                    let count = unanswered.fetch_add(1, Ordering::Relaxed);
                    (count >= UNANSWERED_CHECKS_MAX).then(|| refusal.code())
                }
                Err(refusal) => Some(refusal.code()),
                Ok(is_allowed) => (!is_allowed).then_some(UPGRADE_WITHDRAWN),
            }
        })
    }
}

/// What of a request's headers decides whether its connection may go on: the credential, and what conditions look at.
pub(super) fn kept(snapshot: &Snapshot, headers: &HeaderMap, peer: &Peer) -> HeaderMap {
    let mut kept = headers::credentials(headers);
    let looked_at = snapshot.conditions_headers();
    let headers = headers::for_conditions(headers, looked_at, peer);
    for name in looked_at {
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}
