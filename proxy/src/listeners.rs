//! Where clients connect.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Ending, Handler};
use crate::workers::Workers;

const BACKLOG: u32 = 1_024;
/// An error of accepting that passes, like too many open files, must not keep a processor busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every accepted connection needs.
#[derive(Debug)]
pub struct Door<H> {
    /// What answers.
    pub handler: Arc<H>,
    /// How many connections may still be opened.
    pub free: Arc<Semaphore>,
    /// How many are open.
    pub open: Gauge,
    /// What has to end before the process does.
    pub tasks: TaskTracker,
    /// Cancelled when the process ends: what was begun is finished.
    pub closing: CancellationToken,
    /// Cancelled after it when that takes too long: nothing is.
    pub cutting: CancellationToken,
}

/// The addresses that are listened on.
#[derive(Debug)]
pub struct Listeners<H> {
    door: Arc<Door<H>>,
    workers: Workers,
    bound: BTreeMap<SocketAddr, CancellationToken>,
}

impl<H: Handler> Listeners<H> {
    /// Listens nowhere yet.
    #[must_use]
    pub fn new(door: Door<H>, workers: Workers) -> Self {
        Self {
            door: Arc::new(door),
            workers,
            bound: BTreeMap::new(),
        }
    }

    /// Listens on `wanted` and nowhere else. What can't be bound is returned; call again to try again.
    pub fn reconcile(&mut self, wanted: &BTreeSet<SocketAddr>) -> BTreeMap<SocketAddr, io::Error> {
        self.bound.retain(|address, closing| {
            let stays = wanted.contains(address);
            if !stays {
                tracing::info!(%address, "no longer listening");
                closing.cancel();
            }
            stays
        });
        let mut failed = BTreeMap::new();
        for address in wanted {
            if self.bound.contains_key(address) {
                continue;
            }
            match self.open(*address) {
                Ok(closing) => {
                    self.bound.insert(*address, closing);
                }
                Err(error) => {
                    failed.insert(*address, error);
                }
            }
        }
        failed
    }

    /// How many addresses are listened on.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bound.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// Each worker listens for itself; the system spreads connections over them.
    fn open(&self, address: SocketAddr) -> io::Result<CancellationToken> {
        let mut listeners = Vec::new();
        let mut address = address;
        for worker in self.workers.handles() {
            let _within = worker.enter();
            let listener = bind(address, Sharing::Yes)?;
            // Port 0 asks the system for a free one, which the others share.
            address = listener.local_addr()?;
            listeners.push((listener, worker));
        }
        tracing::info!(%address, "listening");
        let closing = self.door.closing.child_token();
        for (listener, worker) in listeners {
            let accepting = accept(listener, Arc::clone(&self.door), closing.clone());
            self.door.tasks.spawn_on(accepting, worker);
        }
        Ok(closing)
    }
}

/// Whether others of the same user may listen on an address, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// They may: other threads, and the process that takes over from this one.
    Yes,
    /// They may not.
    No,
}

/// Binds an address, also right after another process left it.
pub fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(sharing == Sharing::Yes)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until `closing` is cancelled.
pub async fn accept<H: Handler>(
    listener: TcpListener,
    door: Arc<Door<H>>,
    closing: CancellationToken,
) {
    loop {
        let (permit, accepted) = tokio::select! {
            accepted = next(&listener, &door) => accepted,
            () = closing.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without it a small answer waits for an acknowledgement.
                let _ = stream.set_nodelay(true);
                let handler = Arc::clone(&door.handler);
                let ending = Ending {
                    closing: closing.clone(),
                    cutting: door.cutting.clone(),
                };
                let open = Counted::new(&door.open);
                door.tasks.spawn(async move {
                    connection::serve(stream, peer, handler, ending).await;
                    drop((open, permit));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
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

/// Waits for room, then for a connection: those beyond wait in the system's queue.
async fn next<H>(
    listener: &TcpListener,
    door: &Door<H>,
) -> (
    Option<OwnedSemaphorePermit>,
    io::Result<(TcpStream, SocketAddr)>,
) {
    // The semaphore is never closed.
    let permit = Arc::clone(&door.free).acquire_owned().await.ok();
    (permit, listener.accept().await)
}
