//! How many connections there are to one target, and room for another one where not any number may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connect::ConnectFault;
use super::connection::Connection;
use super::pool::Pool;

/// The most requests that wait for a connection to one target; those beyond are told at once that there is none.
const WAITING_MAX: usize = 1_024;

/// The connections to one target, those that are being made included, those of health checks not.
#[derive(Debug)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    permits: Arc<Semaphore>,
    /// Told when a connection can carry another request.
    returned: Notify,
    line: Semaphore,
}

/// One connection's room, taken until all copies are dropped.
#[derive(Debug, Clone)]
pub(super) struct Room(#[expect(dead_code, reason = "it is held, not read")] Arc<Held>);

#[derive(Debug)]
struct Held {
    open: Arc<AtomicUsize>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// What there is for a request.
#[derive(Debug)]
pub(super) enum Found {
    /// Room for a new connection.
    Room(Room),
    /// A connection that was made before, by whichever thread.
    Lent(Connection),
}

impl Connections {
    pub(super) fn new(most: Option<u32>) -> Self {
        let limit = most.and_then(|most| usize::try_from(most).ok());
        let limit = limit.map(|most| Limit {
            permits: Arc::new(Semaphore::new(most)),
            returned: Notify::new(),
            line: Semaphore::new(WAITING_MAX),
        });
        Self {
            open: Arc::default(),
            limit,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a request would get one without waiting.
    pub(super) fn have_room(&self, pool: &Pool) -> bool {
        let limit = self.limit.as_ref();
        limit.is_none_or(|limit| limit.permits.available_permits() > 0 || pool.has_any())
    }

    /// Finds a connection, or room for one; waits for it at most so long.
    pub(super) async fn find(&self, pool: &Pool, wait: Duration) -> Result<Found, ConnectFault> {
        self.search(wait, || pool.take_any()).await
    }

    /// Finds room for a connection of its own: an idle one of another request makes room.
    pub(super) async fn room(&self, pool: &Pool, wait: Duration) -> Result<Room, ConnectFault> {
        let make_room = || {
            drop(pool.take_any());
            None
        };
        match self.search(wait, make_room).await? {
            Found::Room(room) => Ok(room),
            Found::Lent(_) => Err(ConnectFault::Full(wait)),
        }
    }

    async fn search(
        &self,
        wait: Duration,
        take: impl Fn() -> Option<Connection>,
    ) -> Result<Found, ConnectFault> {
        let Some(limit) = &self.limit else {
            return Ok(self.hold(None));
        };
        if let Ok(permit) = Arc::clone(&limit.permits).try_acquire_owned() {
            return Ok(self.hold(Some(permit)));
        }
        let full = || ConnectFault::Full(wait);
        let _waiting = limit.line.try_acquire().map_err(|_| full())?;
        // Asked for once, so that who came first is the first to get one.
        let mut permit = std::pin::pin!(Arc::clone(&limit.permits).acquire_owned());
        let search = async {
            loop {
                let mut returned = std::pin::pin!(limit.returned.notified());
                returned.as_mut().enable();
                if let Some(connection) = take() {
                    return Found::Lent(connection);
                }
                tokio::select! {
                    permit = &mut permit => return self.hold(permit.ok()),
                    () = returned => {}
                }
            }
        };
        tokio::time::timeout(wait, search).await.map_err(|_| full())
    }

    /// Tells one who waits that a connection can carry another request.
    pub(super) fn one_returned(&self) {
        if let Some(limit) = &self.limit {
            limit.returned.notify_one();
        }
    }

    /// Tells all who wait that there is a connection that many share.
    pub(super) fn one_is_shared(&self) {
        if let Some(limit) = &self.limit {
            limit.returned.notify_waiters();
        }
    }

    fn hold(&self, permit: Option<OwnedSemaphorePermit>) -> Found {
        self.open.fetch_add(1, Ordering::Relaxed);
        Found::Room(Room(Arc::new(Held {
            open: Arc::clone(&self.open),
            _permit: permit,
        })))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_there_is_always_room_and_it_is_counted() {
        let (connections, pool) = (Connections::new(None), Pool::new());
        let mut rooms = Vec::new();
        for _ in 0..100 {
            rooms.push(connections.room(&pool, WAIT).await.unwrap());
        }
        let copy = rooms[0].clone();
        assert_eq!(connections.len(), 100);
        drop(rooms);
        assert_eq!(connections.len(), 1, "a copy holds it");
        drop(copy);
        assert_eq!(connections.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_next_room_or_is_told_that_there_is_none() {
        let (connections, pool) = (Connections::new(Some(2)), Pool::new());
        let first = connections.room(&pool, WAIT).await.unwrap();
        let _second = connections.room(&pool, WAIT).await.unwrap();
        assert!(!connections.have_room(&pool));
        let refused = connections.room(&pool, WAIT).await;
        assert!(matches!(refused, Err(ConnectFault::Full(WAIT))));

        let (third, ()) = tokio::join!(connections.room(&pool, WAIT), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(third.is_ok());
        assert_eq!(connections.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn not_any_number_waits() {
        let (connections, pool) = (Connections::new(Some(1)), Pool::new());
        let _only = connections.room(&pool, WAIT).await.unwrap();
        let began = tokio::time::Instant::now();
        let waits = (0..=WAITING_MAX).map(|_| async {
            let refused = connections.room(&pool, WAIT).await.is_err();
            (refused, began.elapsed() < WAIT)
        });
        let outcomes = futures_util::future::join_all(waits).await;

        assert!(outcomes.iter().all(|(refused, _)| *refused));
        let at_once = outcomes.iter().filter(|(_, at_once)| *at_once);
        assert_eq!(at_once.count(), 1);
    }
}
