//! HTTP/1.1 to a target (RFC 9112), spoken by the request's own task: nothing else runs between the two.
//!
//! [`request`] writes, [`reader`] and [`body`] read and know nothing of sockets, and [`wire`] has the stream.

mod body;
mod early;
mod fields;
mod reader;
mod request;
mod wire;

use std::error::Error;
use std::io;

use bytes::Bytes;
use http::{Request, Response};

use super::connect::Stream;
use super::connection::Origin;
use super::connections::Room;
use super::request_body::RequestBody;
pub(super) use early::Early;
pub use reader::AnswerReader;
pub(super) use wire::Wire;

/// The most fields of a head, and of trailers.
pub const HEADERS_MAX: usize = 100;
/// The most bytes of a head, and of trailers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most answers before the one that counts (RFC 9110, section 15.2).
const INFORMATIONAL_MAX: usize = 16;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection that carries one request after the other.
#[derive(Debug)]
pub(super) struct Http1 {
    pub(super) wire: Wire<Stream>,
    pub(super) origin: Origin,
    room: Option<Room>,
}

/// Why an answer did not come, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The connection was closed in the middle of an answer, or before one.
    #[error("the connection was closed before the answer had ended")]
    Closed,
    /// Something came that nobody had asked for.
    #[error("the other side spoke before it was asked")]
    Unasked,
    /// What came is no head of an answer.
    #[error("the answer has no head that can be read: {0}")]
    Head(#[from] httparse::Error),
    /// A head or trailers have more bytes or fields than may be.
    #[error("the answer's head has more than {HEAD_BYTES_MAX} bytes or {HEADERS_MAX} fields")]
    HeadTooLarge,
    /// The answer, or what follows it, could be read in another way, too.
    #[error("the answer can be read in two ways")]
    Ambiguous,
    /// A body's chunks are none.
    #[error("the answer's body is not in chunks as it says")]
    Chunk,
    /// There were too many answers that only say that another one comes.
    #[error("no answer came after {INFORMATIONAL_MAX} that announce one")]
    Informational,
    /// The request's body broke off, or is not as long as it was said to be.
    #[error("the request's body can't be sent: {0}")]
    Body(#[source] BoxError),
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nothing of it was sent.
    Unsent(Fault, Box<Request<RequestBody>>),
    /// It was sent, or some of it.
    Failed(Fault),
}

impl Fault {
    /// Whether the connection ended, rather than carried what is no HTTP.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed) && !self.is_tls()
    }

    /// Whether TLS ended it: in TLS 1.3 the other side refuses a client's certificate only after the handshake (RFC
    /// 8446, section 4.4.2.4). A socket never has an error of that kind.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::InvalidData)
    }
}

impl Http1 {
    /// A connection by a stream that carried nothing yet.
    pub(super) fn new(stream: Stream, (origin, room): (Origin, Option<Room>)) -> Box<Self> {
        let wire = Wire::new(stream);
        Box::new(Self { wire, origin, room })
    }

    /// Sends a request, and waits for the head of its answer, whose body comes by the connection.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Box<Self>>, Unanswered> {
        // What closed meanwhile has taken nothing, and what says something unasked is not to be believed.
        if let Err(fault) = self.wire.check() {
            return Err(Unanswered::Unsent(fault, request));
        }
        self.wire.begin(request);
        let head = std::future::poll_fn(|context| self.wire.poll_head(context)).await;
        Ok(head.map_err(Unanswered::Failed)?.map(|()| self))
    }

    /// What the connection is once it is no longer HTTP's: its stream, what was read of it already, and its room.
    pub(super) fn into_parts(self) -> (Stream, Bytes, Option<Room>) {
        let Self { wire, room, .. } = self;
        let (stream, read) = wire.into_parts();
        (stream, read, room)
    }
}

#[cfg(test)]
mod tests;
