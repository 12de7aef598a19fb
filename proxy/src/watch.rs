//! Brings what the store holds to the gateway: poll, build, swap.
//!
//! A failed poll changes nothing: the last good generation is served on, and its age shows.

mod advices;
mod complaint;
mod listening;
mod rejections;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Notify;
use tollgate_conditions::Cedar;
use tollgate_gate::{Rejected, Snapshot, advise};
use tollgate_store::MaterialReference;
use tollgate_store::backend::{Backend, Cursor, Depth, Load, StoreError};
use tollgate_store::document::{self, Entry};

use crate::Gateway;
use crate::config::Config;
use crate::counters::{Counters, Surroundings};
use crate::generation::Generation;
use crate::listeners::Listeners;
use crate::status::Status;
use crate::tls::Keeper;
use crate::upstream::{AwsIdentity, Means, SystemTrust};
use advices::Advices;
use complaint::Complaint;
use listening::Listening;
use rejections::Rejections;

/// Everything is read again this often, however little seems to have changed.
const EVERYTHING_INTERVAL: Duration = Duration::from_mins(1);
/// The longest that a poll may take.
const POLL_MAX: Duration = Duration::from_secs(30);
/// The longest that the first one may take.
const FIRST_CONTACT_MAX: Duration = Duration::from_secs(9);
/// Polls of a fleet spread by this part of their interval, either way.
const JITTER: f64 = 0.2;

/// Why a poll brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum PollFault {
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer.
    #[error("{place} did not answer within {} s: check its address and the network", limit.as_secs())]
    TooLate {
        /// The store.
        place: String,
        /// How long it had.
        limit: Duration,
    },
    /// A bug.
    #[error("the snapshot could not be built, which is a bug: please report it")]
    Build,
}

/// What it takes to watch a store.
#[derive(Debug)]
pub struct Watch {
    /// What is told.
    pub config: Config,
    /// What is watched.
    pub backend: Arc<dyn Backend>,
    /// What decides requests.
    pub gateway: Arc<Gateway>,
    /// Where clients connect.
    pub listeners: Listeners<Gateway>,
    /// How the proxy is.
    pub status: Arc<Status>,
    /// The authorities that upstreams are trusted by.
    pub trust: SystemTrust,
}

/// What the last poll left behind.
#[derive(Debug)]
struct Memory {
    cursor: Option<Cursor>,
    read_everything: Duration,
    complaint: Complaint,
    rejections: Rejections,
    advices: Advices,
    keeper: Keeper,
    aws: AwsIdentity,
    listening: Listening,
}

/// A watch that had its first contact.
#[derive(Debug)]
pub struct Watching {
    watch: Watch,
    memory: Memory,
}

impl Watch {
    /// Polls for the first time. A namespace that holds nothing yet is no fault: the documents may come later.
    pub async fn first_contact(self) -> Result<Watching, PollFault> {
        let mut watching = Watching {
            memory: Memory {
                cursor: None,
                read_everything: Duration::ZERO,
                complaint: Complaint::default(),
                rejections: Rejections::default(),
                advices: Advices::default(),
                keeper: Keeper::new(&self.config.store),
                aws: AwsIdentity::new(self.gateway.ledger.clock),
                listening: Listening::new(&self.config.store),
            },
            watch: self,
        };
        let result = watching.poll(Depth::Everything, FIRST_CONTACT_MAX).await;
        match result {
            Ok(_) | Err(PollFault::Store(StoreError::NoNamespace { .. })) => {
                watching.conclude(&result).await;
                Ok(watching)
            }
            Err(fault) => Err(fault),
        }
    }
}

impl Watching {
    /// Polls for ever; `hurry` brings the next poll forward.
    pub async fn run(mut self, hurry: Arc<Notify>) {
        loop {
            let pause = jittered(self.watch.config.poll, rand::rng().random());
            let is_urgent = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = hurry.notified() => true,
            };
            let now = self.watch.gateway.ledger.clock.monotonic();
            let is_due = now.saturating_sub(self.memory.read_everything) >= EVERYTHING_INTERVAL;
            let depth = if is_due || is_urgent {
                Depth::Everything
            } else {
                Depth::Signal
            };
            let result = self.poll(depth, POLL_MAX).await;
            self.conclude(&result).await;
        }
    }

    async fn poll(&mut self, depth: Depth, limit: Duration) -> Result<bool, PollFault> {
        let backend = &self.watch.backend;
        let poll = backend.poll(self.memory.cursor.as_ref(), depth);
        let too_late = |_| PollFault::TooLate {
            place: backend.place(),
            limit,
        };
        let load = tokio::time::timeout(limit, poll)
            .await
            .map_err(too_late)??;
        if depth == Depth::Everything {
            self.memory.read_everything = self.watch.gateway.ledger.clock.monotonic();
        }
        let Some(Load { entries, cursor }) = load else {
            return Ok(false);
        };
        self.install(entries).await?;
        self.memory.cursor = Some(cursor);
        Ok(true)
    }

    /// Builds a snapshot and lets it decide from the next request on.
    async fn install(&mut self, entries: Vec<Entry>) -> Result<(), PollFault> {
        let gateway = Arc::clone(&self.watch.gateway);
        let (clock, metrics) = (gateway.ledger.clock, &gateway.ledger.metrics);
        let started = clock.monotonic();
        let proxy = self.watch.config.proxy.clone();
        let kinds = kinds(&entries);
        // A hundred thousand keys take a while: requests must not wait for it.
        let build = move || {
            let built = Snapshot::build(&entries, &proxy, &Cedar);
            let advice = advise(&entries, &proxy);
            (built, advice, entries)
        };
        let outcome = tokio::task::spawn_blocking(build).await;
        let ((snapshot, rejected), advice, entries) = outcome.map_err(|_| PollFault::Build)?;
        // To free so many takes a while, too: nothing waits for it.
        tokio::task::spawn_blocking(move || drop(entries));
        let duration = clock.monotonic().saturating_sub(started);

        self.memory.keeper.fetch_new(places(&snapshot)).await;
        let means = Means {
            trust: self.watch.trust.clone(),
            vault: self.memory.keeper.vault().clone(),
            aws: self.memory.aws.clone(),
            fetches: metrics.credential_fetches.clone(),
        };
        gateway.issuers.follow(&snapshot, &means);
        let previous = gateway.generation.load_full();
        let generation = Generation::next(snapshot, previous.as_deref(), &means);
        let counters = self.counters(&generation, previous.as_deref()).await;
        let generation = Arc::new(generation.counting_in(counters));
        let proxy = generation.snapshot.proxy();
        let fleet = proxy.and_then(|proxy| proxy.fleet.as_ref());
        gateway.share_among(gateway.fleet.declare(fleet));
        gateway.generation.store(Some(Arc::clone(&generation)));
        if let Some(previous) = &previous {
            generation.replaced(previous);
        }
        // What is told from here on is true already.
        metrics
            .snapshot_generation
            .set(i64::try_from(generation.number).unwrap_or(i64::MAX));
        metrics.snapshot_build.set(duration.as_secs_f64());
        metrics.documents(&kinds, &rejected);
        self.memory.rejections.report(&rejected);
        self.memory.advices.report(advice);
        tracing::info!(
            generation = generation.number,
            keys = generation.snapshot.keys_len(),
            routes = generation.snapshot.routes_len(),
            rejected = rejected.len(),
            "a new snapshot decides"
        );
        self.note(&generation, kinds, rejected);
        Ok(())
    }

    async fn counters(
        &self,
        generation: &Generation,
        previous: Option<&Generation>,
    ) -> Option<Arc<Counters>> {
        let (config, ledger) = (&self.watch.config, &self.watch.gateway.ledger);
        let proxy = generation.snapshot.proxy();
        Counters::next(
            proxy.and_then(|proxy| proxy.counters.as_deref()),
            (&config.namespace, &config.proxy),
            previous.and_then(|previous| previous.counters.clone()),
            &Surroundings {
                meter: Arc::clone(&self.watch.gateway.meter),
                clock: ledger.clock,
                metrics: Arc::clone(&ledger.metrics),
                vault: self.memory.keeper.vault().clone(),
            },
        )
        .await
    }

    fn note(
        &self,
        generation: &Generation,
        kinds: BTreeMap<String, usize>,
        rejected: Vec<Rejected>,
    ) {
        let mut standing = self.watch.status.standing();
        let was_known = standing.is_known || standing.generation == 0;
        standing.generation = generation.number;
        standing.since = Some(self.watch.gateway.ledger.clock.now().wall);
        standing.is_known = generation.snapshot.proxy().is_some();
        standing.kinds = kinds;
        standing.rejected = rejected;
        if was_known && !standing.is_known {
            let proxy = self.watch.config.proxy.as_str();
            tracing::error!(
                proxy,
                "the namespace holds no good document of this proxy: every request is answered 503"
            );
        }
    }

    /// What every poll ends with, whatever it brought.
    async fn conclude(&mut self, result: &Result<bool, PollFault>) {
        self.tell(result);
        let generation = self.watch.gateway.generation.load_full();
        if let Some(generation) = &generation {
            let places = places(&generation.snapshot);
            self.memory.keeper.fetch_all(places).await;
        }
        self.memory.listening.update(&mut self.watch).await;
    }

    fn tell(&mut self, result: &Result<bool, PollFault>) {
        let now = self.watch.gateway.ledger.clock.monotonic();
        let word = match result {
            Ok(true) => "changed",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        };
        self.watch.gateway.ledger.metrics.poll(word);
        let problem = result.as_ref().err().map(ToString::to_string);
        self.memory.complaint.report(problem.as_deref(), now);
        let mut standing = self.watch.status.standing();
        standing.store_problem = problem;
        if result.is_ok() {
            standing.answered = Some(now);
        }
    }
}

/// Where everything is that the proxy reads to speak to issuers, upstreams and its counters.
pub(crate) fn places(snapshot: &Snapshot) -> impl Iterator<Item = &MaterialReference> {
    let upstreams = snapshot.upstreams();
    let upstreams = upstreams.flat_map(|rule| rule.upstream.places());
    let issuers = snapshot.issuers();
    let issuers = issuers.flat_map(|rule| rule.issuer.places());
    let counters = snapshot.proxy().and_then(|proxy| proxy.counters.as_deref());
    let counters = counters.into_iter().flat_map(document::Counters::places);
    upstreams.chain(issuers).chain(counters)
}

/// The documents by kind, as they are written.
fn kinds(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for document in entries
        .iter()
        .filter_map(|entry| entry.document.as_ref().ok())
    {
        *kinds
            .entry(document.kind().as_str().to_owned())
            .or_default() += 1;
    }
    kinds
}

/// An interval, shortened or lengthened by chance (`0.0..1.0`).
fn jittered(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_spread_by_a_fifth_either_way() {
        let interval = Duration::from_secs(5);

        assert_eq!(jittered(interval, 0.0), Duration::from_secs(4));
        assert_eq!(jittered(interval, 0.5), interval);
        assert_eq!(jittered(interval, 1.0), Duration::from_secs(6));
    }
}
