//! The stream of one connection, and the exchange that it carries.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{Method, Request, Response};
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::either::Either;
use tokio_util::io::poll_read_buf;

use super::super::connect::Stream;
use super::super::request_body::RequestBody;
use super::Fault;
use super::reader::AnswerReader;
use super::request::{Framing, write_chunk_size, write_head};
use crate::conduit::{self, Conduit};

/// What is read at once at least: most answers come whole.
const READ_BYTES: usize = 8 * 1024;
/// What is read at once at most of a long body.
const READ_BYTES_MAX: usize = 128 * 1024;
/// As long as most heads are.
const HEAD_BYTES_USUAL: usize = 1024;

const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The stream of one connection, and the exchange that it carries.
#[derive(Debug)]
pub(in crate::upstream) struct Wire<S> {
    stream: S,
    /// What was read, and not taken yet.
    read: BytesMut,
    /// How much of an answer is read at once at most.
    read_max: usize,
    answer: AnswerReader,
    /// What is to be written, in this order.
    head: BytesMut,
    data: Bytes,
    tail: &'static [u8],
    /// What is to be sent after it.
    upload: Option<Upload>,
    must_flush: bool,
    /// Whether not all of a request could be sent: the connection carries no other.
    is_broken: bool,
}

#[derive(Debug)]
struct Upload {
    body: RequestBody,
    /// How many bytes of it are to come; `None`: it is sent in chunks.
    left: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            read_max: READ_BYTES_MAX,
            answer: AnswerReader::new(&Method::GET),
            head: BytesMut::new(),
            data: Bytes::new(),
            tail: &[],
            upload: None,
            must_flush: false,
            is_broken: false,
        }
    }

    /// Whether it is open, and said nothing while nothing was asked.
    pub(in crate::upstream) fn check(&mut self) -> Result<(), Fault> {
        if !self.read.is_empty() {
            return Err(Fault::Unasked);
        }
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        // Nobody needs to be woken: whoever takes it looks again.
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut read) {
            Poll::Pending => Ok(()),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(())) if read.filled().is_empty() => Err(Fault::Closed),
            Poll::Ready(Ok(())) => Err(Fault::Unasked),
        }
    }

    /// Begins an exchange.
    pub(super) fn begin(&mut self, request: Box<Request<RequestBody>>) {
        self.answer = AnswerReader::new(request.method());
        self.read_max = READ_BYTES_MAX;
        self.head.reserve(HEAD_BYTES_USUAL);
        let framing = Framing::of(request.body());
        write_head(&mut self.head, &request, framing);
        self.upload = match framing {
            Framing::None => None,
            Framing::Length(length) => Some(Some(length)),
            Framing::Chunked => Some(None),
        }
        .map(|left| {
            let body = request.into_body();
            Upload { body, left }
        });
    }

    /// Reads no more of this answer at once: at least 8 KiB.
    pub(in crate::upstream) fn read_at_most(&mut self, bytes: usize) {
        self.read_max = bytes.max(READ_BYTES);
    }

    /// Sends the request as far as that goes, until the head of its answer has come: that may be before all was sent.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Fault>> {
        // What breaks may have been answered before.
        let broke = match self.poll_send(context) {
            Poll::Ready(Err(Fault::Io(error))) => Some(error),
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            _ => None,
        };
        loop {
            if let Some(head) = self.answer.head(&mut self.read)? {
                return Poll::Ready(Ok(head));
            }
            let length = match self.poll_fill(context) {
                Poll::Ready(Ok(length)) => length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            };
            if length == 0 {
                return Poll::Ready(Err(broke.map_or(Fault::Closed, Fault::Io)));
            }
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(in crate::upstream) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            if let Some(frame) = self.answer.frame(&mut self.read)? {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.answer.is_done() {
                return Poll::Ready(None);
            }
            if ready!(self.poll_fill(context)).map_err(Fault::from)? == 0 {
                self.answer.close()?;
            }
        }
    }

    /// Sends what there is to send; ready once all of it was, or can't be.
    pub(in crate::upstream) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let sent = self.poll_send_all(context);
        if let Poll::Ready(Err(_)) = &sent {
            self.is_broken = true;
            self.upload = None;
            self.head.clear();
            self.data = Bytes::new();
            self.tail = &[];
        }
        sent
    }

    fn poll_send_all(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            let is_waiting = self.poll_load(context)?.is_pending();
            if self.has_unwritten() {
                ready!(self.poll_write(context))?;
            } else if self.must_flush {
                ready!(Pin::new(&mut self.stream).poll_flush(context)).map_err(Fault::from)?;
                self.must_flush = false;
            } else if is_waiting {
                return Poll::Pending;
            } else if self.upload.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the next piece of the request's body, where the one before it is written.
    fn poll_load(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(upload) = &mut self.upload else {
            return Poll::Ready(Ok(()));
        };
        if !self.data.is_empty() || !self.tail.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let frame = ready!(Pin::new(&mut upload.body).poll_frame(context));
        let Some(frame) = frame.transpose().map_err(Fault::Body)? else {
            self.tail = match upload.left {
                Some(0) => &[],
                Some(_) => return Poll::Ready(Err(wrong_length())),
                None => LAST_CHUNK,
            };
            self.upload = None;
            return Poll::Ready(Ok(()));
        };
        let data = frame.into_data().unwrap_or_default();
        if let Some(left) = &mut upload.left {
            let rest = left.checked_sub(length_of(&data));
            *left = rest.ok_or_else(wrong_length)?;
        } else if !data.is_empty() {
            // An empty one would be the last.
            write_chunk_size(&mut self.head, data.len());
            self.tail = CHUNK_END;
        }
        self.data = data;
        Poll::Ready(Ok(()))
    }

    fn has_unwritten(&self) -> bool {
        !self.head.is_empty() || !self.data.is_empty() || !self.tail.is_empty()
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let parts = [
            IoSlice::new(&self.head),
            IoSlice::new(&self.data),
            IoSlice::new(self.tail),
        ];
        let stream = Pin::new(&mut self.stream);
        let written = if self.data.is_empty() && self.tail.is_empty() {
            // Most requests are a head alone, for which the system has a shorter way.
            stream.poll_write(context, &self.head)
        } else {
            stream.poll_write_vectored(context, &parts)
        };
        let mut written = ready!(written).map_err(Fault::from)?;
        if written == 0 {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
        }
        self.must_flush = true;
        let of_head = written.min(self.head.len());
        self.head.advance(of_head);
        written -= of_head;
        let of_data = written.min(self.data.len());
        self.data.advance(of_data);
        self.tail = self.tail.get(written - of_data..).unwrap_or_default();
        Poll::Ready(Ok(()))
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let expected = usize::try_from(self.answer.expected()).unwrap_or(usize::MAX);
        self.read.reserve(expected.clamp(READ_BYTES, self.read_max));
        let mut room = (&mut self.read).limit(self.read_max);
        poll_read_buf(Pin::new(&mut self.stream), context, &mut room)
    }

    /// Whether all of the request was sent, or can't be.
    pub(in crate::upstream) fn has_sent(&self) -> bool {
        self.upload.is_none() && !self.has_unwritten() && !self.must_flush
    }

    /// Whether the answer has ended.
    pub(in crate::upstream) fn has_ended(&self) -> bool {
        self.answer.is_done()
    }

    /// Whether it can carry another request.
    pub(in crate::upstream) fn is_reusable(&self) -> bool {
        let is_open = !self.is_broken && !self.answer.is_last();
        is_open && self.has_ended() && self.has_sent() && self.read.is_empty()
    }

    /// How many bytes of the answer's body are to come, where that is known.
    pub(in crate::upstream) fn length(&self) -> Option<u64> {
        self.answer.length()
    }

    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.read.freeze())
    }
}

impl Wire<Stream> {
    /// Whether what comes by it may pass by a pipe.
    pub(in crate::upstream) fn is_plain(&self) -> bool {
        matches!(self.stream, Either::Left(_))
    }

    /// The same as [`Self::poll_frame`], where a long rest of a body may pass by a pipe.
    pub(in crate::upstream) fn poll_frame_by(
        &mut self,
        conduit: &Conduit,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let left = self
            .length()
            .filter(|left| *left >= conduit::BODY_BYTES_MIN);
        if let (Either::Left(tcp), Some(left)) = (&self.stream, left)
            && self.read.is_empty()
            && !conduit.is_filled()
            && let Some(piece) =
                ready!(conduit.poll_fill(context, tcp, left)).map_err(Fault::from)?
        {
            if piece.is_empty() {
                self.answer.close()?;
            }
            self.answer.pass(piece.len());
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.poll_frame(context)
    }
}

fn length_of(data: &Bytes) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn wrong_length() -> Fault {
    Fault::Body("it is not as long as its head says".into())
}
