//! An answer as it is read, without a socket: RFC 9112, sections 4 to 7.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body::Frame;
use httparse::Status;

use super::body::{Body, Chunk};
use super::fields::{fields_at, places, too_many};
use super::{Fault, HEAD_BYTES_MAX, HEADERS_MAX, INFORMATIONAL_MAX};

/// Reads the answer to one request out of a buffer that grows.
#[derive(Debug)]
pub struct AnswerReader {
    is_head: bool,
    body: Body,
    /// Whether nothing can follow on the connection.
    is_last: bool,
    /// How much of the buffer is known to be no whole head.
    seen: usize,
    announced: usize,
}

impl AnswerReader {
    /// What reads the answer to a request with that method.
    #[must_use]
    pub fn new(method: &Method) -> Self {
        Self {
            is_head: method == Method::HEAD,
            body: Body::Done,
            is_last: false,
            seen: 0,
            announced: 0,
        }
    }

    /// Takes the head out of `buffer`; `None`: more must be read first. Answers that announce another one are passed
    /// over, but for one that makes something else of the connection.
    pub fn head(&mut self, buffer: &mut BytesMut) -> Result<Option<Response<()>>, Fault> {
        loop {
            if !self.may_be_whole(buffer) {
                return Ok(None);
            }
            let Some(response) = parse(buffer)? else {
                self.seen = buffer.len();
                return if buffer.len() > HEAD_BYTES_MAX {
                    Err(Fault::HeadTooLarge)
                } else {
                    Ok(None)
                };
            };
            self.seen = 0;
            let is_announced = response.status().is_informational()
                && response.status() != StatusCode::SWITCHING_PROTOCOLS;
            if !is_announced {
                self.body = body_of(&response, self.is_head)?;
                self.is_last = self.body == Body::UntilClose || ends_connection(&response);
                return Ok(Some(response));
            }
            self.announced += 1;
            if self.announced > INFORMATIONAL_MAX {
                return Err(Fault::Informational);
            }
        }
    }

    /// Whether there is any sense in reading `buffer`: of one that comes byte by byte, each is looked at a few times.
    fn may_be_whole(&self, buffer: &BytesMut) -> bool {
        if buffer.len() >= 2 * self.seen {
            return true;
        }
        let fresh = buffer.get(self.seen.saturating_sub(2)..);
        let fresh = fresh.unwrap_or_default();
        let mut lines = memchr::memchr_iter(b'\n', fresh);
        lines.any(|end| matches!(fresh.get(end + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
    }

    /// Takes what `buffer` has of the body; `None`: more must be read first, unless the answer has ended.
    pub fn frame(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Fault> {
        self.body.take(buffer)
    }

    /// Takes note that so many bytes of the body have passed by another way; no more than are to come.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.body.pass(bytes);
    }

    /// Takes note that nothing more comes: for a body without a length, that is its end.
    pub fn close(&mut self) -> Result<(), Fault> {
        self.is_last = true;
        self.body.close()
    }

    /// Whether the answer has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.body == Body::Done
    }

    /// Whether nothing can follow on the connection.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// How many bytes of the body are to come at least.
    pub(super) fn expected(&self) -> u64 {
        self.body.expected()
    }

    /// How long the body is, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self.body {
            Body::Done => Some(0),
            Body::Length(left) => Some(left),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }
}

fn parse(buffer: &mut BytesMut) -> Result<Option<Response<()>>, Fault> {
    let mut space = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config
        .parse_response_with_uninit_headers(&mut parsed, buffer, &mut space)
        .map_err(too_many)?;
    let Status::Complete(length) = status else {
        return Ok(None);
    };
    if length > HEAD_BYTES_MAX {
        return Err(Fault::HeadTooLarge);
    }
    if has_bare_line_end(buffer.get(..length).unwrap_or_default()) {
        return Err(Fault::Ambiguous);
    }
    let places = places(parsed.headers, buffer);
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(httparse::Error::Status)?;
    let mut response = Response::new(());
    *response.headers_mut() = fields_at(&buffer.split_to(length).freeze(), &places)?;
    *response.status_mut() = status;
    *response.version_mut() = version;
    Ok(Some(response))
}

/// Whether a line ends in LF alone: other readers may find no end there (RFC 9112, section 2.2, leaves both open).
pub(super) fn has_bare_line_end(head: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', head);
    ends.any(|end| end.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'))
}

/// What follows a head (RFC 9112, section 6.3). What could be read in another way is refused: two lengths, a coding
/// that is none of a connection's, and chunks from one who speaks HTTP/1.0.
fn body_of(response: &Response<()>, is_head: bool) -> Result<Body, Fault> {
    let headers = response.headers();
    let length = content_length(headers)?;
    let is_chunked = is_chunked(headers)?;
    if is_chunked && (length.is_some() || response.version() == Version::HTTP_10) {
        return Err(Fault::Ambiguous);
    }
    let has_none = is_head
        || matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS
        );
    Ok(match length {
        _ if has_none => Body::Done,
        _ if is_chunked => Body::Chunked(Chunk::Size),
        Some(0) => Body::Done,
        Some(length) => Body::Length(length),
        None => Body::UntilClose,
    })
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let number = value.to_str().ok().and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if is_number && values.next().is_none() => Ok(Some(number)),
        _ => Err(Fault::Ambiguous),
    }
}

fn is_chunked(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Fault::Ambiguous),
    }
}

/// Whether a head says that its connection ends (RFC 9112, section 9.3).
fn ends_connection(response: &Response<()>) -> bool {
    let says = |wanted: &str| {
        let values = response.headers().get_all(CONNECTION).iter();
        let mut words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    says("close") || (response.version() == Version::HTTP_10 && !says("keep-alive"))
}
