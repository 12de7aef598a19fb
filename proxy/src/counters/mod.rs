//! Counts over a fleet, in a Redis or a Valkey that its processes share.
//!
//! What is decided is decided by the engine; here it is asked, bounded by a deadline.

mod connection;
mod keeper;
mod script;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tollgate_gate::{Admission, Answer, Arrival, Asked, Inquiry, Meter, Refusal};
use tollgate_store::document;
use tollgate_store::{CounterTimeout, Name, Namespace};

use crate::clock::Clock;
use crate::metrics::Metrics;
use connection::{Connection, CounterFault};
use keeper::Keeper;

/// How long a request waits where nothing else is declared.
const TIMEOUT: Duration = Duration::from_millis(20);
/// How long a new snapshot waits for its counters.
const FIRST_TRY_MAX: Duration = Duration::from_secs(1);

/// The counters of a fleet.
#[derive(Debug)]
pub struct Counters {
    declared: document::Counters,
    prefix: String,
    timeout: Duration,
    keeper: Arc<Keeper>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Its end ends what keeps the connection.
    _keeping: DropGuard,
}

impl Counters {
    /// The counters that are declared: `previous` where that did not change. New ones are waited for, for a moment, so
    /// that the first requests are counted by them.
    pub async fn next(
        declared: Option<&document::Counters>,
        (namespace, proxy): (&Namespace, &Name),
        previous: Option<Arc<Self>>,
        (clock, metrics): (Clock, &Arc<Metrics>),
    ) -> Option<Arc<Self>> {
        let declared = declared?;
        if let Some(previous) = previous.filter(|previous| previous.declared == *declared) {
            return Some(previous);
        }
        let declared_prefix = declared.prefix.as_ref();
        let prefix = declared_prefix.map_or_else(
            || format!("tollgate:{namespace}:{proxy}:"),
            ToString::to_string,
        );
        let timeout = declared.timeout.as_ref();
        let timeout = timeout.map_or(TIMEOUT, CounterTimeout::length);
        let keeper = Arc::new(Keeper::new(Arc::clone(metrics)));
        let token = CancellationToken::new();
        let keeping = token.clone();
        let (kept, place) = (Arc::clone(&keeper), declared.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = kept.keep(&place, timeout) => {}
                () = keeping.cancelled() => {}
            }
        });
        keeper.tried(FIRST_TRY_MAX).await;
        Some(Arc::new(Self {
            declared: declared.clone(),
            prefix,
            timeout,
            keeper,
            clock,
            metrics: Arc::clone(metrics),
            _keeping: token.drop_guard(),
        }))
    }

    /// Checks every limit of a request, then charges all of them, as [`Meter::admit`] does: those of the fleet where it
    /// counts them. The store is asked once at most, of a cluster each of the nodes that count it.
    pub async fn admit(&self, meter: &Meter, arrival: &Arrival<'_>) -> Result<Admission, Refusal> {
        let counted = &self.metrics.counters;
        let current = self.keeper.connection();
        let Some(connection) = current.as_ref() else {
            drop(current);
            counted.unheard();
            return meter.admit_unheard(arrival);
        };
        let inquiry = match meter.ask(arrival, connection.number)? {
            Asked::Alone(admission) => return Ok(admission),
            Asked::Lent(admission) => {
                counted.lent();
                return Ok(admission);
            }
            Asked::Inquiry(inquiry) => inquiry,
        };
        let connection = Arc::clone(connection);
        drop(current);
        let started = self.clock.monotonic();
        let asked = tokio::time::timeout(self.timeout, self.ask(&connection, &inquiry)).await;
        let asked = asked.unwrap_or(Err(CounterFault::TooLate(self.timeout)));
        let took = self.clock.monotonic().saturating_sub(started);
        match asked {
            Ok(answer) => {
                self.keeper.answered();
                counted.answered(&answer, took);
                meter.answer(arrival, &inquiry, &answer)
            }
            Err(fault) => {
                self.keeper.failed(&connection, &fault);
                counted.failed(matches!(fault, CounterFault::TooLate(_)), took);
                counted.unheard();
                meter.admit_unheard(arrival)
            }
        }
    }

    /// One node has all keys; of a cluster, those with one tag stand together. A node that refuses ends it, and what
    /// was charged before is given back with the next question.
    async fn ask(
        &self,
        connection: &Connection,
        inquiry: &Inquiry,
    ) -> Result<Answer, CounterFault> {
        if !connection.is_cluster() {
            return connection.ask(&self.prefix, &inquiry.demands).await;
        }
        let mut whole: Option<Answer> = None;
        let places = inquiry.demands.chunk_by(|one, other| one.tag == other.tag);
        for demands in places {
            let answer = connection.ask(&self.prefix, demands).await?;
            let is_refused = !answer.is_admitted;
            whole = Some(match whole {
                None => answer,
                Some(mut whole) => {
                    whole.is_admitted = answer.is_admitted;
                    whole.now_us = whole.now_us.max(answer.now_us);
                    whole.found.extend(answer.found);
                    whole
                }
            });
            if is_refused {
                break;
            }
        }
        whole.ok_or(CounterFault::Unreadable)
    }
}

#[cfg(test)]
mod tests;
