//! Keeps the connection to one server of counters, and goes without it when it fails.
//!
//! A circuit breaker: while it is open, no request is asked or waits, and whether the server counts again is found out
//! beside them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rand::RngExt;
use tokio::sync::{Notify, watch};

use super::Common;
use super::complaint::Complaint;
use super::connection::{Connection, CounterFault, Place};

/// So many failures in a row, and the server is not asked any more.
const FAILURES_MAX: u32 = 5;
/// How often it is tried again then.
const TRY_INTERVAL: Duration = Duration::from_millis(500);
/// Tries of a fleet spread by this part of their interval.
const JITTER: f64 = 0.5;

/// The connection to a server, while there is one that counts.
#[derive(Debug)]
pub(super) struct Keeper {
    common: Arc<Common>,
    pub(super) place: Place,
    connection: ArcSwapOption<Connection>,
    failures: AtomicU32,
    failed: Notify,
    /// Whether it was tried at least once.
    tried: watch::Sender<bool>,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    complaint: Complaint,
    /// What is counted to try whether it counts.
    tags: Vec<String>,
}

impl Keeper {
    /// One that has yet to connect. It is tried by counting something with each of the `tags`.
    pub(super) fn new(common: &Arc<Common>, place: Place, tags: Vec<String>) -> Self {
        common.board.set(&place, false, &common.metrics);
        Self {
            common: Arc::clone(common),
            place,
            connection: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            failed: Notify::new(),
            tried: watch::Sender::new(false),
            told: Mutex::new(Told {
                complaint: Complaint::default(),
                tags,
            }),
        }
    }

    /// What to ask; nothing while the server fails.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.load_full()
    }

    /// From now on it is tried by these.
    pub(super) fn try_by(&self, tags: Vec<String>) {
        self.told().tags = tags;
    }

    /// Waits until it was tried to connect, at most so long.
    pub(super) async fn tried(&self, wait_max: Duration) {
        let mut tried = self.tried.subscribe();
        // A keeper that is gone tries nothing any more.
        let _ = tokio::time::timeout(wait_max, tried.wait_for(|tried| *tried)).await;
    }

    /// Notes that a request was answered.
    pub(super) fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that a request was not. A connection that broke is given up at once. One that knows better who has the key,
    /// or gives its keys away, is as good as before.
    pub(super) fn failed(&self, connection: &Connection, fault: &CounterFault) {
        let is_well = matches!(fault, CounterFault::Elsewhere { .. } | CounterFault::Moving);
        if self.common.is_cluster() && is_well {
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let is_broken = matches!(fault, CounterFault::Broken(_));
        if failures < FAILURES_MAX && !is_broken {
            return;
        }
        let current = self.connection.load();
        // Of many requests that fail at once, one gives it up, and never a newer one.
        let is_current = |current: &Arc<Connection>| current.number == connection.number;
        if current.as_ref().is_some_and(is_current) {
            let before = self.connection.compare_and_swap(&current, None);
            if before.as_ref().is_some_and(is_current) {
                self.common
                    .board
                    .set(&self.place, false, &self.common.metrics);
                if self.is_due() {
                    tracing::warn!(
                        %fault,
                        failures,
                        place = %self.place,
                        "the fleet's counters can't be asked: each quota's on_counter_failure decides"
                    );
                }
                self.failed.notify_one();
            }
        }
    }

    /// Connects for ever. A server that is slow rather than gone is taken back once it counts in time.
    pub(super) async fn keep(&self) {
        loop {
            match self.connect().await {
                Ok(()) => self.failed.notified().await,
                Err(fault) => {
                    if self.is_due() {
                        tracing::warn!(%fault, place = %self.place, "the fleet's counters can't be reached");
                    }
                }
            }
            self.tried.send_replace(true);
            let chance: f64 = rand::rng().random();
            tokio::time::sleep(TRY_INTERVAL.mul_f64(1.0 - JITTER * chance)).await;
        }
    }

    async fn connect(&self) -> Result<(), CounterFault> {
        let common = &self.common;
        let number = common.meter.connection_number();
        let connection = Connection::open(&self.place, &common.material, number).await?;
        let tags = self.told().tags.clone();
        let probe = connection.probe(&common.names, &tags);
        let probe = tokio::time::timeout(common.timeout, probe).await;
        probe.map_err(|_| CounterFault::TooLate(common.timeout))??;
        self.failures.store(0, Ordering::Relaxed);
        self.connection.store(Some(Arc::new(connection)));
        common.board.set(&self.place, true, &common.metrics);
        self.tried.send_replace(true);
        if self.told().complaint.is_over() {
            tracing::info!(place = %self.place, "the fleet's counters answer");
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let now = self.common.clock.monotonic();
        self.told().complaint.is_due(now)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
