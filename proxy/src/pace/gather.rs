//! Small writes that leave together.
//!
//! h2 asks for each frame with the body of an answer to be flushed, although others are about to follow it. What is
//! written is kept until the connection is looked at again, after every request that could go on has gone on; by TLS it
//! is then one record instead of many.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that are kept, and what a record of TLS holds (RFC 8446, section 5.1).
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A stream whose small writes leave together, where it is told to gather them. Whoever writes must go on reading:
/// what is kept leaves with the next look at what comes in, for which the task is woken.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    stream: S,
    gathers: bool,
    kept: Vec<u8>,
    /// How many of the kept bytes have left.
    left: usize,
    /// Whether the task is to look at it again.
    is_due: bool,
}

impl<S> Gathered<S> {
    /// A stream that gathers nothing yet.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            gathers: false,
            kept: Vec::new(),
            left: 0,
            is_due: false,
        }
    }

    /// What everything leaves by.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Gathers from now on.
    pub(super) fn gather(&mut self) {
        self.gathers = true;
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Sends everything that was kept.
    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.kept.get(self.left..).filter(|rest| !rest.is_empty()) {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += sent;
        }
        self.left = 0;
        // A connection that is idle for long needs no room for what it may say.
        if self.kept.capacity() > 0 {
            self.kept = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what was kept, and what the stream itself kept of it.
    fn send_on(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Sends what was kept and the last of all bytes, as far as there is room at this moment.
    pub(super) fn conclude(&mut self, last: &[u8], context: &mut Context<'_>) {
        self.kept.extend_from_slice(last);
        // Whether it comes through changes nothing: the stream is not used any more.
        let _ = self.send_on(context);
    }

    /// Whether so many more bytes are kept: they may have to wait until there is room.
    fn has_room(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.gathers {
            return Poll::Ready(Ok(false));
        }
        if self.kept.len() + bytes > KEPT_BYTES_MAX {
            ready!(self.send(context))?;
        }
        Poll::Ready(Ok(bytes <= KEPT_BYTES_MAX))
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.kept.capacity() == 0 {
            self.kept.reserve_exact(KEPT_BYTES_MAX);
        }
        self.kept.extend_from_slice(bytes);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_due {
            match self.send_on(context) {
                Poll::Ready(Ok(())) => self.is_due = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // The task is woken when there is room.
                Poll::Pending => {}
            }
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if ready!(self.has_room(bytes.len(), context))? {
            self.keep(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        if ready!(self.has_room(bytes, context))? {
            for slice in slices {
                self.keep(slice);
            }
            return Poll::Ready(Ok(bytes));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            return Pin::new(&mut self.stream).poll_flush(context);
        }
        if !self.is_due {
            self.is_due = true;
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_on(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_written_leaves_with_the_next_look_at_what_comes() {
        let (stream, mut other) = duplex(1024);
        let mut gathered = Gathered::new(stream);
        gathered.gather();
        for part in ["a", "b"] {
            gathered.write_all(part.as_bytes()).await.unwrap();
            gathered.flush().await.unwrap();
        }
        assert_eq!((gathered.kept.len(), gathered.is_due), (2, true));

        other.write_all(b"x").await.unwrap();
        assert_eq!(gathered.read_u8().await.unwrap(), b'x');

        let mut came = [0; 2];
        other.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"ab");
        assert_eq!((gathered.kept.capacity(), gathered.is_due), (0, false));
    }

    #[tokio::test]
    async fn nothing_overtakes_what_was_kept_and_no_more_than_a_record_is() {
        let (stream, mut other) = duplex(100);
        let mut gathered = Gathered::new(stream);
        gathered.gather();
        let sizes = [
            1,
            KEPT_BYTES_MAX,
            5,
            KEPT_BYTES_MAX + 1,
            KEPT_BYTES_MAX - 1,
            2,
        ];
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(sizes.iter().sum()).collect();
        let expected = bytes.clone();
        let writer = tokio::spawn(async move {
            let mut rest = &bytes[..];
            for size in sizes {
                let (part, others) = rest.split_at(size);
                gathered.write_all(part).await.unwrap();
                assert!(gathered.kept.len() <= KEPT_BYTES_MAX);
                rest = others;
            }
            gathered.shutdown().await.unwrap();
        });

        let mut came = Vec::new();
        other.read_to_end(&mut came).await.unwrap();
        writer.await.unwrap();
        assert!(came == expected);
    }

    #[tokio::test]
    async fn a_stream_that_gathers_nothing_keeps_nothing() {
        let (stream, mut other) = duplex(1024);
        let mut plain = Gathered::new(stream);

        plain.write_all(b"a").await.unwrap();

        assert_eq!(other.read_u8().await.unwrap(), b'a');
    }
}
