//! Where clients connect.

mod accept;
mod newcomers;
mod socket;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollgate_store::ListenPlace;

use crate::addresses::Addresses;
use crate::connection::{Ending, Handler};
use crate::cut::Cuts;
use crate::greeting::Front;
use crate::workers::Workers;

pub use accept::accept;
use socket::Shared;
pub use socket::{Occupied, Sharing, Socket, SocketFile, bind};

/// What every accepted connection needs.
#[derive(Debug)]
pub struct Door<H> {
    /// What answers.
    pub handler: Arc<H>,
    /// How many connections may still be opened.
    pub free: Arc<Semaphore>,
    /// How many each address has.
    pub addresses: Arc<Addresses>,
    /// How many are open.
    pub open: Gauge,
    /// How many were ended, and why.
    pub cuts: Cuts,
    /// What has to end before the process does.
    pub tasks: TaskTracker,
    /// Cancelled when the process ends: what was begun is finished.
    pub closing: CancellationToken,
    /// Cancelled after it when that takes too long: nothing is.
    pub cutting: CancellationToken,
    /// How long a connection is kept at the end for a request that may be under way.
    pub linger: Duration,
}

/// The addresses that are listened on.
#[derive(Debug)]
pub struct Listeners<H> {
    door: Arc<Door<H>>,
    workers: Workers,
    bound: BTreeMap<ListenPlace, Bound>,
}

/// An address that is listened on.
#[derive(Debug)]
struct Bound {
    /// Of a Unix socket.
    file: Option<Arc<SocketFile>>,
    closing: CancellationToken,
    /// For connections from now on.
    welcome: Arc<ArcSwap<Welcome>>,
}

/// What connections are met with.
#[derive(Debug)]
pub struct Welcome {
    front: Arc<Front>,
    /// Ends them: what was begun is finished.
    closing: CancellationToken,
    /// Ends what they turned into, too, as nobody would let them in any more.
    refusing: CancellationToken,
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

    /// Listens on `wanted` and nowhere else, and speaks to clients there as it says from their next connection on.
    /// What can't be bound is returned; call again to try again.
    pub fn reconcile(
        &mut self,
        wanted: &BTreeMap<ListenPlace, Front>,
        occupied: Occupied,
    ) -> BTreeMap<ListenPlace, io::Error> {
        self.bound.retain(|address, bound| {
            let stays = wanted.contains_key(address);
            if !stays {
                tracing::info!(%address, "no longer listening");
                bound.closing.cancel();
            }
            stays
        });
        self.bound.retain(|address, bound| {
            let is_lost = bound.file.as_ref().is_some_and(|file| file.is_lost());
            if is_lost {
                tracing::warn!(%address, "the socket's file is gone, or nobody serves it: it is made anew");
                bound.closing.cancel();
            }
            !is_lost
        });
        let mut failed = BTreeMap::new();
        // Unix sockets come last in the order of places.
        for (address, front) in wanted {
            if let Some(bound) = self.bound.get(address) {
                bound.meet(front);
                continue;
            }
            // Who can't listen everywhere takes nothing from who can.
            let occupied = if failed.is_empty() {
                occupied
            } else {
                Occupied::Leave
            };
            match self.open(address, front, occupied) {
                Ok(bound) => {
                    self.bound.insert(address.clone(), bound);
                }
                Err(error) => {
                    failed.insert(address.clone(), error);
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

    fn open(&self, place: &ListenPlace, front: &Front, occupied: Occupied) -> io::Result<Bound> {
        let (sockets, place, file) = match place {
            ListenPlace::Tcp(address) => {
                if occupied == Occupied::Leave && socket::is_shared(*address) {
                    return Err(socket::left_to_another());
                }
                let (sockets, place) = self.open_tcp(*address)?;
                (sockets, place, None)
            }
            ListenPlace::Unix(path) => {
                let shared = Shared::bind(path, occupied)?;
                (self.open_unix(&shared)?, place.clone(), Some(shared.file()))
            }
        };
        tracing::info!(address = %place, "listening");
        let closing = self.door.closing.child_token();
        let welcome = Welcome::new(front.clone(), &closing);
        let bound = Bound {
            file,
            closing,
            welcome: Arc::new(ArcSwap::from_pointee(welcome)),
        };
        for (socket, worker) in sockets {
            let (door, welcome) = (Arc::clone(&self.door), Arc::clone(&bound.welcome));
            let accepting = accept(socket, door, welcome, bound.closing.clone());
            self.door.tasks.spawn_on(accepting, worker);
        }
        Ok(bound)
    }

    /// Each worker listens for itself; the system spreads connections over them.
    fn open_tcp(&self, address: SocketAddr) -> io::Result<(Vec<(Socket, &Handle)>, ListenPlace)> {
        let mut sockets = Vec::new();
        let mut address = address;
        for worker in self.workers.handles() {
            let _within = worker.enter();
            let listener = bind(address, Sharing::Yes)?;
            // Port 0 asks the system for a free one, which the others share.
            address = listener.local_addr()?;
            sockets.push((Socket::Tcp(listener), worker));
        }
        Ok((sockets, ListenPlace::Tcp(address)))
    }

    /// The workers accept from one queue.
    fn open_unix(&self, shared: &Shared) -> io::Result<Vec<(Socket, &Handle)>> {
        let sockets = self.workers.handles().map(|worker| {
            let _within = worker.enter();
            Ok((shared.listener()?, worker))
        });
        sockets.collect()
    }
}

impl Bound {
    /// Meets connections like that from now on. Those that nobody would let in any more are finished.
    fn meet(&self, front: &Front) {
        let welcome = self.welcome.load();
        let is_as_strict =
            welcome.front.trust == front.trust && welcome.front.senders == front.senders;
        let next = if is_as_strict {
            Welcome {
                front: Arc::new(front.clone()),
                closing: welcome.closing.clone(),
                refusing: welcome.refusing.clone(),
            }
        } else {
            Welcome::new(front.clone(), &self.closing)
        };
        let previous = self.welcome.swap(Arc::new(next));
        if !is_as_strict {
            previous.closing.cancel();
            previous.refusing.cancel();
        }
    }
}

impl Welcome {
    /// Until `closing` is cancelled, or nobody would let them in any more.
    #[must_use]
    pub fn new(front: Front, closing: &CancellationToken) -> Self {
        Self {
            front: Arc::new(front),
            closing: closing.child_token(),
            refusing: CancellationToken::new(),
        }
    }

    /// How clients are spoken to.
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// How connections that were met so are brought to their end.
    pub(crate) fn ending<H>(&self, door: &Door<H>) -> Ending {
        Ending {
            closing: self.closing.clone(),
            refusing: self.refusing.clone(),
            cutting: door.cutting.clone(),
            linger: door.linger,
        }
    }
}
