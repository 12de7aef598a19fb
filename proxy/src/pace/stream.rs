//! A client's stream that is cut off when the client takes too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Pace;
use super::alarm::{Alarm, Patience};
use super::frames::Frames;
use super::gather::Gathered;
use crate::connection::Protocol;
use crate::cut::Cut;

/// How long a connection without a request stays open. Load balancers keep idle connections for 60 s: a shorter time
/// would close them under their next request.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// The longest that the head of a request may take from its first byte on.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// The longest that a client may take to read anything of what it is sent.
const WRITE_MAX: Duration = Duration::from_mins(1);
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// RFC 9110, section 15.5.9.
const HEAD_TIMEOUT_ANSWER: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A client's stream.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: Gathered<S>,
    pace: Arc<Pace>,
    spoken: Spoken,
    waiting: Waiting,
    writing: Patience,
    /// Whether everything that was written has left.
    is_flushed: bool,
}

#[derive(Debug)]
enum Spoken {
    /// So many bytes were those of HTTP/2's preface.
    Unknown(usize),
    Http1,
    Http2(Frames),
}

/// What is waited for, while nothing comes.
#[derive(Debug)]
struct Waiting {
    alarm: Alarm,
    for_what: What,
    /// How many requests had come when it began.
    begun: u32,
    progress: u32,
    since: Instant,
    /// Whether the first byte of a request came, and of which.
    head_of: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Nothing,
    Request,
    RestOfHead,
    Reader,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    pub(crate) fn new(stream: S, protocol: Protocol, pace: Arc<Pace>) -> Self {
        let now = Instant::now();
        let mut stream = Gathered::new(stream);
        if protocol == Protocol::Http2 {
            pace.is_http2.store(true, Ordering::Relaxed);
            stream.gather();
        }
        Self {
            stream,
            pace,
            spoken: match protocol {
                Protocol::Either => Spoken::Unknown(0),
                Protocol::Http1 => Spoken::Http1,
                Protocol::Http2 => Spoken::Http2(Frames::new(now)),
            },
            waiting: Waiting::new(now),
            writing: Patience::new(WRITE_MAX),
            is_flushed: true,
        }
    }

    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        let progress = self.pace.progress.load(Ordering::Relaxed);
        if let Spoken::Unknown(seen) = self.spoken {
            self.spoken = Spoken::of(seen, bytes);
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
                Err(_) => Err(self.cut(Cut::FrameFlood)),
            },
            Spoken::Unknown(_) | Spoken::Http1 => {
                if !self.pace.is_asked() {
                    self.waiting.head_of.get_or_insert(self.pace.begun());
                }
                Ok(())
            }
        }
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
        let is_http2 = matches!(self.spoken, Spoken::Http2(_));
        match () {
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
                self.say_timeout(context);
                Err(self.cut(Cut::HeadTimeout))
            }
            What::Reader => Err(self.cut(Cut::WriteTimeout)),
        }
    }

    /// As far as it can be said at once, and not in the middle of something else.
    fn say_timeout(&mut self, context: &mut Context<'_>) {
        if self.is_flushed {
            let stream = &mut self.stream;
            if let Poll::Ready(Ok(_)) =
                Pin::new(&mut *stream).poll_write(context, HEAD_TIMEOUT_ANSWER)
            {
                let _ = Pin::new(stream).poll_flush(context);
            }
        }
    }

    fn cut(&self, cut: Cut) -> io::Error {
        self.pace.cuts.count(cut);
        io::Error::new(io::ErrorKind::TimedOut, cut.code())
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
    /// What a connection speaks whose first `seen` bytes were those of HTTP/2's preface.
    fn of(seen: usize, bytes: &[u8]) -> Self {
        let expected = PREFACE.get(seen..).unwrap_or_default();
        let common = expected.len().min(bytes.len());
        match () {
            () if expected.get(..common) != bytes.get(..common) => Self::Http1,
            () if common == expected.len() => Self::Http2(Frames::new(Instant::now())),
            () => Self::Unknown(seen + common),
        }
    }
}

impl Waiting {
    fn new(now: Instant) -> Self {
        Self {
            alarm: Alarm::default(),
            for_what: What::Request,
            begun: 0,
            progress: 0,
            since: now,
            head_of: None,
        }
    }

    /// Notes what is waited for. The time starts anew with anything else, and with anything that got somewhere.
    fn turn_to(&mut self, what: What, pace: &Pace) {
        let begun = pace.begun();
        let progress = pace.progress.load(Ordering::Relaxed);
        if what != self.for_what || begun != self.begun || progress != self.progress {
            self.for_what = what;
            self.begun = begun;
            self.progress = progress;
            if what != What::Nothing {
                self.since = Instant::now();
            }
        }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let limit = match self.for_what {
            What::Nothing => return false,
            What::Request => IDLE_MAX,
            What::RestOfHead => HEAD_MAX,
            What::Reader => WRITE_MAX,
        };
        self.alarm.is_over(self.since + limit, context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                Poll::Ready(self.came(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match self.wait(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(progress, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(progress, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        self.is_flushed |= progress.is_ready();
        self.wrote(progress, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wrote(progress, context)
    }
}
