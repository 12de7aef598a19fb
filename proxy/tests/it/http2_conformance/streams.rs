//! Frames and streams: sections 4 and 5 of RFC 9113.

use super::Expected::{ConnectionEnds, Fine, StreamEnds};
use super::{CLOSED, Case, ENDED, FRAME_SIZE, HPACK, PROTOCOL, REFUSED, WHOLE, get, grow, post};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, frame,
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn cases() -> Vec<Case> {
    let open = || frame(HEADERS, END_HEADERS, 1, &post(&[]));
    let request = |stream| frame(HEADERS, WHOLE, stream, &get());
    let reset = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    vec![
        (
            "4.1",
            "a frame of an unknown kind",
            vec![frame(0x16, 0, 0, b"12345678")],
            Fine,
        ),
        (
            "4.1",
            "flags that mean nothing",
            vec![frame(PING, 0x16, 0, b"12345678")],
            Fine,
        ),
        (
            "4.1",
            "a reserved bit",
            vec![frame(PING, 0, 1 << 31, b"12345678")],
            Fine,
        ),
        (
            "4.2",
            "a body larger than the largest frame",
            vec![open(), frame(DATA, 0, 1, &[0; 16_385])],
            StreamEnds(&[FRAME_SIZE]),
        ),
        (
            "4.2",
            "a head larger than the largest frame",
            vec![frame(HEADERS, WHOLE, 1, &[0; 16_385])],
            ConnectionEnds(&[FRAME_SIZE]),
        ),
        (
            "4.3",
            "a head that is no HPACK",
            vec![frame(HEADERS, WHOLE, 1, &[0xff; 4])],
            ConnectionEnds(HPACK),
        ),
        (
            "4.3",
            "another stream's frame within a head",
            vec![
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "4.3",
            "another stream's head within a head",
            vec![frame(HEADERS, END_STREAM, 1, &get()), request(3)],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "5.1",
            "a body of a stream that never began",
            vec![frame(DATA, END_STREAM, 1, b"a")],
            ConnectionEnds(&[PROTOCOL, CLOSED]),
        ),
        (
            "5.1",
            "a reset of a stream that never began",
            vec![reset(1)],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "5.1",
            "a window of a stream that never began",
            vec![grow(1, 100)],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "5.1",
            "a continuation of nothing",
            vec![frame(CONTINUATION, END_HEADERS, 1, &get())],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "5.1",
            "a body after the end of its stream",
            vec![request(1), frame(DATA, END_STREAM, 1, b"a")],
            StreamEnds(ENDED),
        ),
        (
            "5.1",
            "a head after the end of its stream",
            vec![request(1), request(1)],
            StreamEnds(&[CLOSED, PROTOCOL]),
        ),
        (
            "5.1",
            "a continuation after the end of its stream",
            vec![request(1), frame(CONTINUATION, END_HEADERS, 1, &get())],
            ConnectionEnds(&[CLOSED, PROTOCOL]),
        ),
        (
            "5.1",
            "a body after a reset",
            vec![open(), reset(1), frame(DATA, END_STREAM, 1, b"a")],
            StreamEnds(&[CLOSED]),
        ),
        (
            "5.1",
            "a head after a reset",
            vec![open(), reset(1), request(1)],
            StreamEnds(&[CLOSED, PROTOCOL]),
        ),
        (
            "5.1.1",
            "a stream of an even number",
            vec![request(2)],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "5.1.1",
            "a stream before the last one",
            vec![request(5), request(3)],
            ConnectionEnds(&[PROTOCOL, CLOSED]),
        ),
        (
            "5.1.2",
            "more streams than are allowed",
            (0..200)
                .map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &post(&[])))
                .collect(),
            StreamEnds(&[PROTOCOL, REFUSED]),
        ),
        (
            "5.3.2",
            "a priority of a stream that never began",
            vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])],
            Fine,
        ),
        (
            "5.5",
            "a frame of an unknown kind within a head",
            vec![
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(0x16, 0, 0, b"12345678"),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
    ]
}
