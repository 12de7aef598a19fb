//! Listens where the proxy's document says, and tells what is wrong with that.

mod alarm;

use std::collections::BTreeMap;

use tollgate_gate::Now;
use tollgate_store::backend::Location;
use tollgate_store::document::Listen;
use tollgate_store::{ListenAddress, ListenPlace, MaterialReference};

use super::Watch;
use crate::greeting::Front;
use crate::listeners::Occupied;
use crate::metrics::signed;
use crate::status::unbound_text;
use crate::tls::{End, Materials, Review};
use crate::upstream::Findings;
use alarm::Alarm;

/// Where clients connect.
#[derive(Debug)]
pub(super) struct Listening {
    /// What the document last said: clients of a proxy whose document broke are told to come back rather than not
    /// answered, and never by another protocol.
    declared: Option<Vec<Listen>>,
    materials: Materials,
    unbound: BTreeMap<ListenPlace, String>,
    unusable: BTreeMap<String, String>,
    ends: BTreeMap<MaterialReference, End>,
    alarm: Alarm,
}

impl Listening {
    /// Nowhere yet. Certificates in secrets are read as those of `store` are.
    pub(super) fn new(store: &Location) -> Self {
        Self {
            declared: None,
            materials: Materials::new(store),
            unbound: BTreeMap::new(),
            unusable: BTreeMap::new(),
            ends: BTreeMap::new(),
            alarm: Alarm::default(),
        }
    }

    /// Listens where it should. What failed is tried again with every poll.
    pub(super) async fn update(&mut self, watch: &mut Watch) {
        let Some(wanted) = self.wanted(watch) else {
            return;
        };
        let generation = watch.gateway.generation.load();
        let is_known = generation
            .as_ref()
            .is_some_and(|generation| generation.snapshot.proxy().is_some());
        drop(generation);
        let now = watch.gateway.ledger.clock.now();
        let mut review = self.materials.review(&wanted, now.wall).await;
        let fronts = wanted.iter().filter_map(|listen| {
            let address = listen.address.place().clone();
            let served = review.servers.get(&address).cloned();
            let front = match (served, &listen.tls) {
                (Some((config, trust)), _) => Front {
                    senders: listen.proxy_protocol.clone(),
                    tls: Some(config),
                    trust,
                },
                (None, None) => Front {
                    senders: listen.proxy_protocol.clone(),
                    ..Front::default()
                },
                (None, Some(_)) => return None,
            };
            Some((address, front))
        });
        let found = self.found(watch).await;
        let is_sound = found.faults.is_empty() && review.faults.is_empty();
        let is_equipped = {
            let mut standing = watch.status.standing();
            standing.equipment.was_whole |= is_known && is_sound;
            standing.equipment.was_whole
        };
        // Whoever serves there may know more than a proxy that knows nothing yet, or can't serve everything.
        let occupied = if is_known && is_equipped && review.unserved.is_empty() {
            Occupied::TakeOver
        } else {
            Occupied::Leave
        };
        let failed = watch.listeners.reconcile(&fronts.collect(), occupied);
        let failed = failed
            .into_iter()
            .map(|(address, error)| (address, error.to_string()));
        let mut unbound: BTreeMap<_, _> = failed.collect();
        unbound.append(&mut review.unserved);
        self.tell_materials(watch, (review, found), now);
        self.tell_unbound(watch, unbound);
    }

    /// What upstreams and issuers tell of theirs by themselves.
    async fn found(&self, watch: &Watch) -> Findings {
        let generation = watch.gateway.generation.load_full();
        let found = generation.as_ref().map(|generation| generation.findings());
        let mut found = found.unwrap_or_default();
        let of_issuers = watch.gateway.issuers.findings().await;
        found.faults.extend(of_issuers.faults);
        found
    }

    /// `None`: as it is. Addresses of the command line take what the document says of the same ones.
    fn wanted(&mut self, watch: &Watch) -> Option<Vec<Listen>> {
        let generation = watch.gateway.generation.load();
        let proxy = generation
            .as_ref()
            .and_then(|generation| generation.snapshot.proxy());
        if let Some(proxy) = proxy {
            self.declared = Some(proxy.listen.clone());
        }
        let told = &watch.config.listen;
        if told.is_empty() {
            return self.declared.clone();
        }
        let declared = |address: &ListenPlace| {
            let mut declared = self.declared.iter().flatten();
            declared
                .find(|listen| listen.address.place() == address)
                .cloned()
        };
        let plain = |address: &ListenPlace| Listen {
            address: ListenAddress::from(address.clone()),
            proxy_protocol: None,
            tls: None,
        };
        let wanted = told.iter();
        Some(
            wanted
                .map(|address| declared(address).unwrap_or_else(|| plain(address)))
                .collect(),
        )
    }

    fn tell_unbound(&mut self, watch: &Watch, unbound: BTreeMap<ListenPlace, String>) {
        for (address, error) in &unbound {
            if self.unbound.get(address) != Some(error) {
                tracing::error!("{}", unbound_text(address, error));
            }
        }
        let metrics = &watch.gateway.ledger.metrics;
        metrics.listeners.set(signed(watch.listeners.len()));
        metrics.listeners_failed.set(signed(unbound.len()));
        let mut standing = watch.status.standing();
        standing.listeners = watch.listeners.len();
        standing.unbound.clone_from(&unbound);
        standing.has_listened |= unbound.is_empty() && !watch.listeners.is_empty();
        drop(standing);
        self.unbound = unbound;
    }

    fn tell_materials(&mut self, watch: &Watch, (review, found): (Review, Findings), now: Now) {
        let Review {
            faults, mut ends, ..
        } = review;
        for (place, end) in found.ends {
            ends.entry(place).or_insert(end);
        }
        let unusable: BTreeMap<_, _> = faults
            .into_iter()
            .map(|(place, fault)| (place.to_string(), fault.to_string()))
            .collect();
        for (place, problem) in &unusable {
            if self.unusable.get(place) != Some(problem) {
                tracing::error!(
                    place,
                    problem,
                    "what was good before is served on, if anything was"
                );
            }
        }
        for place in self.unusable.keys() {
            if !unusable.contains_key(place) {
                tracing::info!(place, "it is good again, or not needed any more");
            }
        }
        self.alarm.sound(&ends, now.wall);
        let metrics = &watch.gateway.ledger.metrics;
        let mut all = found.faults;
        all.extend(unusable.clone());
        metrics.materials_failed.set(signed(all.len()));
        // Whoever reads in between would find none.
        if self.ends != ends {
            metrics.ends(&ends);
            self.ends = ends;
        }
        watch.status.standing().equipment.unusable = all;
        self.unusable = unusable;
    }
}
