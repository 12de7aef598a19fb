//! The body of an answer, which carries the request's record until its last byte.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tollgate_gate::Admission;

use crate::idle::{IDLE_MAX, Idle};
use crate::record::Record;
use crate::upstream::AnswerBody;

/// What an answer consists of.
#[derive(Debug)]
pub enum Content {
    /// What the upstream sends, as it comes. The admission is held until then: a stream counts until it ends.
    Upstream(AnswerBody, Admission),
    /// What the proxy has to say.
    Problem(Option<Bytes>),
}

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody {
    content: Content,
    idle: Idle,
    record: Record,
}

impl ResponseBody {
    /// A body whose fate `record` notes.
    #[must_use]
    pub fn new(content: Content, record: Record) -> Self {
        let mut body = Self {
            content,
            idle: Idle::new(IDLE_MAX),
            record,
        };
        body.complete_at_end();
        body
    }

    /// hyper asks for nothing more where it knows that nothing comes.
    fn complete_at_end(&mut self) {
        if self.is_end_stream() {
            self.record.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = &mut *self;
        let frame = match &mut body.content {
            Content::Upstream(answer, _) => {
                let progress = Pin::new(answer).poll_frame(context);
                match std::task::ready!(body.idle.watch(progress, context)) {
                    Ok(frame) => frame.map(|frame| frame.map_err(Into::into)),
                    Err(stalled) => Some(Err(stalled.into())),
                }
            }
            Content::Problem(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
        };
        match &frame {
            Some(Ok(frame)) => {
                self.record.sent(frame.data_ref().map_or(0, Bytes::len));
                self.complete_at_end();
            }
            Some(Err(_)) => self.record.abort(),
            None => self.record.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Upstream(answer, _) => answer.is_end_stream(),
            Content::Problem(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Upstream(answer, _) => answer.size_hint(),
            Content::Problem(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
