//! The body of an upstream's answer, which gives its connection back at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::connection::OpenStream;
use super::http1::{self, Early, Http1};
use super::tally::Flight;
use super::throttle::Permit;
use crate::conduit::Conduit;
use crate::idle::{IDLE_MAX, Idle, Stalled};

/// As many as a frame of HTTP/2 has, where nothing else was agreed on (RFC 9113, section 4.2).
const FRAME_BYTES: usize = 16 * 1024;

/// The body of an upstream's answer. Dropped before its end, it closes the connection that it came by.
#[derive(Debug)]
pub struct AnswerBody {
    answer: Answer,
    /// Until its end.
    flight: Option<Flight>,
    /// Its room at a throttled upstream.
    permit: Option<Permit>,
    idle: Idle,
    /// By what it may pass to the client, unread.
    conduit: Option<Arc<Conduit>>,
    /// When it must have ended.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What an answer comes by.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing more comes.
    Ended,
    Http1(Box<Http1>),
    /// The same while its request is still being sent.
    Early(Early),
    Http2(
        Incoming,
        #[expect(dead_code, reason = "it is held, not read")] OpenStream,
    ),
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// It broke off.
    #[error(transparent)]
    Http1(#[from] http1::Fault),
    /// It broke off, of HTTP/2.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error(transparent)]
    Idle(#[from] Stalled),
    /// It took longer than a request may.
    #[error("the answer did not end in time")]
    Deadline,
}

impl AnswerFault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Http1(_) | Self::Http2(_) => "upstream_aborted",
            Self::Idle(_) => "upstream_idle",
            Self::Deadline => "upstream_deadline",
        }
    }
}

impl Answer {
    /// The same, whose request goes on beside it where not all of it was sent yet.
    fn beside_its_request(self) -> Self {
        match self {
            Self::Http1(connection) if !connection.wire.has_sent() => {
                Self::Early(Early::new(connection))
            }
            other => other,
        }
    }

    fn poll_frame(
        &mut self,
        conduit: Option<&Conduit>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let frame = match self {
            Self::Ended => return Poll::Ready(None),
            Self::Http1(connection) => match conduit {
                None => connection.wire.poll_frame(context),
                Some(conduit) => connection.wire.poll_frame_by(conduit, context),
            },
            Self::Early(early) => early.poll_frame(context),
            Self::Http2(incoming, _) => {
                let frame = std::task::ready!(Pin::new(incoming).poll_frame(context));
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
        };
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }
}

impl AnswerBody {
    pub(super) fn new(answer: Answer, flight: Flight) -> Self {
        let mut body = Self {
            answer: answer.beside_its_request(),
            flight: Some(flight),
            ..Self::ended()
        };
        if body.is_end_stream() {
            body.end();
        }
        body
    }

    /// One of which nothing more comes.
    pub(super) fn ended() -> Self {
        Self {
            answer: Answer::Ended,
            flight: None,
            permit: None,
            idle: Idle::new(IDLE_MAX),
            conduit: None,
            deadline: None,
        }
    }

    /// It may wait that long for its next bytes.
    pub(super) fn idle_for(&mut self, limit: Duration) {
        self.idle = Idle::new(limit);
    }

    /// It gives its room back when it ends.
    pub(super) fn hold(&mut self, permit: Option<Permit>) {
        self.permit = permit.filter(|_| !self.is_end_stream());
    }

    /// It must have ended by then.
    pub(super) fn until(&mut self, deadline: Instant) {
        self.deadline = Some(Box::pin(tokio::time::sleep_until(deadline)));
    }

    /// Lets it pass by a conduit, as far as it can.
    pub(crate) fn pass_by(&mut self, conduit: &Arc<Conduit>) {
        if let Answer::Http1(connection) = &self.answer
            && connection.wire.is_plain()
        {
            self.conduit = Some(Arc::clone(conduit));
        }
    }

    /// Comes in pieces that a client by HTTP/2 can take soon: hyper holds one for each that waits.
    pub(crate) fn in_pieces(&mut self) {
        if let Answer::Http1(connection) = &mut self.answer {
            connection.wire.read_at_most(FRAME_BYTES);
        }
    }

    fn end(&mut self) {
        self.permit = None;
        let answer = std::mem::replace(&mut self.answer, Answer::Ended);
        if let (Answer::Http1(connection), Some(flight)) = (answer, self.flight.take())
            && connection.wire.is_reusable()
        {
            flight.place().keep(connection);
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(Err(AnswerFault::Deadline)));
        }
        let progress = self.answer.poll_frame(self.conduit.as_deref(), context);
        let frame = std::task::ready!(self.idle.watch(progress, context));
        Poll::Ready(frame.unwrap_or_else(|stalled| Some(Err(stalled.into()))))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let frame = std::task::ready!(self.poll(context));
        match &frame {
            // It is of no use any more.
            Some(Err(_)) => {
                self.answer = Answer::Ended;
                self.flight = None;
                self.permit = None;
            }
            Some(Ok(_)) if !self.is_end_stream() => {}
            _ => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.answer {
            Answer::Ended => true,
            Answer::Http1(connection) => connection.wire.has_ended(),
            Answer::Early(early) => early.has_ended(),
            Answer::Http2(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.answer {
            Answer::Ended => Some(0),
            Answer::Http1(connection) => connection.wire.length(),
            Answer::Early(early) => early.length(),
            Answer::Http2(incoming, _) => return incoming.size_hint(),
        };
        length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
