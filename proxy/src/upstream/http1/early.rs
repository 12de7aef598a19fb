//! An answer that comes before its request was sent: neither waits for the other.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::task::JoinHandle;

use super::{Fault, Http1};

/// An answer that comes while its request is still being sent. Dropped before its end, it ends the request, too; the
/// rest of a request whose answer has ended is sent all the same.
#[derive(Debug)]
pub(in crate::upstream) struct Early {
    connection: Arc<Mutex<Box<Http1>>>,
    /// Until it has ended.
    upload: Option<JoinHandle<Result<(), Fault>>>,
}

impl Early {
    pub(in crate::upstream) fn new(connection: Box<Http1>) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        let shared = Arc::clone(&connection);
        let upload = poll_fn(move |context| lock(&shared).wire.poll_send(context));
        Self {
            upload: Some(tokio::spawn(upload)),
            connection,
        }
    }

    pub(in crate::upstream) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(sent) = Pin::new(upload).poll(context)
        {
            self.upload = None;
            // A connection that takes no more may answer all the same; a request that breaks off gets no whole answer.
            if let Ok(Err(fault @ Fault::Body(_))) = sent {
                return Poll::Ready(Some(Err(fault)));
            }
        }
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
        if let Some(upload) = self.upload.take().filter(|_| !self.has_ended()) {
            upload.abort();
        }
    }
}

/// A panic of one leaves the connection to be dropped by the other.
fn lock(connection: &Mutex<Box<Http1>>) -> MutexGuard<'_, Box<Http1>> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
