//! A question to the counters, and what becomes of its answer where the request does not wait for it.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;
use tollgate_gate::{Answer, Arrival, Inquiry};

use super::connection::{Connection, CounterFault};
use super::{Common, Store};

/// How long an answer is heard that no request waits for.
const LATE_MAX: Duration = Duration::from_secs(10);

type Reply = Result<Answer, CounterFault>;
type Coming = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A question that is under way. When it is dropped, by a request that went on without it or by a client that left, what
/// was charged already is settled, and so is what the answer says when it comes.
pub(super) struct Asking<'a> {
    common: &'a Arc<Common>,
    store: &'a Arc<Store>,
    arrival: &'a Arrival<'a>,
    pub(super) inquiry: Arc<Inquiry>,
    /// Whether the request was let through without the answer.
    pub(super) is_admitted: bool,
    /// What was answered so far.
    answered: Option<Answer>,
    /// What is to be answered yet, of the demands from that number on.
    under_way: Option<(usize, Coming)>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        (common, store): (&'a Arc<Common>, &'a Arc<Store>),
        arrival: &'a Arrival<'a>,
        inquiry: Inquiry,
    ) -> Self {
        Self {
            common,
            store,
            arrival,
            inquiry: Arc::new(inquiry),
            is_admitted: false,
            answered: None,
            under_way: None,
        }
    }

    /// Asks, of a cluster each server that counts the request, one after the other: one that refuses ends it.
    pub(super) async fn ask(&mut self) -> Reply {
        let mut places = Vec::new();
        for demands in self.places() {
            // Nobody is charged where it is known that not all can be.
            let first = self.inquiry.demands.get(demands.start);
            let keeper = first.and_then(|demand| self.store.keeper(&demand.tag));
            let keeper = keeper.ok_or(CounterFault::Nowhere)?;
            let connection = keeper.connection().ok_or(CounterFault::Nowhere)?;
            places.push((demands, keeper, connection));
        }
        let mut deadline = std::pin::pin!(tokio::time::sleep(self.common.timeout));
        for (demands, keeper, connection) in places {
            let reply = self.ask_one(demands, &connection, deadline.as_mut()).await;
            let answer = reply.inspect_err(|fault| keeper.failed(&connection, fault))?;
            keeper.answered();
            let is_refused = !answer.is_admitted;
            self.answered = Some(match self.answered.take() {
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
        self.answered.take().ok_or(CounterFault::Unreadable)
    }

    /// The demands that are asked at once: one server has all keys, and of a cluster those with one tag stand together.
    fn places(&self) -> Vec<Range<usize>> {
        let demands = &self.inquiry.demands;
        if !self.common.is_cluster() {
            return std::iter::once(0..demands.len()).collect();
        }
        let mut first = 0;
        let places = demands.chunk_by(|one, other| one.tag == other.tag);
        let place = |demands: &[_]| {
            let place = first..first + demands.len();
            first = place.end;
            place
        };
        places.map(place).collect()
    }

    async fn ask_one(
        &mut self,
        demands: Range<usize>,
        connection: &Arc<Connection>,
        deadline: Pin<&mut Sleep>,
    ) -> Reply {
        let question = Question {
            common: Arc::clone(self.common),
            store: Arc::clone(self.store),
            inquiry: Arc::clone(&self.inquiry),
            demands: demands.clone(),
        };
        let connection = Arc::clone(connection);
        let asked = async move { question.ask(&connection).await };
        let (_, reply) = self.under_way.insert((demands.start, Box::pin(asked)));
        tokio::select! {
            biased;
            reply = reply.as_mut() => {
                self.under_way = None;
                reply
            }
            () = deadline => Err(CounterFault::TooLate(self.common.timeout)),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let (answered, under_way) = (self.answered.take(), self.under_way.take());
        if answered.is_none() && under_way.is_none() {
            return;
        }
        let meter = &self.common.meter;
        let late = meter.late(self.arrival, &self.inquiry, self.is_admitted);
        if let Some(answer) = &answered {
            meter.answer_late(&late, 0, answer);
        }
        let (Some((first, reply)), Ok(runtime)) = (under_way, Handle::try_current()) else {
            return;
        };
        let common = Arc::clone(self.common);
        runtime.spawn(async move {
            if let Ok(Ok(answer)) = tokio::time::timeout(LATE_MAX, reply).await {
                common.meter.answer_late(&late, first, &answer);
                common.metrics.counters.heard_late();
            }
        });
    }
}

/// What one server is asked.
struct Question {
    common: Arc<Common>,
    store: Arc<Store>,
    inquiry: Arc<Inquiry>,
    demands: Range<usize>,
}

impl Question {
    /// Asks it, and once more whoever it says has the keys.
    async fn ask(&self, connection: &Connection) -> Reply {
        let demands = self.inquiry.demands.get(self.demands.clone());
        let demands = demands.unwrap_or_default();
        let names = &self.common.names;
        let (address, for_now) = match connection.ask(names, demands, false).await {
            Err(CounterFault::Elsewhere { address, for_now }) => (address, for_now),
            other => return other,
        };
        let elsewhere = || CounterFault::Elsewhere {
            address: address.clone(),
            for_now,
        };
        let keeper = self.store.keeper_at(&address).ok_or_else(elsewhere)?;
        // One that nobody was sent to before is being connected to.
        keeper.tried(self.common.timeout).await;
        let connection = keeper.connection().ok_or_else(elsewhere)?;
        let reply = connection.ask(names, demands, for_now).await;
        reply.map_err(|fault| {
            // The one that was asked first is not to blame.
            keeper.failed(&connection, &fault);
            elsewhere()
        })
    }
}
