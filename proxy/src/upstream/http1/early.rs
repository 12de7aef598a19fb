//! An answer that comes before its request was sent: neither waits for the other.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::task::AbortHandle;

use super::{Fault, Http1};

/// An answer that comes while its request is still being sent. Dropped before its end, it ends the request, too; the
/// rest of a request whose answer has ended is sent all the same.
#[derive(Debug)]
pub(in crate::upstream) struct Early {
    connection: Arc<Mutex<Box<Http1>>>,
    upload: AbortHandle,
}

impl Early {
    pub(in crate::upstream) fn new(connection: Box<Http1>) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        let shared = Arc::clone(&connection);
        let upload = poll_fn(move |context| lock(&shared).wire.poll_send(context));
        Self {
            upload: tokio::spawn(upload).abort_handle(),
            connection,
        }
    }

    pub(in crate::upstream) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        lock(&self.connection).wire.poll_frame(context)
    }

    pub(in crate::upstream) fn has_ended(&self) -> bool {
        lock(&self.connection).wire.has_ended()
    }

    pub(in crate::upstream) fn length(&self) -> Option<u64> {
        lock(&self.connection).wire.length()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.upload.abort();
        }
    }
}

/// A panic of one leaves the connection to be dropped by the other.
fn lock(connection: &Mutex<Box<Http1>>) -> MutexGuard<'_, Box<Http1>> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
