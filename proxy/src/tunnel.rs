//! A connection that turned into something else than HTTP, like a WebSocket: bytes pass both ways until it ends.
//!
//! It is one request until then, with one line in the access log. Whether its client may still have it is asked every
//! second, as the next request's would be.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tollgate_gate::Admission;

use crate::connection::Ending;
use crate::record::Record;
use crate::upstream::{Flight, UpstreamEnd};

/// For each way.
const BUFFER_BYTES: usize = 8 * 1024;
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The client sent something before it was told that the connection is another one.
const EARLY_BYTES: &str = "upgrade_early_bytes";
/// Nothing passed for too long.
const IDLE: &str = "upgrade_idle";
/// The address lets in no clients any more as this one was.
const CLIENT_WITHDRAWN: &str = "client_withdrawn";
const CLIENT_CLOSED: &str = "client_closed";
const UPSTREAM_ABORTED: &str = "upstream_aborted";

/// Says why a tunnel must end, as a stable word; `None`: it may go on.
pub type Check = Box<dyn Fn() -> Option<&'static str> + Send + Sync>;

/// Both ends of a connection that turned into something else, and what it counts for.
pub struct Tunnel {
    /// The client's connection, once it was told.
    pub client: OnUpgrade,
    /// The upstream's.
    pub upstream: UpstreamEnd,
    /// What to hold until the end.
    pub admission: Admission,
    /// What counts it at its target.
    pub flight: Flight,
    /// What is written down at the end.
    pub record: Record,
    /// How long nothing may pass.
    pub idle_max: Duration,
    /// Whether the client may still have it.
    pub check: Check,
}

/// Takes a tunnel from what answers a request to what serves its connection. It rides in the answer's extensions.
#[derive(Debug, Clone)]
pub struct Handover(Arc<Mutex<Option<Tunnel>>>);

impl Handover {
    /// To be put into an answer.
    #[must_use]
    pub fn new(tunnel: Tunnel) -> Self {
        Self(Arc::new(Mutex::new(Some(tunnel))))
    }

    /// What was put in, once.
    #[must_use]
    pub fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What passes.
#[derive(Debug)]
struct Pulse {
    began: Instant,
    /// When bytes last passed, in milliseconds after the beginning.
    last: AtomicU64,
    to_upstream: AtomicU64,
    to_client: AtomicU64,
}

impl Tunnel {
    /// Carries bytes until either side ends it, nothing passes for too long, the client may not have it any more, or
    /// `ending` refuses its client or cuts it off.
    ///
    /// `open` takes the stream, and what was read of it, out of a client's connection.
    pub async fn run<S: AsyncRead + AsyncWrite>(
        self,
        ending: &Ending,
        open: impl FnOnce(Upgraded) -> Option<(S, Bytes)>,
    ) {
        let Self {
            client,
            upstream,
            admission,
            flight,
            mut record,
            idle_max,
            check,
        } = self;
        // It ended before its answer reached the client: the record says so by itself.
        let Ok(client) = client.await else { return };
        let Some((client, early)) = open(client) else {
            tracing::error!(
                "a connection is none that can be tunnelled, which is a bug: please report it"
            );
            return;
        };
        if !early.is_empty() {
            record.end(Some(EARLY_BYTES));
            return;
        }
        let pulse = Pulse::start();
        let ended = tokio::select! {
            ended = pass(client, (upstream.stream, upstream.early), &pulse) => Some(ended.err()),
            () = pulse.stop(idle_max) => Some(Some(IDLE)),
            why = withdrawn(&check) => Some(Some(why)),
            () = ending.refusing.cancelled() => Some(Some(CLIENT_WITHDRAWN)),
            () = ending.cutting.cancelled() => None,
        };
        record.passed(
            pulse.to_upstream.load(Ordering::Relaxed),
            pulse.to_client.load(Ordering::Relaxed),
        );
        if let Some(reason) = ended {
            record.end(reason);
        }
        drop((admission, flight));
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tunnel")
    }
}

async fn withdrawn(check: &Check) -> &'static str {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        if let Some(why) = check() {
            return why;
        }
    }
}

/// Both ways until both have ended, what came `early` first: either side may end its own first.
async fn pass(
    client: impl AsyncRead + AsyncWrite,
    (upstream, early): (impl AsyncRead + AsyncWrite, Bytes),
    pulse: &Pulse,
) -> Result<(), &'static str> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let up = async {
        let beat = |bytes| pulse.beat(&pulse.to_upstream, bytes);
        let end = pump(&mut from_client, &mut to_upstream, beat).await;
        end.map_err(|side| side.blame(CLIENT_CLOSED, UPSTREAM_ABORTED))
    };
    let down = async {
        let beat = |bytes| pulse.beat(&pulse.to_client, bytes);
        let told = to_client.write_all(&early).await;
        told.map_err(|_| CLIENT_CLOSED)?;
        beat(early.len());
        let end = pump(&mut from_upstream, &mut to_client, beat).await;
        end.map_err(|side| side.blame(UPSTREAM_ABORTED, CLIENT_CLOSED))
    };
    tokio::try_join!(up, down).map(|_| ())
}

/// Which side of a way failed.
enum Side {
    Source,
    Sink,
}

impl Side {
    fn blame<T>(self, source: T, sink: T) -> T {
        match self {
            Self::Source => source,
            Self::Sink => sink,
        }
    }
}

/// One way until its end, which is passed on.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    beat: impl Fn(usize),
) -> Result<(), Side> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await.map_err(|_| Side::Source)?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await.map_err(|_| Side::Sink);
        };
        to.write_all(bytes).await.map_err(|_| Side::Sink)?;
        beat(length);
    }
}

impl Pulse {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            to_upstream: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        }
    }

    fn beat(&self, way: &AtomicU64, bytes: usize) {
        way.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Waits until nothing has passed for `limit`.
    async fn stop(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let deadline = self.began + last + limit;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_on_one_way_arrives_on_the_other_and_ends_are_passed_on() {
        let (client, near) = tokio::io::duplex(64);
        let (far, upstream) = tokio::io::duplex(64);
        let pulse = Pulse::start();
        let ends = async {
            let (mut client, mut upstream) = (client, upstream);
            let mut early = [0; 5];
            client.read_exact(&mut early).await.unwrap();
            assert_eq!(&early, b"early");
            let mut word = [0; 4];
            client.write_all(b"ping").await.unwrap();
            upstream.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"ping");
            client.shutdown().await.unwrap();
            assert_eq!(upstream.read(&mut word).await.unwrap(), 0);
            upstream.write_all(b"pong").await.unwrap();
            drop(upstream);
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"pong");
        };
        let (passed, ()) = tokio::join!(
            pass(near, (far, Bytes::from_static(b"early")), &pulse),
            ends
        );

        assert_eq!(passed, Ok(()));
        assert_eq!(pulse.to_upstream.load(Ordering::Relaxed), 4);
        assert_eq!(pulse.to_client.load(Ordering::Relaxed), 5 + 4);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_and_a_byte_begins_it_anew() {
        let pulse = Pulse::start();
        let limit = Duration::from_mins(1);
        tokio::time::advance(limit / 2).await;
        pulse.beat(&pulse.to_client, 1);

        let began = Instant::now();
        pulse.stop(limit).await;
        assert!(began.elapsed() >= limit);
    }
}
