//! The body of a request on its way to the upstream.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::idle::{IDLE_MAX, Idle};
use crate::record::{BodyFault, Received};

/// What hyper is told; the client is told by its answer.
const TOO_LARGE: &str = "the body is longer than its route takes";

/// A body that notes what passes, and tells when it has passed.
///
/// Trailers end here (RFC 9110, section 6.5.1, allows it): an upstream that merges them into the headers would take a
/// client's word for the proxy's.
#[derive(Debug)]
pub(super) struct RequestBody {
    content: Content,
    idle: Idle,
    /// How many bytes it may have.
    bytes_max: Option<u32>,
    received: Arc<Received>,
    /// Its end is the message.
    unsent: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
enum Content {
    /// What the client sends.
    Incoming(Incoming),
    /// All of it; empty once it was sent.
    Whole(Bytes),
}

/// Waits until a body has passed.
#[derive(Debug)]
pub(super) struct Sent(Option<oneshot::Receiver<()>>);

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        received: Arc<Received>,
        (idle_max, bytes_max): (Duration, Option<u32>),
    ) -> (Self, Sent) {
        let is_empty = incoming.is_end_stream();
        let (unsent, sent) = (!is_empty).then(oneshot::channel).unzip();
        let body = Self {
            content: Content::Incoming(incoming),
            idle: Idle::new(idle_max),
            bytes_max,
            received,
            unsent,
        };
        (body, Sent(sent))
    }
}

impl RequestBody {
    /// A body without a byte.
    pub(super) fn empty() -> Self {
        Self::of(Bytes::new())
    }

    /// A body of which all is there.
    pub(super) fn of(whole: Bytes) -> Self {
        Self {
            content: Content::Whole(whole),
            idle: Idle::new(IDLE_MAX),
            bytes_max: None,
            received: Arc::default(),
            unsent: None,
        }
    }
}

impl RequestBody {
    /// Reads all of it, of at most so many bytes.
    pub(super) async fn collect_whole(self, bytes_max: usize) -> Result<Self, WholeFault> {
        let received = Arc::clone(&self.received);
        let bytes_most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        if self.size_hint().lower() > bytes_most {
            return Err(WholeFault::TooLong);
        }
        match Limited::new(self, bytes_max).collect().await {
            Ok(whole) => Ok(Self::of(whole.to_bytes())),
            Err(_) => Err(received
                .fault()
                .map_or(WholeFault::TooLong, WholeFault::Body)),
        }
    }

    /// All of it, if it was read.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Whole(whole) => Some(whole),
            Content::Incoming(incoming) => incoming.is_end_stream().then_some(&EMPTY),
        }
    }
}

static EMPTY: Bytes = Bytes::new();

/// Why not all of a body could be read.
#[derive(Debug)]
pub(super) enum WholeFault {
    /// It did not come to its end.
    Body(BodyFault),
    /// It has more bytes than may be held.
    TooLong,
}

impl Sent {
    /// There is nothing to wait for.
    pub(super) fn already() -> Self {
        Self(None)
    }

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
        let incoming = match &mut body.content {
            Content::Incoming(incoming) => incoming,
            Content::Whole(whole) if whole.is_empty() => return Poll::Ready(None),
            Content::Whole(whole) => {
                let frame = Frame::data(std::mem::take(whole));
                return Poll::Ready(Some(Ok(frame)));
            }
        };
        let frame = loop {
            let progress = Pin::new(&mut *incoming).poll_frame(context);
            let frame = match std::task::ready!(body.idle.watch(progress, context)) {
                Ok(frame) => frame,
                Err(stalled) => {
                    body.received.fail(BodyFault::Stalled);
                    return Poll::Ready(Some(Err(stalled.into())));
                }
            };
            if !matches!(&frame, Some(Ok(frame)) if frame.is_trailers()) {
                break frame;
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                let bytes = self.received.add(frame.data_ref().map_or(0, Bytes::len));
                if let Some(most) = self.bytes_max.filter(|most| bytes > u64::from(*most)) {
                    self.received.fail(BodyFault::TooLarge(most));
                    return Poll::Ready(Some(Err(TOO_LARGE.into())));
                }
            }
            Some(Err(_)) => self.received.fail(BodyFault::Broken),
            None => {}
        }
        if frame.is_none() || self.is_end_stream() {
            self.unsent = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Incoming(incoming) => incoming.is_end_stream(),
            Content::Whole(whole) => whole.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Incoming(incoming) => incoming.size_hint(),
            Content::Whole(whole) => {
                SizeHint::with_exact(u64::try_from(whole.len()).unwrap_or(u64::MAX))
            }
        }
    }
}
