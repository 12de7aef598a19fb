//! One connection to a target, by HTTP/1.1 for one request after the other, or by HTTP/2 for many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use hyper::client::conn::http2;
use tollgate_store::document::Protocol;

use super::answer_body::Answer;
use super::fault::SendFault;
use super::http1::{self, Http1};
use super::request_body::RequestBody;

/// The most requests at once on one connection by HTTP/2, whatever more the other side allows.
const STREAMS_MAX: usize = 100;

/// One connection, or for HTTP/2 a place on one.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(Box<Http1>),
    Http2(Http2, OpenStream),
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) fault: SendFault,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
}

/// A connection that carries many requests at once.
#[derive(Debug, Clone)]
pub(super) struct Http2 {
    pub(super) sender: http2::SendRequest<RequestBody>,
    pub(super) streams: Arc<Streams>,
    pub(super) origin: Origin,
}

/// Where a connection leads, and what was known of the target when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    /// The pool's when it was made.
    pub(super) epoch: usize,
}

/// How many requests a connection carries.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    /// What the other side allows.
    most: AtomicUsize,
}

/// One request's share of a connection by HTTP/2.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Streams>);

impl Connection {
    /// What is spoken.
    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Http1(_) => Protocol::Http11,
            Self::Http2(..) => Protocol::Http2,
        }
    }

    /// Sends a request, and waits for the head of the answer, whose body has the connection.
    pub(super) async fn send(
        self,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Answer>, Unanswered> {
        match self {
            Self::Http1(connection) => match connection.send(request).await {
                Ok(response) => Ok(response.map(Answer::Http1)),
                Err(http1::Unanswered::Failed(fault)) => Err(Unanswered::sent(fault.into())),
                Err(http1::Unanswered::Unsent(fault, request)) => Err(Unanswered {
                    fault: fault.into(),
                    unsent: Some(request),
                }),
            },
            Self::Http2(mut connection, stream) => {
                // Large, as hyper's is.
                let sending = Box::pin(connection.sender.try_send_request(*request));
                match sending.await {
                    Ok(response) => Ok(response.map(|body| Answer::Http2(body, stream))),
                    Err(mut error) => {
                        let unsent = error.take_message().map(Box::new);
                        let fault = error.into_error().into();
                        Err(Unanswered { fault, unsent })
                    }
                }
            }
        }
    }
}

impl Unanswered {
    fn sent(fault: SendFault) -> Self {
        let unsent = None;
        Self { fault, unsent }
    }
}

impl Http2 {
    /// A place on it for one more request.
    pub(super) fn lend(&self) -> Connection {
        Connection::Http2(self.clone(), self.streams.open())
    }

    /// Whether it may carry another request.
    pub(super) fn has_room(&self) -> bool {
        self.streams.len() < self.streams.most.load(Ordering::Relaxed)
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(STREAMS_MAX),
        }
    }
}

impl Streams {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Notes how many the other side allows; with 0 it did not say yet, or lets those that come wait.
    pub(super) fn allow(&self, most: usize) {
        if most > 0 {
            self.most.store(most.min(STREAMS_MAX), Ordering::Relaxed);
        }
    }

    /// Counts another one until the result is dropped.
    fn open(self: &Arc<Self>) -> OpenStream {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_while_they_are_open_and_bounded_by_both_sides() {
        let streams = Arc::new(Streams::default());
        let open = [(); 3].map(|()| streams.open());
        assert_eq!(streams.len(), 3);
        drop(open);
        assert_eq!(streams.len(), 0);

        for (allowed, most) in [(0, STREAMS_MAX), (7, 7), (usize::MAX, STREAMS_MAX)] {
            streams.allow(allowed);
            assert_eq!(streams.most.load(Ordering::Relaxed), most);
        }
    }
}
