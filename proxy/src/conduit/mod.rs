//! Long bodies that pass from one socket to the other without coming into the process's memory (splice(2)).
//!
//! hyper writes answers, and wants bytes for them. What passes by a pipe has none here. So the body hands over as many
//! bytes of a [stand-in](STAND_IN), whose contents nobody looks at, and the client's stream sends what the pipe has where
//! it is given these to write. It sends nothing else while the pipe is filled: a stand-in that was copied on its way,
//! and can't be told from real bytes any more, ends the connection instead of reaching the client.

mod pipe;

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::Interest;
use tokio::net::TcpStream;

use pipe::Pipe;

/// Bodies, and rests of them, below this are read: a pipe would save less than it costs.
pub(crate) const BODY_BYTES_MIN: u64 = 64 * 1024;
/// The most that a pipe takes at once.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// What stands for bytes that are in a pipe.
static STAND_IN: [u8; PIECE_BYTES_MAX] = [0; PIECE_BYTES_MAX];

/// Whether the system lets nobody pass bytes by a pipe, as some that shut programs in do.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The way of one client's connection around the process's memory.
#[derive(Debug, Default)]
pub struct Conduit {
    /// Looked at with each write.
    is_filled: AtomicBool,
    filled: Mutex<Option<Filled>>,
}

/// A pipe with bytes in it.
#[derive(Debug)]
struct Filled {
    pipe: Pipe,
    bytes: usize,
}

/// What is to be written next while the pipe is filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many of the slices, which are as they look.
    Slices(usize),
    /// So many bytes of the pipe's.
    Piped(usize),
    /// What should stand for the pipe's bytes is not there any more.
    Lost,
}

impl Conduit {
    /// Whether there is something in the pipe that the client has not got yet.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Relaxed)
    }

    /// Takes at most `most` bytes in from a socket while there are none, and returns what stands for them: nothing at
    /// the end of what comes. `None`: there is no pipe, and they are to be read.
    pub(crate) fn poll_fill(
        &self,
        context: &mut Context<'_>,
        source: &TcpStream,
        most: u64,
    ) -> Poll<io::Result<Option<Bytes>>> {
        // Looked at first, so that nobody holds a pipe while nothing comes.
        ready!(source.poll_read_ready(context))?;
        let mut filled = self.filled();
        if filled.is_some() {
            return Poll::Ready(Ok(None));
        }
        if IS_REFUSED.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(None));
        }
        let Some(pipe) = Pipe::take() else {
            return Poll::Ready(Ok(None));
        };
        let bytes = match poll_receive(&pipe, (source, most), context) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => bytes,
            Poll::Ready(Err(error)) if is_refusal(&error) => {
                pipe.give_back();
                note_refused(&error);
                return Poll::Ready(Ok(None));
            }
            nothing => {
                pipe.give_back();
                return nothing.map_ok(|_| Some(Bytes::new()));
            }
        };
        *filled = Some(Filled { pipe, bytes });
        self.is_filled.store(true, Ordering::Relaxed);
        let stand_in = STAND_IN.get(..bytes).unwrap_or_default();
        Poll::Ready(Ok(Some(Bytes::from_static(stand_in))))
    }

    /// Sends at most `most` of its bytes. Returns how many.
    pub(crate) fn poll_drain(
        &self,
        context: &mut Context<'_>,
        sink: &TcpStream,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut held = self.filled();
        let Some(mut filled) = held.take() else {
            return Poll::Ready(Err(lost()));
        };
        let sent = poll_send(&filled, (sink, most), context);
        if let Poll::Ready(Ok(bytes)) = &sent {
            filled.bytes = filled.bytes.saturating_sub(*bytes);
        }
        if filled.bytes > 0 {
            *held = Some(filled);
        } else {
            self.is_filled.store(false, Ordering::Relaxed);
            filled.pipe.give_back();
        }
        sent
    }

    fn filled(&self) -> MutexGuard<'_, Option<Filled>> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn poll_receive(
    pipe: &Pipe,
    (source, most): (&TcpStream, u64),
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let most = usize::try_from(most).map_or(PIECE_BYTES_MAX, |most| most.min(PIECE_BYTES_MAX));
    loop {
        ready!(source.poll_read_ready(context))?;
        match source.try_io(Interest::READABLE, || pipe.fill(source, most)) {
            Err(error) if is_passing(&error) => {}
            received => return Poll::Ready(received),
        }
    }
}

fn poll_send(
    filled: &Filled,
    (sink, most): (&TcpStream, usize),
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let most = most.min(filled.bytes);
    loop {
        ready!(sink.poll_write_ready(context))?;
        match sink.try_io(Interest::WRITABLE, || filled.pipe.drain(sink, most)) {
            Err(error) if is_passing(&error) => {}
            sent => return Poll::Ready(sent),
        }
    }
}

/// Takes note of a system that does not know the call, or does not allow it.
fn note_refused(error: &io::Error) {
    if !IS_REFUSED.swap(true, Ordering::Relaxed) {
        tracing::warn!(%error, "the system does not let long answers pass by a pipe: they are read");
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
    )
}

/// What of the slices can be written at once, the pipe being filled.
pub(crate) fn next(slices: &[IoSlice<'_>]) -> Next {
    let mut written = slices.iter().enumerate();
    let found = written.find(|(_, slice)| is_stand_in(slice));
    match found {
        Some((0, slice)) => Next::Piped(slice.len()),
        Some((before, slice)) => {
            let before_it = slices.get(..before).unwrap_or_default();
            if before_it.iter().all(|slice| slice.is_empty()) {
                Next::Piped(slice.len())
            } else {
                Next::Slices(before)
            }
        }
        None => Next::Lost,
    }
}

/// The error of a connection whose next bytes are not to be found.
pub(crate) fn lost() -> io::Error {
    io::Error::other("what stands for a pipe's bytes got lost")
}

fn is_stand_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
