//! Connections to one target, by the thread that made them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::connection::{Connection, Http2, Origin};
use super::http1::Http1;
use crate::thread;

/// Below what servers usually wait, so that they don't close a connection that is just being used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most idle connections by HTTP/1.1 that each thread keeps to one target.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// The most connections by HTTP/2 that each thread makes to one target; requests beyond what they carry wait on them.
const SHARED_CONNECTIONS_MAX: usize = 64;

/// Connections to one target, by the thread that made them.
#[derive(Debug)]
pub(super) struct Pool {
    kept: [Mutex<Kept>; thread::PLACES],
    /// Held while a connection is made that others of the same thread may share.
    turns: [tokio::sync::Mutex<()>; thread::PLACES],
    /// Counted on where what connections are made with changes.
    epoch: AtomicUsize,
    /// Told when a connection can carry another request.
    returned: Notify,
    /// Whether the last connection was one that many requests share.
    shares: AtomicBool,
    /// Whether nobody takes one of them any more.
    is_closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    idle: VecDeque<Idle<Box<Http1>>>,
    shared: Vec<Idle<Http2>>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            kept: std::array::from_fn(|_| Mutex::default()),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            epoch: AtomicUsize::new(0),
            returned: Notify::new(),
            // Nobody knows yet.
            shares: AtomicBool::new(true),
            is_closed: AtomicBool::new(false),
        }
    }
}

impl Pool {
    /// A connection of this thread that can carry a request: the one that was used last, as those that are not needed
    /// grow old, or the first with room.
    pub(super) fn take(&self) -> Option<Connection> {
        lock(self.kept.get(thread::place())?).take(false)
    }

    /// A connection of any thread, where no more may be made: one that many share also beyond what it carries at once.
    pub(super) fn take_any(&self) -> Option<Connection> {
        self.kept.iter().find_map(|kept| lock(kept).take(true))
    }

    /// Whether there is a connection that [`Pool::take_any`] could give.
    pub(super) fn has_any(&self) -> bool {
        self.kept.iter().any(|kept| {
            let kept = lock(kept);
            !kept.idle.is_empty() || !kept.shared.is_empty()
        })
    }

    /// Waits until no other request of this thread makes a connection that might be shared.
    pub(super) async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        Some(self.turns.get(thread::place())?.lock().await)
    }

    /// Lets others share a new connection.
    pub(super) fn share(&self, connection: &Http2) {
        if let Some(kept) = self.kept.get(thread::place()) {
            let mut kept = lock(kept);
            if !self.is_closed() {
                kept.shared.push(Idle::new(connection.clone()));
            }
        }
        self.returned.notify_waiters();
    }

    /// Whether the last connection was one that many requests share.
    pub(super) fn shares(&self) -> bool {
        self.shares.load(Ordering::Relaxed)
    }

    pub(super) fn note_shares(&self, shares: bool) {
        self.shares.store(shares, Ordering::Relaxed);
    }

    /// Tells one who waits that a connection can carry another request.
    pub(super) fn tell_one(&self) {
        self.returned.notify_one();
    }

    /// Waits until a connection can carry another request.
    pub(super) fn returned(&self) -> Notified<'_> {
        self.returned.notified()
    }

    /// Lets go of all connections, those that requests are on once these have ended.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        for kept in &self.kept {
            // By the lock, who comes later sees that it is closed.
            *lock(kept) = Kept::default();
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn put(&self, connection: Box<Http1>) {
        let Some(kept) = self.kept.get(thread::place()) else {
            return;
        };
        if connection.origin.epoch != self.epoch() {
            return;
        }
        let mut kept = lock(kept);
        if kept.idle.len() < IDLE_CONNECTIONS_MAX && !self.is_closed() {
            kept.idle.push_back(Idle::new(connection));
        }
    }

    /// What connections are made with now.
    pub(super) fn epoch(&self) -> usize {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Gives no connection to another request that was made until now.
    pub(super) fn begin_anew(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets go of what has been idle for too long, and of what leads elsewhere than it should now.
    pub(super) fn sweep(&self, leads_right: impl Fn(Origin) -> bool) {
        let now = Instant::now();
        let is_old = |since: Instant| now.duration_since(since) >= IDLE_TIMEOUT;
        let epoch = self.epoch();
        let is_right = |origin: Origin| origin.epoch == epoch && leads_right(origin);
        for kept in &self.kept {
            let mut kept = lock(kept);
            kept.idle.retain_mut(|idle| {
                let is_wanted = !is_old(idle.since) && is_right(idle.connection.origin);
                is_wanted && idle.connection.wire.check().is_ok()
            });
            for shared in &mut kept.shared {
                if shared.connection.streams.len() > 0 {
                    shared.since = now;
                }
            }
            // Requests that are on their way keep it until they end.
            kept.shared
                .retain(|shared| !is_old(shared.since) && is_right(shared.connection.origin));
        }
    }
}

impl Kept {
    /// With `is_full`, no further connection can be made.
    fn take(&mut self, is_full: bool) -> Option<Connection> {
        while let Some(Idle { mut connection, .. }) = self.idle.pop_back() {
            if connection.wire.check().is_ok() {
                return Some(Connection::Http1(connection));
            }
        }
        if self.shared.is_empty() {
            return None;
        }
        self.shared
            .retain(|shared| !shared.connection.sender.is_closed());
        let is_full = is_full || self.shared.len() >= SHARED_CONNECTIONS_MAX;
        let mut shared = self.shared.iter().map(|shared| &shared.connection);
        let with_room = shared.find(|connection| connection.has_room());
        let least_busy = || {
            let shared = self.shared.iter().map(|shared| &shared.connection);
            let least = shared.min_by_key(|connection| connection.streams.len());
            least.filter(|_| is_full)
        };
        with_room.or_else(least_busy).map(Http2::lend)
    }
}

impl<C> Idle<C> {
    fn new(connection: C) -> Self {
        let since = Instant::now();
        Self { connection, since }
    }
}

/// A panic elsewhere leaves a list as good as it was.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
