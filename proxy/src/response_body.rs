//! The body of an answer, which carries the request's record until its last byte.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tollgate_gate::UnderWay;

use crate::conduit::Conduit;
use crate::record::Record;
use crate::upstream::AnswerBody;

/// What an answer consists of.
#[derive(Debug)]
pub enum Content {
    /// What the upstream sends, as it comes. Its request is under way until then: a stream counts until it ends.
    Upstream(Box<AnswerBody>, UnderWay),
    /// What the proxy has to say.
    Own(Option<Bytes>),
    /// Nothing, as the connection turns into something else, which has the record.
    Switch,
}

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody {
    content: Content,
    record: Option<Record>,
}

impl ResponseBody {
    /// The body of an answer that has none, and is not its request's end.
    #[must_use]
    pub fn switch() -> Self {
        Self {
            content: Content::Switch,
            record: None,
        }
    }

    /// A body whose fate `record` notes.
    #[must_use]
    pub fn new(content: Content, record: Record) -> Self {
        let mut body = Self {
            content,
            record: Some(record),
        };
        body.complete_at_end();
        body
    }

    /// Lets what an upstream sends pass by a conduit.
    pub(crate) fn pass_by(&mut self, conduit: &Arc<Conduit>) {
        if let Content::Upstream(answer, _) = &mut self.content {
            answer.pass_by(conduit);
        }
    }

    /// Has what an upstream sends come in small pieces.
    pub(crate) fn in_pieces(&mut self) {
        if let Content::Upstream(answer, _) = &mut self.content {
            answer.in_pieces();
        }
    }

    /// Whether no upstream has sent it.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.content, Content::Own(_))
    }

    /// hyper asks for nothing more where it knows that nothing comes.
    fn complete_at_end(&mut self) {
        if self.is_end_stream()
            && let Some(record) = &mut self.record
        {
            record.complete();
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
        let frame = match &mut self.content {
            Content::Upstream(answer, _) => std::task::ready!(Pin::new(answer).poll_frame(context)),
            Content::Own(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::Switch => None,
        };
        let Some(record) = &mut self.record else {
            return Poll::Ready(None);
        };
        match &frame {
            Some(Ok(frame)) => {
                record.sent(frame.data_ref().map_or(0, Bytes::len));
                self.complete_at_end();
            }
            Some(Err(fault)) => record.cut(fault.code()),
            None => record.complete(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Upstream(answer, _) => answer.is_end_stream(),
            Content::Own(bytes) => bytes.is_none(),
            Content::Switch => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Upstream(answer, _) => answer.size_hint(),
            Content::Switch => SizeHint::with_exact(0),
            Content::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
