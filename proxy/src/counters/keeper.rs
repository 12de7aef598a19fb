//! Keeps the connection to the store in which a fleet counts, and goes without it when it fails.
//!
//! A circuit breaker: while it is open, no request is asked or waits, and whether the store answers again is found out
//! beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use rand::RngExt;
use tokio::sync::{Notify, watch};
use tollgate_store::document::Counters;

use super::connection::{Connection, CounterFault};
use crate::metrics::Metrics;

/// So many failures in a row, and the store is not asked any more.
const FAILURES_MAX: u32 = 5;
/// How often it is tried again then.
const TRY_INTERVAL: Duration = Duration::from_millis(500);
/// Tries of a fleet spread by this part of their interval.
const JITTER: f64 = 0.5;

/// The connection, while there is one that answers.
#[derive(Debug)]
pub(super) struct Keeper {
    connection: ArcSwapOption<Connection>,
    failures: AtomicU32,
    failed: Notify,
    /// Whether it was tried at least once.
    tried: watch::Sender<bool>,
    metrics: Arc<Metrics>,
}

impl Keeper {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            connection: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            failed: Notify::new(),
            tried: watch::Sender::new(false),
            metrics,
        }
    }

    /// What to ask; nothing while the store fails.
    pub(super) fn connection(&self) -> Guard<Option<Arc<Connection>>> {
        self.connection.load()
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

    /// Notes that a request was not. A connection that broke is given up at once.
    pub(super) fn failed(&self, connection: &Connection, fault: &CounterFault) {
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
                self.metrics.counters.is_up(false);
                tracing::warn!(
                    %fault,
                    failures,
                    "the fleet's counters can't be asked: each quota's on_counter_failure decides"
                );
                self.failed.notify_one();
            }
        }
    }

    /// Connects for ever. A store that is slow rather than gone is taken back once it answers in time.
    pub(super) async fn keep(&self, declared: &Counters, timeout: Duration) {
        let mut told: Option<CounterFault> = None;
        for number in 1.. {
            let fault = match self.connect(declared, (number, timeout)).await {
                Ok(()) => {
                    told = None;
                    self.failed.notified().await;
                    None
                }
                Err(fault) => Some(fault),
            };
            self.tried.send_replace(true);
            if let Some(fault) = fault
                && told.as_ref() != Some(&fault)
            {
                tracing::warn!(%fault, place = %declared.url, "the fleet's counters can't be reached");
                told = Some(fault);
            }
            let chance: f64 = rand::rng().random();
            tokio::time::sleep(TRY_INTERVAL.mul_f64(1.0 - JITTER * chance)).await;
        }
    }

    async fn connect(
        &self,
        declared: &Counters,
        (number, timeout): (u32, Duration),
    ) -> Result<(), CounterFault> {
        let connection = Connection::open(declared, number).await?;
        let probe = tokio::time::timeout(timeout, connection.probe()).await;
        probe.map_err(|_| CounterFault::TooLate(timeout))??;
        self.failures.store(0, Ordering::Relaxed);
        self.connection.store(Some(Arc::new(connection)));
        self.metrics.counters.is_up(true);
        self.tried.send_replace(true);
        tracing::info!(place = %declared.url, "the fleet's counters answer");
        Ok(())
    }
}
