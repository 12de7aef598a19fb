//! The body of an answer, as far as a connection's pace goes by it.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::InFlight;

/// The body of an answer; its request is in flight until it is dropped.
#[derive(Debug)]
pub struct Answer<B> {
    body: B,
    in_flight: InFlight,
    /// Whether a part was handed over since it was last asked for one.
    is_handed: bool,
}

impl<B> Answer<B> {
    /// The body of an answer, which may be of the proxy's own.
    pub(crate) fn new(body: B, in_flight: InFlight, is_own: bool) -> Self {
        if let Some(reading) = &in_flight.reading {
            if is_own {
                reading.note_own();
            }
            // Its head.
            reading.hand();
        }
        Self {
            body,
            in_flight,
            is_handed: false,
        }
    }

    fn hand(&mut self, is_handed: bool) {
        if self.is_handed != is_handed {
            self.is_handed = is_handed;
            let handed = &self.in_flight.pace.handed;
            if is_handed {
                handed.fetch_add(1, Ordering::Relaxed);
            } else {
                handed.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let is_handed = matches!(frame, Poll::Ready(Some(Ok(_))));
        if is_handed {
            self.in_flight.pace.advance();
        }
        match &self.in_flight.reading {
            Some(reading) if is_handed => reading.hand(),
            Some(reading) => reading.lack(),
            None => {}
        }
        self.hand(is_handed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.hand(false);
    }
}
