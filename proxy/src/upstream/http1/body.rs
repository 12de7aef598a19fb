//! The body of an answer as it comes (RFC 9112, sections 6 and 7).

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use httparse::Status;

use super::fields::{fields_at, places, too_many};
use super::reader::has_bare_line_end;
use super::{Fault, HEAD_BYTES_MAX, HEADERS_MAX};

/// The most bytes of the line that says how long a chunk is, extensions included.
const SIZE_LINE_BYTES_MAX: usize = 4 * 1024;
/// As many as a number of 64 bits has.
const SIZE_DIGITS_MAX: usize = 16;

/// Where a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// All that comes until the connection ends.
    UntilClose,
    /// At its end.
    Done,
}

/// Where a body in chunks is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a line that says how long one is.
    Size,
    /// So many bytes before the end of one.
    Data(u64),
    /// Before the end of line that ends one.
    End,
    /// Before what follows the last one.
    Trailers,
}

impl Body {
    /// Takes what `buffer` has of it; `None`: nothing more, until more is read, if it has not ended.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Fault> {
        match self {
            Self::Done => Ok(None),
            Self::UntilClose => {
                Ok((!buffer.is_empty()).then(|| Frame::data(buffer.split().freeze())))
            }
            Self::Length(left) => {
                let data = take_data(left, buffer);
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(data)
            }
            Self::Chunked(_) => self.take_of_chunks(buffer),
        }
    }

    fn take_of_chunks(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Fault> {
        while let Self::Chunked(chunk) = self {
            match chunk {
                Chunk::Size => match take_size(buffer)? {
                    None => return Ok(None),
                    Some(0) => *chunk = Chunk::Trailers,
                    Some(size) => *chunk = Chunk::Data(size),
                },
                Chunk::Data(left) => {
                    let data = take_data(left, buffer);
                    if *left == 0 {
                        *chunk = Chunk::End;
                    }
                    return Ok(data);
                }
                Chunk::End => match buffer.get(..2) {
                    None if buffer.first().is_none_or(|byte| *byte == b'\r') => return Ok(None),
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        *chunk = Chunk::Size;
                    }
                    _ => return Err(Fault::Chunk),
                },
                Chunk::Trailers => {
                    let Some(trailers) = take_trailers(buffer)? else {
                        return Ok(None);
                    };
                    *self = Self::Done;
                    return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
                }
            }
        }
        Ok(None)
    }

    /// Takes note that so many bytes passed by another way.
    pub(super) fn pass(&mut self, bytes: usize) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
            if *left == 0 {
                *self = Self::Done;
            }
        }
    }

    /// Takes note that nothing more comes.
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        match self {
            Self::Done => Ok(()),
            Self::UntilClose => {
                *self = Self::Done;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Fault::Closed),
        }
    }

    /// How many bytes are to come at least.
    pub(super) fn expected(&self) -> u64 {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => *left,
            Self::Chunked(_) | Self::UntilClose | Self::Done => 0,
        }
    }
}

/// Takes at most `left` bytes, and counts them.
fn take_data(left: &mut u64, buffer: &mut BytesMut) -> Option<Frame<Bytes>> {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let length = buffer.len().min(most);
    *left -= u64::try_from(length).unwrap_or(*left);
    (length > 0).then(|| Frame::data(buffer.split_to(length).freeze()))
}

/// How long the next chunk is.
fn take_size(buffer: &mut BytesMut) -> Result<Option<u64>, Fault> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        if buffer.len() > SIZE_LINE_BYTES_MAX {
            return Err(Fault::Chunk);
        }
        return Ok(None);
    };
    let line = buffer.split_to(end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or(Fault::Chunk)?;
    if line.len() > SIZE_LINE_BYTES_MAX || line.contains(&b'\r') {
        return Err(Fault::Chunk);
    }
    let length = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, extensions) = line.split_at(length);
    // Blanks are bad, and known (RFC 9112, section 7.1.1).
    let extensions = extensions.trim_ascii_start();
    if length == 0 || length > SIZE_DIGITS_MAX || !matches!(extensions.first(), None | Some(b';')) {
        return Err(Fault::Chunk);
    }
    let digits = str::from_utf8(digits).map_err(|_| Fault::Chunk)?;
    let size = u64::from_str_radix(digits, 16).map_err(|_| Fault::Chunk)?;
    Ok(Some(size))
}

/// The fields after the last chunk, up to an empty line.
fn take_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, Fault> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut space = [httparse::EMPTY_HEADER; HEADERS_MAX];
    match httparse::parse_headers(buffer, &mut space).map_err(too_many)? {
        Status::Partial if buffer.len() > HEAD_BYTES_MAX => Err(Fault::HeadTooLarge),
        Status::Partial => Ok(None),
        Status::Complete((length, _)) if length > HEAD_BYTES_MAX => Err(Fault::HeadTooLarge),
        Status::Complete((length, _))
            if has_bare_line_end(buffer.get(..length).unwrap_or_default()) =>
        {
            Err(Fault::Ambiguous)
        }
        Status::Complete((length, fields)) => {
            let places = places(fields, buffer);
            fields_at(&buffer.split_to(length).freeze(), &places).map(Some)
        }
    }
}
