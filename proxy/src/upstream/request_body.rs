//! The body of a request on its way to the upstream.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::idle::{IDLE_MAX, Idle};
use crate::record::Received;

/// A body that notes what passes, and tells when it has passed.
///
/// Trailers end here (RFC 9110, section 6.5.1, allows it): an upstream that merges them into the headers would take a
/// client's word for the proxy's.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// `None`: there is nothing to send.
    incoming: Option<Incoming>,
    idle: Idle,
    received: Arc<Received>,
    /// Its end is the message.
    unsent: Option<oneshot::Sender<()>>,
}

/// Waits until a body has passed.
#[derive(Debug)]
pub(super) struct Sent(Option<oneshot::Receiver<()>>);

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        received: Arc<Received>,
        idle_max: Duration,
    ) -> (Self, Sent) {
        let is_empty = incoming.is_end_stream();
        let (unsent, sent) = (!is_empty).then(oneshot::channel).unzip();
        let body = Self {
            incoming: Some(incoming),
            idle: Idle::new(idle_max),
            received,
            unsent,
        };
        (body, Sent(sent))
    }
}

impl RequestBody {
    /// A body without a byte.
    pub(super) fn empty() -> Self {
        Self {
            incoming: None,
            idle: Idle::new(IDLE_MAX),
            received: Arc::default(),
            unsent: None,
        }
    }
}

impl Sent {
    /// Also more than once.
    pub(super) async fn wait(&mut self) {
        // Nothing ever comes: the other half is dropped when the body has passed.
        if let Some(sent) = &mut self.0 {
            let _ = sent.await;
            self.0 = None;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = &mut *self;
        let Some(incoming) = &mut body.incoming else {
            return Poll::Ready(None);
        };
        let frame = loop {
            let progress = Pin::new(&mut *incoming).poll_frame(context);
            let frame = match std::task::ready!(body.idle.watch(progress, context)) {
                Ok(frame) => frame,
                Err(stalled) => {
                    body.received.stall();
                    return Poll::Ready(Some(Err(stalled.into())));
                }
            };
            if !matches!(&frame, Some(Ok(frame)) if frame.is_trailers()) {
                break frame;
            }
        };
        match &frame {
            Some(Ok(frame)) => self.received.add(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.received.break_off(),
            None => {}
        }
        if frame.is_none() || self.is_end_stream() {
            self.unsent = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
