//! How connections come in, until no more do.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::socket::{Arrival, Socket};
use super::{Door, Welcome};
use crate::connection::{Handler, Stream};
use crate::greeting;

/// How often it is told that connections can't be accepted.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);
/// An error of accepting that passes, like too many open files, must not keep a processor busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections that are on their way may take to be accepted at the end: some round trips.
const LAST_MAX: Duration = Duration::from_millis(250);

/// Accepts connections until `closing` is cancelled, and then those that are on their way.
///
/// The system resets what waits in a listener's queue when it is closed, also where another process listens on the same
/// address. So newcomers are sent there first.
pub async fn accept<H: Handler>(
    socket: Socket,
    door: Arc<Door<H>>,
    welcome: Arc<ArcSwap<Welcome>>,
    closing: CancellationToken,
) {
    let mut complaint = Complaint::default();
    loop {
        tokio::select! {
            arrived = socket.accept() => meet(arrived, &door, &welcome, &mut complaint).await,
            () = closing.cancelled() => break,
        }
    }
    socket.turn_newcomers_away();
    let last = async {
        loop {
            let arrived = socket.accept().await;
            meet(arrived, &door, &welcome, &mut complaint).await;
        }
    };
    let _ = tokio::time::timeout(LAST_MAX.min(door.linger), last).await;
}

async fn meet<H: Handler>(
    accepted: io::Result<Arrival>,
    door: &Arc<Door<H>>,
    welcome: &ArcSwap<Welcome>,
    complaint: &mut Complaint,
) {
    match accepted {
        Ok(Arrival::Tcp(stream, peer)) => {
            // Without it a small answer waits for an acknowledgement.
            let _ = stream.set_nodelay(true);
            let_in((stream, Some(peer.ip())), door, welcome).await;
        }
        Ok(Arrival::Unix(stream)) => let_in((stream, None), door, welcome).await,
        Err(error) => {
            complaint.report(&error);
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Waits for room with the connection in hand: those behind it wait in the system's queue, and a listener where nobody
/// comes holds no room that others need.
async fn let_in<H: Handler>(
    visitor: (impl Stream, Option<IpAddr>),
    door: &Arc<Door<H>>,
    welcome: &ArcSwap<Welcome>,
) {
    // The semaphore is never closed.
    let permit = Arc::clone(&door.free).acquire_owned().await.ok();
    let welcome = welcome.load_full();
    let held = Arc::clone(door);
    door.tasks.spawn(async move {
        let _counted = Counted::new(&held.open);
        greeting::serve(visitor, &welcome, &held).await;
        drop(permit);
    });
}

/// Tells of connections that can't be accepted: at once, then each minute. Whoever brings that about must not fill the
/// log.
#[derive(Debug, Default)]
struct Complaint {
    told: Option<Instant>,
    failed: u64,
}

impl Complaint {
    fn report(&mut self, error: &io::Error) {
        self.failed += 1;
        let now = Instant::now();
        let is_told = |told| now.duration_since(told) < COMPLAINT_INTERVAL;
        if self.told.is_some_and(is_told) {
            return;
        }
        self.told = Some(now);
        tracing::warn!(%error, failed = self.failed, "connections can't be accepted");
    }
}

/// Counted until it is dropped, also where a panic ends a connection.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
