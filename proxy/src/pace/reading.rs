//! Requests of HTTP/2 whose clients do not take what they are sent, each for itself.
//!
//! While a client leaves no room for an answer, nobody asks its body for more, so that no timer of the body's goes on.
//! What goes on is the task that hyper gives each request: it is watched here, and ended alone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::time::Instant;

use super::Pace;
use super::alarm::Alarm;
use super::waiting::WRITE_MAX;
use crate::cut::Cut;

/// How many answers of the proxy's own may wait for their clients, of all connections, before those of a connection that
/// has more than its share are ended: each takes some 3 KiB, and strangers get nothing else. What an upstream sends to
/// whoever it knows is not among them: otherwise strangers could take the places of those.
const WAITING_MAX: usize = 8 * 1024;
/// How many of one connection may wait in any case.
const SHARE_MAX: usize = 16;

/// Those of all connections.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How far a client has taken the answer to one request, which its body knows.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Whether the client is to take what there is, before more is asked for.
    is_awaited: AtomicBool,
    /// Counts what was handed over.
    handed: AtomicU32,
    /// Whether it is an answer of the proxy's own.
    is_own: AtomicBool,
}

impl Reading {
    /// Notes that there is something for the client to take.
    pub(super) fn hand(&self) {
        self.handed.fetch_add(1, Ordering::Relaxed);
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Notes that the proxy answers by itself.
    pub(super) fn note_own(&self) {
        self.is_own.store(true, Ordering::Relaxed);
    }

    /// Notes that the client would take more, and there is none yet.
    pub(super) fn lack(&self) {
        self.is_awaited.store(false, Ordering::Relaxed);
    }
}

/// Runs the requests of a connection by HTTP/2.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Pace>);

impl Watch {
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        Self(pace)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Watch {
    fn execute(&self, future: F) {
        // hyper asks for the request's future, and has it run before it asks for another one.
        let Some(reading) = self.0.take_begun() else {
            tokio::spawn(future);
            return;
        };
        let mut wait = Wait::new(Arc::clone(&self.0), reading);
        let mut future = Box::pin(future);
        tokio::spawn(std::future::poll_fn(move |context| {
            match Pin::as_mut(&mut future).poll(context) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => wait.poll(context),
            }
        }));
    }
}

/// How long one request's client is waited for.
#[derive(Debug)]
struct Wait {
    pace: Arc<Pace>,
    reading: Arc<Reading>,
    handed: u32,
    since: Instant,
    alarm: Alarm,
    is_waiting: bool,
    /// While an answer of the proxy's own waits.
    place: Option<Place>,
}

impl Wait {
    fn new(pace: Arc<Pace>, reading: Arc<Reading>) -> Self {
        Self {
            pace,
            reading,
            handed: 0,
            since: Instant::now(),
            alarm: Alarm::default(),
            is_waiting: false,
            place: None,
        }
    }

    /// Ready once the request is to be given up, which takes its stream back (RFC 9113, section 8.1).
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.reading.is_awaited.load(Ordering::Relaxed) {
            self.place = None;
            self.is_waiting = false;
            return Poll::Pending;
        }
        let handed = self.reading.handed.load(Ordering::Relaxed);
        if !self.is_waiting || handed != self.handed {
            self.is_waiting = true;
            self.handed = handed;
            self.since = Instant::now();
        }
        let pace = &self.pace;
        if self.reading.is_own.load(Ordering::Relaxed) {
            let place = self.place.get_or_insert_with(|| Place::take(pace));
            if place.is_too_many() {
                pace.cut(Cut::StreamsWaiting);
                return Poll::Ready(());
            }
        }
        if self.alarm.is_over(self.since + WRITE_MAX, context) {
            pace.cut(Cut::StreamWriteTimeout);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// A place among the answers of the proxy's own that wait for their clients.
#[derive(Debug)]
struct Place {
    pace: Arc<Pace>,
}

impl Place {
    fn take(pace: &Arc<Pace>) -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        pace.waiting.fetch_add(1, Ordering::Relaxed);
        let pace = Arc::clone(pace);
        Self { pace }
    }

    fn is_too_many(&self) -> bool {
        is_too_many(
            WAITING.load(Ordering::Relaxed),
            self.pace.waiting.load(Ordering::Relaxed),
        )
    }
}

/// Whether one of a connection of which `own` wait must end, where `all` do.
fn is_too_many(all: usize, own: usize) -> bool {
    all > WAITING_MAX && own > SHARE_MAX
}

impl Drop for Place {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        self.pace.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::cut::Cuts;

    /// Runs a request that never ends by itself; the result tells when it was given up.
    fn run(pace: &Arc<Pace>) -> (Arc<Reading>, oneshot::Receiver<()>) {
        pace.is_http2.store(true, Ordering::Relaxed);
        let (in_flight, _) = pace.begin();
        let reading = Arc::clone(in_flight.reading.as_ref().unwrap());
        let (alive, ended) = oneshot::channel();
        Watch::new(Arc::clone(pace)).execute(async move {
            let _held: (_, oneshot::Sender<()>) = (in_flight, alive);
            let mut look = tokio::time::interval(Duration::from_secs(1));
            poll_fn(|context| {
                while look.poll_tick(context).is_ready() {}
                Poll::<()>::Pending
            })
            .await;
        });
        (reading, ended)
    }

    async fn lasts(ended: &mut oneshot::Receiver<()>, seconds: u64) -> bool {
        timeout(Duration::from_secs(seconds), ended).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_client_takes_nothing_ends_whatever_others_do() {
        let pace = Arc::new(Pace::new(Cuts::default()));
        let (stalled, mut ended) = run(&pace);
        let (other, mut goes_on) = run(&pace);
        stalled.hand();
        for _ in 0..59 {
            sleep(Duration::from_secs(1)).await;
            other.hand();
            pace.advance();
        }

        assert!(lasts(&mut ended, 0).await);
        assert!(!lasts(&mut ended, 3).await);
        assert!(lasts(&mut goes_on, 50).await, "it took something lately");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_upstream_is_waited_for_is_the_upstreams_to_end() {
        let pace = Arc::new(Pace::new(Cuts::default()));
        let (reading, mut ended) = run(&pace);
        assert!(lasts(&mut ended, 600).await);
        reading.hand();
        assert!(lasts(&mut ended, 30).await);
        reading.lack();

        assert!(lasts(&mut ended, 600).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_the_proxys_own_is_counted_while_it_waits() {
        let pace = Arc::new(Pace::new(Cuts::default()));
        let (reading, mut ended) = run(&pace);
        let (of_upstream, mut goes_on) = run(&pace);
        of_upstream.hand();
        assert!(lasts(&mut goes_on, 2).await);
        reading.note_own();
        let waiting = || pace.waiting.load(Ordering::Relaxed);
        reading.hand();
        assert!(lasts(&mut ended, 2).await);
        assert_eq!(waiting(), 1);
        reading.lack();
        assert!(lasts(&mut ended, 2).await);
        assert_eq!(waiting(), 0);
        reading.hand();
        assert!(!lasts(&mut ended, 70).await);

        assert_eq!(waiting(), 0);
    }

    #[test]
    fn with_too_many_in_all_each_connection_keeps_its_share() {
        for (all, own, expected) in [
            (WAITING_MAX, 128, false),
            (WAITING_MAX + 1, SHARE_MAX, false),
            (WAITING_MAX + 1, SHARE_MAX + 1, true),
        ] {
            assert_eq!(is_too_many(all, own), expected, "{all}, {own}");
        }
    }
}
