//! A client's stream that is cut off when the client takes too long.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Pace;
use super::alarm::Patience;
use super::frames::{Flood, Frames};
use super::gather::Gathered;
use super::half_closed::HalfClosed;
use super::requests::Requests;
use super::waiting::{WRITE_MAX, Waiting, What};
use crate::conduit::{self, Next};
use crate::connection::Protocol;
use crate::cut::Cut;

const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// RFC 9110, section 15.5.9.
const HEAD_TIMEOUT_ANSWER: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A client's stream.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: Gathered<S>,
    pace: Arc<Pace>,
    agreed: Protocol,
    spoken: Spoken,
    waiting: Waiting,
    writing: Patience,
    /// Whether everything that was written has left.
    is_flushed: bool,
    half_closed: HalfClosed,
}

#[derive(Debug)]
enum Spoken {
    /// So many bytes were those of HTTP/2's preface.
    Unknown(usize),
    Http1(Requests),
    Http2(Frames),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    pub(crate) fn new(stream: S, protocol: Protocol, pace: Arc<Pace>) -> Self {
        Self {
            stream: Gathered::new(stream),
            pace,
            agreed: protocol,
            // Whatever was agreed on: hyper goes by what comes.
            spoken: Spoken::Unknown(0),
            waiting: Waiting::new(Instant::now()),
            writing: Patience::new(WRITE_MAX),
            is_flushed: true,
            half_closed: HalfClosed::default(),
        }
    }

    fn came(&mut self, bytes: &[u8], context: &mut Context<'_>) -> io::Result<()> {
        let progress = self.pace.progress.load(Ordering::Relaxed);
        if let Spoken::Unknown(seen) = self.spoken {
            self.spoken = Spoken::of(seen, bytes);
            if !self.spoken.is(self.agreed) {
                return Err(self.cut(Cut::OtherProtocol));
            }
            if let Spoken::Http2(frames) = &mut self.spoken {
                frames.skip(seen);
                self.pace.is_http2.store(true, Ordering::Relaxed);
                self.stream.gather();
                // What began was no head.
                self.waiting.head_of = None;
            }
        }
        match &mut self.spoken {
            Spoken::Http2(frames) => match frames.scan(bytes, progress) {
                Ok(false) => Ok(()),
                Ok(true) => {
                    self.pace.advance();
                    Ok(())
                }
                Err(Flood) => {
                    let goodbye = frames.goodbye();
                    self.say(context, &goodbye);
                    Err(self.cut(Cut::FrameFlood))
                }
            },
            Spoken::Http1(requests) => {
                if !self.pace.is_tunnel.load(Ordering::Relaxed)
                    && let Some(flaw) = requests.follow(bytes)
                {
                    self.pace.note_flaw(flaw);
                }
                self.await_head();
                Ok(())
            }
            Spoken::Unknown(_) => {
                self.await_head();
                Ok(())
            }
        }
    }

    /// Notes that a head began, if one did.
    fn await_head(&mut self) {
        if !self.pace.is_asked() {
            self.waiting.head_of.get_or_insert(self.pace.begun());
        }
    }

    /// The client says nothing more. Whether it may still be answered.
    fn may_be_answered(&mut self, context: &mut Context<'_>) -> bool {
        let Spoken::Http1(requests) = &self.spoken else {
            return false;
        };
        let is_tunnel = self.pace.is_tunnel.load(Ordering::Relaxed);
        let is_answered = !self.pace.is_asked() && self.is_flushed;
        if is_tunnel || is_answered || !requests.is_between() {
            return false;
        }
        let Some(until) = self.half_closed.until() else {
            return false;
        };
        !self.waiting.alarm.is_over(until, context)
    }

    /// What is waited for while nothing comes.
    fn what(&mut self) -> What {
        let pace = &self.pace;
        if pace.is_tunnel.load(Ordering::Relaxed) {
            return What::Nothing;
        }
        let begun = pace.begun();
        // That one is complete.
        self.waiting.head_of = self.waiting.head_of.filter(|head| *head == begun);
        let (is_http2, is_in_head) = match &self.spoken {
            Spoken::Http2(frames) => (true, frames.is_in_head()),
            // Also one that came while the request before it was answered.
            Spoken::Http1(requests) => (false, !pace.is_asked() && requests.is_in_head()),
            Spoken::Unknown(_) => (false, false),
        };
        match () {
            () if is_in_head => What::RestOfHead,
            () if !pace.is_asked() && self.waiting.head_of.is_some() => What::RestOfHead,
            () if !pace.is_asked() => What::Request,
            // Of HTTP/1.1 the socket tells.
            () if is_http2 && pace.handed.load(Ordering::Relaxed) > 0 => What::Reader,
            () => What::Nothing,
        }
    }

    /// Nothing came: for how long may it stay so?
    fn wait(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let what = self.what();
        self.waiting.turn_to(what, &self.pace);
        if !self.waiting.is_over(context) {
            return Ok(());
        }
        match what {
            What::Nothing => Ok(()),
            What::Request => {
                self.pace.tire();
                Ok(())
            }
            What::RestOfHead => {
                if let Spoken::Http2(frames) = &self.spoken {
                    let goodbye = frames.goodbye();
                    self.say(context, &goodbye);
                } else {
                    self.say(context, HEAD_TIMEOUT_ANSWER);
                }
                Err(self.cut(Cut::HeadTimeout))
            }
            What::Reader => Err(self.cut(Cut::WriteTimeout)),
        }
    }

    /// As far as it can be said at once, and not in the middle of something else.
    fn say(&mut self, context: &mut Context<'_>, last_words: &[u8]) {
        if self.is_flushed {
            self.stream.conclude(last_words, context);
        }
    }

    fn cut(&self, cut: Cut) -> io::Error {
        self.pace.cuts.count(cut);
        io::Error::new(io::ErrorKind::TimedOut, cut.code())
    }

    /// Writes what comes before the stand-in for what a pipe has, or else that.
    fn poll_write_piped(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        S: 'static,
    {
        let bytes = match conduit::next(slices) {
            Next::Slices(count) => {
                let slices = slices.get(..count).unwrap_or_default();
                return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
            }
            Next::Piped(bytes) => bytes,
            Next::Lost => return Poll::Ready(Err(conduit::lost())),
        };
        let socket = (self.stream.get_ref() as &dyn Any).downcast_ref::<TcpStream>();
        match (self.pace.filled_conduit(), socket) {
            (Some(conduit), Some(socket)) => conduit.poll_drain(context, socket, bytes),
            _ => Poll::Ready(Err(conduit::lost())),
        }
    }

    /// Passes on how writing goes, unless nothing has gone for too long.
    fn wrote<T>(
        &mut self,
        progress: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match ready!(self.writing.watch(progress, context)) {
            Ok(result) => Poll::Ready(result),
            Err(_) => Poll::Ready(Err(self.cut(Cut::WriteTimeout))),
        }
    }
}

impl Spoken {
    /// Whether that was agreed on, or may be yet.
    fn is(&self, agreed: Protocol) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Http1(_) => agreed != Protocol::Http2,
            Self::Http2(_) => agreed != Protocol::Http1,
        }
    }

    /// What a connection speaks whose first `seen` bytes were those of HTTP/2's preface.
    fn of(seen: usize, bytes: &[u8]) -> Self {
        let expected = PREFACE.get(seen..).unwrap_or_default();
        let common = expected.len().min(bytes.len());
        match () {
            () if expected.get(..common) != bytes.get(..common) => {
                let mut requests = Requests::default();
                requests.follow(PREFACE.get(..seen).unwrap_or_default());
                Self::Http1(requests)
            }
            () if common == expected.len() => Self::Http2(Frames::new(Instant::now())),
            () => Self::Unknown(seen + common),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let has_room = buffer.remaining() > 0;
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    self.half_closed.came();
                }
                if bytes.is_empty() && has_room && self.may_be_answered(context) {
                    return Poll::Pending;
                }
                Poll::Ready(self.came(bytes, context))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.half_closed.is_quiet();
                match self.wait(context) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let progress = match self.pace.filled_conduit() {
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
            Some(_) => self.poll_write_piped(context, &[IoSlice::new(bytes)]),
        };
        self.wrote(progress, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let progress = match self.pace.filled_conduit() {
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
            Some(_) => self.poll_write_piped(context, slices),
        };
        self.wrote(progress, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        let has_left = progress.is_ready() && !self.is_flushed;
        self.is_flushed |= has_left;
        if has_left && self.half_closed.is_answered() {
            // Whether the client waits for more is to be looked at anew: what it gets, it may have waited for.
            context.waker().wake_by_ref();
        }
        self.wrote(progress, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wrote(progress, context)
    }
}
