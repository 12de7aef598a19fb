//! A request as it is written.

use std::io::Write as _;

use bytes::{BufMut as _, BytesMut};
use http::Request;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body as _;

use super::super::request_body::RequestBody;

/// How a body is told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, up to an empty one.
    Chunked,
}

impl Framing {
    pub(super) fn of(body: &RequestBody) -> Self {
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Self::None,
            Some(length) => Self::Length(length),
            None => Self::Chunked,
        }
    }
}

/// Writes a head. What it says of its body's length is what `framing` says, whatever the fields do.
pub(super) fn write_head(buffer: &mut BytesMut, head: &Request<RequestBody>, framing: Framing) {
    buffer.put_slice(head.method().as_str().as_bytes());
    buffer.put_u8(b' ');
    let path = head.uri().path_and_query();
    buffer.put_slice(path.map_or("/", |path| path.as_str()).as_bytes());
    buffer.put_slice(b" HTTP/1.1\r\n");
    let mut said_length = false;
    for (name, value) in head.headers() {
        if name == CONTENT_LENGTH {
            said_length = true;
        } else if name != TRANSFER_ENCODING {
            put_field(buffer, name.as_str(), value.as_bytes());
        }
    }
    match framing {
        Framing::None if said_length => put_field(buffer, "content-length", b"0"),
        Framing::None => {}
        Framing::Length(length) => {
            let mut digits = itoa::Buffer::new();
            put_field(buffer, "content-length", digits.format(length).as_bytes());
        }
        Framing::Chunked => put_field(buffer, "transfer-encoding", b"chunked"),
    }
    buffer.put_slice(b"\r\n");
}

/// Writes what precedes a chunk.
pub(super) fn write_chunk_size(buffer: &mut BytesMut, length: usize) {
    // A buffer that grows takes everything.
    let _ = write!(buffer.writer(), "{length:x}\r\n");
}

/// One for all, and never inlined: the processor waits for code that it runs through once.
#[inline(never)]
fn put_field(buffer: &mut BytesMut, name: &str, value: &[u8]) {
    buffer.reserve(name.len() + value.len() + 4);
    buffer.put_slice(name.as_bytes());
    buffer.put_slice(b": ");
    buffer.put_slice(value);
    buffer.put_slice(b"\r\n");
}
