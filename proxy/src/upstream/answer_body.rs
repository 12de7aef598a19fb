//! The body of an upstream's answer, which gives its connection back at its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::pool::Lease;
use super::throttle::Permit;
use crate::idle::{IDLE_MAX, Idle, Stalled};

/// The body of an upstream's answer. Dropped before its end, it closes the connection that it came by.
#[derive(Debug)]
pub struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    /// Its room at a throttled upstream.
    permit: Option<Permit>,
    idle: Idle,
    /// When it must have ended.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// It broke off.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
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
            Self::Broken(_) => "upstream_aborted",
            Self::Idle(_) => "upstream_idle",
            Self::Deadline => "upstream_deadline",
        }
    }
}

impl AnswerBody {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self {
            incoming,
            lease,
            permit: None,
            idle: Idle::new(IDLE_MAX),
            deadline: None,
        };
        if body.is_end_stream() {
            body.end();
        }
        body
    }

    /// The same, which may wait that long for its next bytes.
    pub(super) fn idle_for(mut self, limit: Duration) -> Self {
        self.idle = Idle::new(limit);
        self
    }

    /// The same, which gives its room back when it ends.
    pub(super) fn hold(mut self, permit: Option<Permit>) -> Self {
        self.permit = permit.filter(|_| !self.is_end_stream());
        self
    }

    /// The same, which must have ended by then.
    pub(super) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(Box::pin(tokio::time::sleep_until(deadline)));
        self
    }

    fn end(&mut self) {
        self.permit = None;
        if let Some(lease) = self.lease.take() {
            lease.end();
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
        let progress = Pin::new(&mut self.incoming).poll_frame(context);
        let frame = std::task::ready!(self.idle.watch(progress, context));
        Poll::Ready(match frame {
            Ok(frame) => frame.map(|frame| frame.map_err(Into::into)),
            Err(stalled) => Some(Err(stalled.into())),
        })
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
                self.lease = None;
                self.permit = None;
            }
            Some(Ok(_)) if !self.is_end_stream() => {}
            _ => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
