//! How many connections there are to one target, and room for another one where not any number may be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::connect::ConnectFault;
use super::connection::Connection;
use super::pool::Pool;

/// The most requests that wait for a connection to one target; those beyond are told at once that there is none.
const WAITING_MAX: usize = 1_024;

/// The connections to one target, those that are being made included, those of health checks not. Without a limit at
/// first.
#[derive(Debug)]
pub(super) struct Connections {
    open: AtomicUsize,
    /// Room that nobody has.
    free: Semaphore,
    bound: Mutex<Bound>,
    is_limited: AtomicBool,
    line: Semaphore,
}

#[derive(Debug)]
struct Bound {
    most: usize,
    /// How many are open beyond that, since it was more before.
    excess: usize,
}

/// One connection's room, taken until all copies are dropped.
#[derive(Debug, Clone)]
pub(super) struct Room(#[expect(dead_code, reason = "it is held, not read")] Arc<Held>);

#[derive(Debug)]
struct Held(Arc<Connections>);

/// What there is for a request.
#[derive(Debug)]
pub(super) enum Found {
    /// Room for a new connection.
    Room(Room),
    /// A connection that was made before, by whichever thread.
    Lent(Connection),
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            free: Semaphore::new(Semaphore::MAX_PERMITS),
            bound: Mutex::new(Bound {
                most: Semaphore::MAX_PERMITS,
                excess: 0,
            }),
            is_limited: AtomicBool::new(false),
            line: Semaphore::new(WAITING_MAX),
        }
    }
}

impl Connections {
    /// Allows so many from now on. Those that are open are counted: where they are more, none is made until enough of
    /// them have ended.
    pub(super) fn limit_to(&self, most: Option<u32>) {
        let is_limited = most.is_some();
        let most = most.and_then(|most| usize::try_from(most).ok());
        let most = most.unwrap_or(Semaphore::MAX_PERMITS);
        let mut bound = self.bound();
        if let Some(more) = most.checked_sub(bound.most) {
            let paid = more.min(bound.excess);
            bound.excess -= paid;
            self.free.add_permits(more - paid);
        } else {
            let less = bound.most - most;
            bound.excess += less - self.free.forget_permits(less);
        }
        bound.most = most;
        self.is_limited.store(is_limited, Ordering::Relaxed);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether not any number may be.
    pub(super) fn are_limited(&self) -> bool {
        self.is_limited.load(Ordering::Relaxed)
    }

    /// Whether a request would get one without waiting.
    pub(super) fn have_room(&self, pool: &Pool) -> bool {
        !self.are_limited() || self.free.available_permits() > 0 || pool.has_any()
    }

    /// Finds a connection, or room for one; waits for it at most so long.
    pub(super) async fn find(
        self: &Arc<Self>,
        pool: &Pool,
        wait: Duration,
    ) -> Result<Found, ConnectFault> {
        self.search(pool, wait, || pool.take_any()).await
    }

    /// Finds room for a connection of its own: an idle one of another request makes room.
    pub(super) async fn room(
        self: &Arc<Self>,
        pool: &Pool,
        wait: Duration,
    ) -> Result<Room, ConnectFault> {
        let make_room = || {
            drop(pool.take_any());
            None
        };
        match self.search(pool, wait, make_room).await? {
            Found::Room(room) => Ok(room),
            Found::Lent(_) => Err(ConnectFault::Full(wait)),
        }
    }

    async fn search(
        self: &Arc<Self>,
        pool: &Pool,
        wait: Duration,
        take: impl Fn() -> Option<Connection>,
    ) -> Result<Found, ConnectFault> {
        if let Ok(permit) = self.free.try_acquire() {
            return Ok(self.hold(permit));
        }
        let full = || ConnectFault::Full(wait);
        let _waiting = self.line.try_acquire().map_err(|_| full())?;
        // Asked for once, so that who came first is the first to get one.
        let mut permit = std::pin::pin!(self.free.acquire());
        let search = async {
            loop {
                let mut returned = std::pin::pin!(pool.returned());
                returned.as_mut().enable();
                if let Some(connection) = take() {
                    return Ok(Found::Lent(connection));
                }
                tokio::select! {
                    permit = &mut permit => return permit.map(|permit| self.hold(permit)),
                    () = returned => {}
                }
            }
        };
        let found = tokio::time::timeout(wait, search).await;
        found.map_err(|_| full())?.map_err(|_| full())
    }

    fn hold(self: &Arc<Self>, permit: SemaphorePermit<'_>) -> Found {
        // It comes back by what is held: the bound may be another one by then.
        permit.forget();
        self.open.fetch_add(1, Ordering::Relaxed);
        Found::Room(Room(Arc::new(Held(Arc::clone(self)))))
    }

    fn release(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut bound = self.bound();
        match bound.excess.checked_sub(1) {
            Some(less) => bound.excess = less,
            None => self.free.add_permits(1),
        }
    }

    /// A panic elsewhere leaves numbers as good as they were.
    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests;
