//! Counts frames of HTTP/2 (RFC 9113, section 4.1) that keep the proxy busy and get nobody anywhere.
//!
//! h2 bounds requests that are taken back, empty bodies and heads without an end; it takes as many PING, SETTINGS,
//! PRIORITY and `RST_STREAM` of what has ended as come.

use std::time::Duration;

use tokio::time::Instant;

/// The most frames without a request or a byte of a body among them, within [`WINDOW`].
const FRAMES_MAX: u32 = 1_000;
/// Clients that only keep an idle connection alive send fewer.
const WINDOW: Duration = Duration::from_secs(10);
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const GOAWAY: u8 = 0x7;
const CONTINUATION: u8 = 0x9;
const CALM: u8 = 0xb;
const END_HEADERS: u8 = 0x4;
/// The highest bit is reserved.
const STREAM_MASK: u32 = 0x7fff_ffff;

/// The frames that a client sent, as far as they were counted.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface or of a payload that are still to come.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_len: usize,
    count: u32,
    /// What had been got to when the counting began, and when that was.
    progress: u32,
    since: Instant,
    /// The last stream that a request began.
    last_stream: u32,
    /// Whether a head began whose end is to come.
    is_in_head: bool,
}

/// More frames than anybody needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flood;

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_len: 0,
            count: 0,
            progress: 0,
            since: now,
            last_stream: 0,
            is_in_head: false,
        }
    }

    /// Leaves out what was taken before: `seen` bytes of the preface.
    pub(super) fn skip(&mut self, seen: usize) {
        self.skip = self.skip.saturating_sub(seen);
    }

    /// GOAWAY with `ENHANCE_YOUR_CALM` (RFC 9113, sections 6.8 and 7).
    pub(super) fn goodbye(&self) -> [u8; 17] {
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, CALM]
    }

    /// Whether the head of a request began and did not end.
    pub(super) fn is_in_head(&self) -> bool {
        self.is_in_head
    }

    /// Takes what came. Returns whether something of a body was among it.
    pub(super) fn scan(&mut self, mut bytes: &[u8], progress: u32) -> Result<bool, Flood> {
        let mut has_data = false;
        while !bytes.is_empty() {
            let (skipped, rest) = bytes.split_at(self.skip.min(bytes.len()));
            self.skip -= skipped.len();
            let wanted = HEAD_BYTES - self.head_len;
            let (part, rest) = rest.split_at(wanted.min(rest.len()));
            if let Some(place) = self.head.get_mut(self.head_len..self.head_len + part.len()) {
                place.copy_from_slice(part);
            }
            self.head_len += part.len();
            bytes = rest;
            if self.head_len == HEAD_BYTES {
                self.head_len = 0;
                has_data |= self.frame(progress)?;
            }
        }
        Ok(has_data)
    }

    /// Takes a frame whose head is complete.
    fn frame(&mut self, progress: u32) -> Result<bool, Flood> {
        let [high, middle, low, kind, flags, stream @ ..] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        match kind {
            DATA => return Ok(length > 0),
            HEADERS => {
                self.is_in_head = flags & END_HEADERS == 0;
                let stream = u32::from_be_bytes(stream) & STREAM_MASK;
                self.last_stream = self.last_stream.max(stream);
                return Ok(false);
            }
            CONTINUATION => {
                self.is_in_head &= flags & END_HEADERS == 0;
                return Ok(false);
            }
            _ => {}
        }
        self.count += 1;
        if self.count < FRAMES_MAX {
            return Ok(false);
        }
        let now = Instant::now();
        if self.progress == progress && now.duration_since(self.since) < WINDOW {
            return Err(Flood);
        }
        self.count = 0;
        self.progress = progress;
        self.since = now;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 0x6;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 0]);
        frame.resize(HEAD_BYTES + payload, 0xff);
        frame
    }

    fn stream(frames: &[(u8, usize)]) -> Vec<u8> {
        let mut bytes = vec![0; PREFACE_BYTES];
        for (kind, payload) in frames {
            bytes.extend(frame(*kind, *payload));
        }
        bytes
    }

    #[test]
    fn frames_that_lead_nowhere_are_a_flood_and_those_of_requests_are_not() {
        for (kind, is_flood) in [
            (PING, true),
            (0x2, true),
            (0x3, true),
            (0x4, true),
            (DATA, false),
            (HEADERS, false),
        ] {
            let mut frames = Frames::new(Instant::now());
            let result = frames.scan(&stream(&vec![(kind, 8); 2_000]), 0);
            assert_eq!(result.is_err(), is_flood, "{kind}");
        }
    }

    #[test]
    fn what_gets_somewhere_starts_the_count_anew() {
        let mut frames = Frames::new(Instant::now());
        frames.scan(&stream(&[]), 0).unwrap();
        for progress in 0..10 {
            let pings = frame(PING, 8).repeat(900);
            assert_eq!(frames.scan(&pings, progress), Ok(false));
        }
    }

    #[test]
    fn empty_data_is_no_data() {
        let mut frames = Frames::new(Instant::now());

        assert_eq!(frames.scan(&stream(&[(DATA, 0)]), 0), Ok(false));
        assert_eq!(frames.scan(&frame(DATA, 1), 0), Ok(true));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_frames_are_seen(
            sizes in prop::collection::vec(1_usize..40, 1..200),
            kinds in prop::collection::vec((0_u8..12, 0_usize..50), 0..100),
        ) {
            let bytes = stream(&kinds);
            let mut whole = Frames::new(Instant::now());
            let mut cut = Frames::new(Instant::now());
            let expected = whole.scan(&bytes, 0);
            let (mut rest, mut has_data) = (&bytes[..], false);
            for size in sizes.iter().cycle() {
                let (part, others) = rest.split_at((*size).min(rest.len()));
                has_data |= cut.scan(part, 0).unwrap();
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }

            prop_assert_eq!(Ok(has_data), expected);
            prop_assert_eq!((cut.count, cut.skip, cut.head_len), (whole.count, whole.skip, whole.head_len));
        }
    }
}
