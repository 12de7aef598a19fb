//! How long clients may take, and how much they may ask for without getting anywhere.
//!
//! A connection's stream is wrapped, since only it sees the bytes: [`Paced`] looks at what comes and goes, [`Pace`] is
//! what it and the connection's requests tell each other. A request that comes at once and is answered costs no timer.

mod alarm;
mod answer;
mod frames;
mod gather;
mod half_closed;
mod reading;
mod requests;
mod stream;
mod waiting;

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::net::TcpStream;

use crate::conduit::Conduit;
use crate::cut::{Cut, Cuts};
use crate::filter::Fault;

pub use answer::Answer;
use reading::Reading;
pub(crate) use reading::Watch;
pub use requests::{Flaw, Requests};
pub(crate) use stream::Paced;

/// What a connection's stream and its requests tell each other.
#[derive(Debug)]
pub struct Pace {
    cuts: Cuts,
    begun: AtomicU32,
    ended: AtomicU32,
    /// Counts what gets somewhere: requests, and bytes of bodies.
    progress: AtomicU32,
    /// Parts of answers that were handed over and not asked for more since.
    handed: AtomicU32,
    /// Answers of the proxy's own by HTTP/2 that the client is to take.
    waiting: AtomicUsize,
    /// The request of HTTP/2 that came last, until it runs.
    newest: Mutex<Option<Arc<Reading>>>,
    is_http2: AtomicBool,
    is_tunnel: AtomicBool,
    is_tired: AtomicBool,
    is_closing: AtomicBool,
    /// A head that hyper takes and nobody should.
    flaw: OnceLock<Flaw>,
    /// Whether its stream is a socket, to which bytes may pass by a pipe.
    is_socket: bool,
    /// By which they do, since the first that did.
    conduit: OnceLock<Arc<Conduit>>,
}

/// A request that is not answered completely.
#[derive(Debug)]
pub(crate) struct InFlight {
    pace: Arc<Pace>,
    /// Of HTTP/2.
    reading: Option<Arc<Reading>>,
}

impl Pace {
    /// Of a connection by a stream of that type that has not begun. What it comes to is counted in `cuts`.
    pub(crate) fn of<S: 'static>(cuts: Cuts) -> Self {
        Self {
            is_socket: TypeId::of::<S>() == TypeId::of::<TcpStream>(),
            ..Self::new(cuts)
        }
    }

    /// Of a connection that has not begun, by any stream.
    pub(crate) fn new(cuts: Cuts) -> Self {
        Self {
            cuts,
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            progress: AtomicU32::new(0),
            handed: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            newest: Mutex::new(None),
            is_http2: AtomicBool::new(false),
            is_tunnel: AtomicBool::new(false),
            is_tired: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            flaw: OnceLock::new(),
            is_socket: false,
            conduit: OnceLock::new(),
        }
    }

    /// Notes that a request came. Returns also what was seen in its head that its server does not show.
    pub(crate) fn begin(self: &Arc<Self>) -> (InFlight, Option<Fault>) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        self.advance();
        let flaw = self.flaw.get().filter(|flaw| flaw.request == number);
        let reading = self.is_http2.load(Ordering::Relaxed).then(Arc::default);
        if reading.is_some() {
            self.newest().clone_from(&reading);
        }
        let in_flight = InFlight {
            pace: Arc::clone(self),
            reading,
        };
        (in_flight, flaw.map(|flaw| flaw.fault))
    }

    /// What tells of the request that came last how far its answer was taken, if it does not run yet.
    fn take_begun(&self) -> Option<Arc<Reading>> {
        self.newest().take()
    }

    fn newest(&self) -> MutexGuard<'_, Option<Arc<Reading>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_flaw(&self, flaw: Flaw) {
        // Nothing is served after the first.
        let _ = self.flaw.set(flaw);
    }

    /// Notes that the connection carries something else from now on.
    pub(crate) fn become_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether nothing has been asked for so long that the connection should end.
    pub(crate) fn is_tired(&self) -> bool {
        self.is_tired.load(Ordering::Relaxed)
    }

    /// Notes that answers are to say that the connection ends.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Whether they are.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Whether requests can be under way that nobody knows of yet, so that an end now would lose them. HTTP/2 tells its
    /// client which it took (GOAWAY).
    pub(crate) fn may_lose_requests(&self) -> bool {
        self.begun() == 0 || !self.is_http2.load(Ordering::Relaxed)
    }

    /// Counts why the connection is ended.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cuts.count(cut);
    }

    /// By what answers of HTTP/1.1 may pass to the client; `None`: they are to be read.
    pub(crate) fn conduit(&self) -> Option<&Arc<Conduit>> {
        self.is_socket
            .then(|| self.conduit.get_or_init(Arc::default))
    }

    /// The conduit, while something is in it that is to be written next.
    fn filled_conduit(&self) -> Option<&Conduit> {
        let conduit = self.conduit.get();
        conduit
            .map(Arc::as_ref)
            .filter(|conduit| conduit.is_filled())
    }

    fn tire(&self) {
        if !self.is_tired.swap(true, Ordering::Relaxed) {
            self.cuts.count(Cut::Idle);
        }
    }

    fn advance(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether an answer has not ended yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.begun() != self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pace.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
