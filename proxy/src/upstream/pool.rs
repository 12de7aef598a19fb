//! Idle connections to one target, by the thread that made them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::request_body::RequestBody;
use crate::thread;

/// Below what servers usually wait, so that they don't close a connection that is just being used.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most idle connections that each thread keeps to one target.
pub(super) const IDLE_CONNECTIONS_MAX: usize = 1_024;

pub(super) type Connection = SendRequest<RequestBody>;

/// Idle connections to one target, by the thread that made them.
#[derive(Debug)]
pub(super) struct Pool([Mutex<VecDeque<Idle>>; thread::PLACES]);

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection that carries an answer, and returns to its pool when the answer has ended.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    /// The connection of this thread that was used last: those that are not needed grow old.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = lock(self.0.get(thread::place())?);
        while let Some(Idle { connection, .. }) = idle.pop_back() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn put(&self, connection: Connection) {
        let Some(idle) = self.0.get(thread::place()) else {
            return;
        };
        let mut idle = lock(idle);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            let since = Instant::now();
            idle.push_back(Idle { connection, since });
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let is_old = |idle: &Idle| now.duration_since(idle.since) >= IDLE_TIMEOUT;
        for idle in &self.0 {
            let mut idle = lock(idle);
            while idle.front().is_some_and(is_old) {
                idle.pop_front();
            }
        }
    }
}

impl Lease {
    pub(super) fn new(connection: Connection, pool: &Arc<Pool>) -> Self {
        Self {
            connection,
            pool: Arc::clone(pool),
        }
    }

    /// Returns the connection, once it can carry another request.
    pub(super) fn end(self) {
        let Self {
            mut connection,
            pool,
        } = self;
        if connection.is_ready() {
            pool.put(connection);
        } else if !connection.is_closed() {
            // The answer came before the request's body had passed.
            tokio::spawn(async move {
                if connection.ready().await.is_ok() {
                    pool.put(connection);
                }
            });
        }
    }
}

/// A panic elsewhere leaves a list as good as it was.
fn lock(idle: &Mutex<VecDeque<Idle>>) -> MutexGuard<'_, VecDeque<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
