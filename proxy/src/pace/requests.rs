//! Follows requests of HTTP/1.1 (RFC 9112) through the bytes of a connection, for what hyper takes and does not show.
//!
//! It reads no more than it must to know where each head begins and ends; whether the rest is well-formed is hyper's to
//! say. Where it can't follow any more, hyper refuses what came, too.

use memchr::memchr;

use crate::filter::Fault;

/// So much of a line is kept while its rest is to come: the fields that matter are shorter.
const LINE_KEPT_BYTES_MAX: usize = 128;

const CHUNK_DIGITS_MAX: usize = 32;

/// The requests that came so far.
#[derive(Debug)]
pub struct Requests {
    part: Part,
    /// The beginning of a line whose end is to come.
    line: Vec<u8>,
    /// How many heads ended.
    heads: u32,
    head: Head,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    RequestLine,
    Fields,
    /// So many bytes of a body of a known length.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Whatever it is, no other request is served after it.
    Lost,
}

/// What a head says of the body that follows.
#[derive(Debug, Default, Clone, Copy)]
struct Head {
    length: Option<u64>,
    is_chunked: bool,
}

/// A head that hyper takes and nobody should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// How many requests came before it.
    pub request: u32,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            part: Part::RequestLine,
            line: Vec::new(),
            heads: 0,
            head: Head::default(),
        }
    }
}

impl Requests {
    /// Takes what came. A flaw is told once; what follows it is not looked at.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Option<Flaw> {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Lost => return None,
                Part::Body(left) => {
                    bytes = skip(left, bytes);
                    if *left == 0 {
                        self.part = Part::RequestLine;
                    }
                }
                Part::Chunk(left) => {
                    bytes = skip(left, bytes);
                    if *left == 0 {
                        self.part = Part::ChunkEnd;
                    }
                }
                _ => match self.take_line(&mut bytes) {
                    Ok(()) => {}
                    Err(fault) => return Some(self.lose(fault)),
                },
            }
        }
        None
    }

    /// What comes from here on can't be followed. Where hyper goes on all the same, the next request is refused.
    fn lose(&mut self, fault: Option<Fault>) -> Flaw {
        let is_in_head = matches!(self.part, Part::RequestLine | Part::Fields);
        let next = u32::from(is_in_head && fault.is_none());
        self.part = Part::Lost;
        Flaw {
            request: self.heads.wrapping_add(next),
            fault: fault.unwrap_or(Fault::FramingAmbiguous),
        }
    }

    /// Whether nothing of a request came that is not complete.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.part == Part::RequestLine && self.line.is_empty()
    }

    /// Whether a head began and did not end.
    pub(super) fn is_in_head(&self) -> bool {
        match self.part {
            Part::RequestLine => !self.line.is_empty(),
            Part::Fields => true,
            _ => false,
        }
    }

    /// Takes a line, or as much of it as is there.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<(), Option<Fault>> {
        let end = memchr(b'\n', bytes);
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        *bytes = rest.get(1..).unwrap_or_default();
        if self.part == Part::RequestLine && memchr(b'#', part).is_some() {
            return Err(Some(Fault::TargetFragment));
        }
        if end.is_some() && self.line.is_empty() {
            return self.end_line(part);
        }
        self.keep(part);
        if end.is_none() {
            return Ok(());
        }
        let mut line = std::mem::take(&mut self.line);
        let result = self.end_line(&line);
        line.clear();
        self.line = line;
        result
    }

    /// Keeps the beginning of a line, and its last byte.
    fn keep(&mut self, part: &[u8]) {
        let room = LINE_KEPT_BYTES_MAX.saturating_sub(self.line.len());
        self.line
            .extend_from_slice(part.get(..room).unwrap_or(part));
        if part.len() > room
            && let (Some(kept), Some(last)) = (self.line.last_mut(), part.last())
        {
            *kept = *last;
        }
    }

    /// Takes a line that is complete but for its LF. `None` of a fault: hyper refuses it, too.
    fn end_line(&mut self, line: &[u8]) -> Result<(), Option<Fault>> {
        let is_head = matches!(self.part, Part::RequestLine | Part::Fields);
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(is_head.then_some(Fault::LineFeedBare));
        };
        self.part = match self.part {
            // RFC 9112, section 2.2: empty lines before a request are skipped.
            Part::RequestLine | Part::Trailers if line.is_empty() => Part::RequestLine,
            Part::RequestLine => Part::Fields,
            Part::Fields if line.is_empty() => self.end_head(),
            Part::Fields => {
                self.head.read(line)?;
                Part::Fields
            }
            Part::ChunkSize => chunk(line).ok_or(None)?,
            Part::ChunkEnd if line.is_empty() => Part::ChunkSize,
            Part::Trailers => Part::Trailers,
            _ => return Err(None),
        };
        Ok(())
    }

    /// RFC 9112, section 6.3.
    fn end_head(&mut self) -> Part {
        self.heads = self.heads.wrapping_add(1);
        match std::mem::take(&mut self.head) {
            Head {
                is_chunked: true, ..
            } => Part::ChunkSize,
            Head {
                length: Some(length),
                ..
            } if length > 0 => Part::Body(length),
            _ => Part::RequestLine,
        }
    }
}

impl Head {
    /// Reads a field, if it tells where the body ends.
    fn read(&mut self, line: &[u8]) -> Result<(), Option<Fault>> {
        let is_long = line.len() + 1 >= LINE_KEPT_BYTES_MAX;
        let Some(colon) = memchr(b':', line) else {
            // It may stand in what was not kept: the name is longer than those that matter.
            return if is_long { Ok(()) } else { Err(None) };
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_coding = name.eq_ignore_ascii_case(b"transfer-encoding");
        if (is_length || is_coding) && is_long {
            // Nobody needs so much room for it, and not all of it is here.
            return Err(Some(Fault::FramingAmbiguous));
        }
        if is_length {
            let length = std::str::from_utf8(value).ok();
            // What is no number, and a second one, are seen by everybody.
            let length = length.and_then(|length| length.parse().ok()).ok_or(None)?;
            if self.length.replace(length).is_some() {
                return Err(None);
            }
        } else if is_coding {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(None);
            }
            self.is_chunked = true;
        }
        if self.is_chunked && self.length.is_some() {
            return Err(Some(Fault::FramingAmbiguous));
        }
        Ok(())
    }
}

/// RFC 9112, section 7.1.
fn chunk(line: &[u8]) -> Option<Part> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    // More than a number of 64 bits needs, and so within what is kept of a line.
    let digits = line.get(..digits.count().min(CHUNK_DIGITS_MAX + 1))?;
    if digits.len() > CHUNK_DIGITS_MAX {
        return None;
    }
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some(match size {
        0 => Part::Trailers,
        _ => Part::Chunk(size),
    })
}

/// Leaves out what is left of a body. Returns what follows it.
fn skip<'b>(left: &mut u64, bytes: &'b [u8]) -> &'b [u8] {
    let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= u64::try_from(taken).unwrap_or(*left);
    bytes.get(taken..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flaw(bytes: &str) -> Option<(u32, Fault)> {
        let flaw = Requests::default().follow(bytes.as_bytes());
        flaw.map(|flaw| (flaw.request, flaw.fault))
    }

    #[test]
    fn a_head_that_two_servers_could_read_differently_is_told_with_its_number() {
        let both = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        let fragment = "GET /a#b HTTP/1.1\r\n\r\n";
        let bare = "GET / HTTP/1.1\r\nHost: a\n\r\n";
        let padded = format!("POST / HTTP/1.1\r\nContent-Length:{:200}1\r\n\r\na", "");
        for (head, fault) in [
            (both, Fault::FramingAmbiguous),
            (fragment, Fault::TargetFragment),
            (bare, Fault::LineFeedBare),
            (padded.as_str(), Fault::FramingAmbiguous),
        ] {
            assert_eq!(flaw(head), Some((0, fault)), "{head:?}");
            for before in [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "POST / HTTP/1.1\r\ncontent-length:  4\r\n\r\n#\n\n#",
                "\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\n#\n\r\n0\r\nA: #\r\n\r\n",
            ] {
                assert_eq!(flaw(before), None, "{before:?}");
                assert_eq!(
                    flaw(&format!("{before}{head}")),
                    Some((1, fault)),
                    "{before:?}"
                );
            }
        }
    }

    #[test]
    fn whatever_hyper_refuses_is_followed_no_further() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        ] {
            let mut requests = Requests::default();
            let flaw = requests.follow(head.as_bytes()).unwrap();
            assert_eq!(flaw.request, 1, "{head:?}: the next one is refused");
            assert_eq!(requests.part, Part::Lost, "{head:?}");
        }
    }

    #[test]
    fn a_connection_is_between_requests_when_the_last_byte_of_one_came() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let mut requests = Requests::default();
        for (number, byte) in request.iter().enumerate() {
            requests.follow(&[*byte]);
            let is_last = number + 1 == request.len();
            assert_eq!(requests.is_between(), is_last, "{number}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_is_seen(
            words in prop::collection::vec(prop::sample::select(vec![
                "GET / HTTP/1.1", "POST /#", "\r\n", "\n", "Content-Length: 3", "Transfer-Encoding: chunked",
                "abc", "3", "0", "\r", ":", "\r\n\r\n",
            ]), 0..40),
            sizes in prop::collection::vec(1_usize..9, 1..50),
        ) {
            let bytes = words.concat().into_bytes();
            let mut whole = Requests::default();
            let expected = whole.follow(&bytes);
            let mut cut = Requests::default();
            let (mut rest, mut found) = (&bytes[..], None);
            for size in sizes.iter().cycle() {
                let (part, others) = rest.split_at((*size).min(rest.len()));
                found = found.or(cut.follow(part));
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }

            prop_assert_eq!(found, expected);
            prop_assert_eq!((cut.part, cut.heads), (whole.part, whole.heads));
        }
    }
}
