//! What of an upstream goes on when its document changes.
//!
//! Most changes concern neither where a target is nor how it is spoken to: what is counted and known of it holds on, by
//! its URL, and so do its connections where they would be made in the same way again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tollgate_gate::UpstreamRule;
use tollgate_store::{TargetUrl, document};

use super::address::System;
use super::balance::Balancer;
use super::health::Standings;
use super::retry::RetryRules;
use super::shown::Shown;
use super::target::Place;
use super::throttle::Throttle;
use super::{Limits, Means, Security, Upstream, check};

impl Upstream {
    /// An upstream as declared now. What `previous` counted and knew of targets that stay goes on, and what its throttle
    /// has learned.
    #[must_use]
    pub fn new(rule: &Arc<UpstreamRule>, previous: Option<&Arc<Self>>, means: &Means) -> Arc<Self> {
        let upstream = &rule.upstream;
        let security = security(upstream, previous, means);
        let places = places(upstream, security.as_ref(), previous);
        let learned = previous.and_then(|previous| previous.throttle.as_ref());
        let declared = upstream.throttle.as_deref();
        let standings = previous.map(|previous| &previous.standings);
        let upstream = Arc::new(Self {
            standings: Standings::next(upstream, &places, standings),
            places,
            shown: Shown::new(rule, means).map(Box::new),
            rule: Arc::clone(rule),
            security,
            balancer: Balancer::next(upstream, previous.map(|previous| &previous.balancer)),
            limits: Limits::new(upstream),
            retries: upstream.retries.as_deref().map(RetryRules::new),
            budget: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.budget)),
            throttle: declared.map(|declared| Throttle::next(declared, learned)),
            is_renewing: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            told: Mutex::default(),
        });
        if let Some(health) = &rule.upstream.health {
            let first = upstream.first_check(previous);
            let checks = check::run(Arc::downgrade(&upstream), health.clone(), first);
            tokio::spawn(checks);
        }
        upstream
    }

    /// Requests that come from now on are `next`'s, or nobody's. Those that are on their way end as they would have;
    /// connections that `next` does not have are closed, each once its request has ended.
    pub fn retire(&self, next: Option<&Arc<Self>>) {
        self.is_retired.store(true, Ordering::Relaxed);
        let goes_on = |place: &Place| {
            let kept = next.and_then(|next| next.place(place.url()));
            kept.is_some_and(|kept| Arc::ptr_eq(&kept.pool, &place.pool))
        };
        let places = self.places.iter().filter(|place| !goes_on(place));
        places.for_each(|place| place.pool.close());
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// At once, unless the same targets are asked the same already.
    fn first_check(&self, previous: Option<&Arc<Self>>) -> Instant {
        let is_asked = |previous: &&Arc<Self>| {
            let mut places = self.places.iter();
            previous.rule.upstream.health == self.rule.upstream.health
                && places.all(|place| previous.place(place.url()).is_some())
        };
        let goes_on = previous.filter(is_asked);
        let next = goes_on.and_then(|_| self.standings.next_check());
        next.unwrap_or_else(Instant::now)
    }

    fn place(&self, url: &TargetUrl) -> Option<&Arc<Place>> {
        self.places.iter().find(|place| place.url() == url)
    }
}

/// What TLS with the targets takes: the same as before where it is declared in the same way.
fn security(
    upstream: &document::Upstream,
    previous: Option<&Arc<Upstream>>,
    means: &Means,
) -> Option<Arc<Security>> {
    let (tls, protocol) = (upstream.tls.as_ref(), upstream.protocol);
    let is_encrypted = upstream.targets.iter().any(TargetUrl::encrypted);
    let is_alike = |previous: &&Arc<Upstream>| {
        let before = &previous.rule.upstream;
        (before.tls.as_ref(), before.protocol) == (tls, protocol)
    };
    let kept = previous.filter(is_alike);
    let kept = kept.and_then(|previous| previous.security.clone());
    is_encrypted.then(|| kept.unwrap_or_else(|| Arc::new(Security::reading(tls, protocol, means))))
}

fn places(
    upstream: &document::Upstream,
    security: Option<&Arc<Security>>,
    previous: Option<&Arc<Upstream>>,
) -> Vec<Arc<Place>> {
    let mut places: Vec<Arc<Place>> = Vec::new();
    for url in &upstream.targets {
        // One that is named twice is one target.
        let named = places.iter().find(|place| place.url() == url).cloned();
        let kept = named.or_else(|| previous?.place(url).cloned());
        let resolver = Arc::new(System);
        let place = Place::new(url, upstream, security, resolver, kept.as_deref());
        places.extend(place.map(Arc::new));
    }
    places
}
