//! Counts over a fleet, in a Redis or a Valkey that its processes share.
//!
//! What is decided is decided by the engine; here it is asked, bounded by a deadline.

mod asking;
mod board;
mod complaint;
mod connection;
mod importers;
mod keeper;
mod material;
mod nodes;
mod script;
mod slots;
mod store;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt;
use tokio_util::sync::{CancellationToken, DropGuard};
use tollgate_gate::{Admission, Arrival, Asked, GiveBack, Meter, Refusal};
use tollgate_store::document;
use tollgate_store::{CounterTimeout, Name, Namespace};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::tls::Vault;
use crate::upstream::Findings;
use asking::Asking;
use board::Board;
use connection::CounterFault;
use material::Material;
use script::Names;
use store::Store;

/// How long a request waits where nothing else is declared.
const TIMEOUT: Duration = Duration::from_millis(20);
/// How long a new snapshot waits for its counters.
const FIRST_TRY_MAX: Duration = Duration::from_secs(1);
/// How long it may take to give back what was lent.
const GIVE_BACK_MAX: Duration = Duration::from_secs(1);
/// So much is given back by one command at most, and so many of them are under way at once.
const GIVEN_BACK_AT_ONCE: (usize, usize) = (64, 16);

/// The counters of a fleet.
#[derive(Debug)]
pub struct Counters {
    common: Arc<Common>,
    store: Arc<Store>,
    /// Its end ends what keeps the connections.
    _keeping: DropGuard,
}

/// What decides, and what surrounds it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What is charged.
    pub meter: Arc<Meter>,
    /// What tells the time.
    pub clock: Clock,
    /// Where it is counted what becomes of questions.
    pub metrics: Arc<Metrics>,
    /// Where passwords are.
    pub vault: Vault,
}

/// What every part of it knows.
#[derive(Debug)]
struct Common {
    material: Material,
    names: Names,
    timeout: Duration,
    board: Board,
    meter: Arc<Meter>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Counters {
    /// The counters that are declared: `previous` where that did not change. New ones are waited for, for a moment, so
    /// that the first requests are counted by them. Those that are not used any more get back what they lent.
    pub async fn next(
        declared: Option<&document::Counters>,
        (namespace, proxy): (&Namespace, &Name),
        previous: Option<Arc<Self>>,
        surroundings: &Surroundings,
    ) -> Option<Arc<Self>> {
        if let Some(previous) = previous {
            if declared == Some(&previous.common.material.declared) {
                return Some(previous);
            }
            previous.give_back(None).await;
            surroundings.metrics.counters.is_up(false);
        }
        let declared = declared?;
        let declared_prefix = declared.prefix.as_ref();
        let prefix = declared_prefix.map_or_else(
            || format!("tollgate:{namespace}:{proxy}:"),
            ToString::to_string,
        );
        let counters = Self::new(declared, prefix, surroundings);
        counters.store.tried(FIRST_TRY_MAX).await;
        Some(Arc::new(counters))
    }

    /// Counters that are being connected to.
    fn new(declared: &document::Counters, prefix: String, surroundings: &Surroundings) -> Self {
        let timeout = declared.timeout.as_ref();
        let process: u64 = rand::rng().random();
        let common = Arc::new(Common {
            names: Names {
                prefix,
                process: format!("{process:016x}"),
            },
            timeout: timeout.map_or(TIMEOUT, CounterTimeout::length),
            board: Board::default(),
            material: Material {
                declared: declared.clone(),
                vault: surroundings.vault.clone(),
            },
            meter: Arc::clone(&surroundings.meter),
            clock: surroundings.clock,
            metrics: Arc::clone(&surroundings.metrics),
        });
        let store = Arc::new(Store::new(&common));
        let token = CancellationToken::new();
        let (kept, keeping) = (Arc::clone(&store), token.clone());
        tokio::spawn(async move { keeping.run_until_cancelled(kept.keep()).await });
        Self {
            common,
            store,
            _keeping: token.drop_guard(),
        }
    }

    /// Checks every limit of a request, then charges all of them, as [`Meter::admit`] does: those of the fleet where it
    /// counts them. The store is asked once at most, of a cluster each of the nodes that count it.
    pub async fn admit(&self, arrival: &Arrival<'_>) -> Result<Admission, Refusal> {
        let (meter, counted) = (&self.common.meter, &self.common.metrics.counters);
        if !self.store.is_up() {
            counted.unheard();
            return meter.admit_unheard(arrival);
        }
        let inquiry = match meter.ask(arrival, &|tag| self.store.connection_number(tag))? {
            Asked::Alone(admission) => return Ok(admission),
            Asked::Lent(admission) => {
                counted.lent();
                return Ok(admission);
            }
            Asked::Inquiry(inquiry) => inquiry,
        };
        let mut asking = Asking::new((&self.common, &self.store), arrival, inquiry);
        let started = self.common.clock.monotonic();
        let asked = asking.ask().await;
        let took = self.common.clock.monotonic().saturating_sub(started);
        match asked {
            Ok(answer) => {
                counted.answered(&answer, took);
                meter.answer(arrival, &asking.inquiry, &answer)
            }
            Err(fault) => {
                if fault != CounterFault::Nowhere {
                    counted.failed(matches!(fault, CounterFault::TooLate(_)), took);
                }
                counted.unheard();
                let outcome = meter.admit_unheard(arrival);
                asking.is_admitted = outcome.is_ok();
                outcome
            }
        }
    }

    /// Gives back what was lent and not spent, of leases that are over at that time or, where it is `None`, of all, as a
    /// process that ends does. What can't be given back within a second leaves with its window.
    pub async fn give_back(&self, now: Option<Duration>) {
        let mut given = self.common.meter.give_back(now);
        given.sort_by(|one, other| one.tag.cmp(&other.tag));
        let (most, at_once) = GIVEN_BACK_AT_ONCE;
        let is_cluster = self.common.is_cluster();
        let places = given.chunk_by(|one, other| !is_cluster || one.tag == other.tag);
        let parts = places.flat_map(|given| given.chunks(most));
        let giving = futures_util::stream::iter(parts)
            .for_each_concurrent(at_once, |given| self.give_back_together(given));
        // Whoever has to wait longer has more to lose.
        let _ = tokio::time::timeout(GIVE_BACK_MAX, giving).await;
    }

    async fn give_back_together(&self, given: &[GiveBack]) {
        let keeper = given
            .first()
            .and_then(|given| self.store.keeper(&given.tag));
        let connection = keeper.and_then(|keeper| keeper.connection());
        let Some(connection) = connection else {
            return;
        };
        if let Ok(()) = connection.give_back(&self.common.names, given).await {
            let requests = given.iter().map(|given| u64::from(given.returned.cost));
            self.common.metrics.counters.gave_back(requests.sum());
        }
    }

    /// Notes what can't be used of what it takes to be let in.
    pub fn report(&self, findings: &mut Findings) {
        let Material { declared, vault } = &self.common.material;
        look_at(declared, vault, findings);
    }
}

/// Notes what can't be used of what it takes to be let in by counters.
pub fn look_at(declared: &document::Counters, vault: &Vault, findings: &mut Findings) {
    findings.faults.extend(material::faults(declared, vault));
}

impl Common {
    /// Whether keys of different tags may be in different places.
    fn is_cluster(&self) -> bool {
        self.material.declared.cluster
    }
}

#[cfg(test)]
mod tests;
