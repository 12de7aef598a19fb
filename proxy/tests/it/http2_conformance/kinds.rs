//! What each kind of frame may hold: section 6 of RFC 9113.

use super::Expected::{ConnectionEnds, Fine, StreamEnds};
use super::{Case, FLOW_CONTROL, LENGTH, PROTOCOL, WHOLE, WINDOW, get, grow, post};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, fields, frame,
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn cases() -> Vec<Case> {
    let open = || frame(HEADERS, END_HEADERS, 1, &post(&[]));
    let largest = i32::MAX.cast_unsigned();
    let padded = |kind, flags, first: u8, payload: &[u8]| {
        frame(kind, flags | PADDED, 1, &[&[first][..], payload].concat())
    };
    let prioritized = [&[0, 0, 0, 3, 16][..], &get()].concat();
    vec![
        (
            "6.1",
            "a body of no stream",
            vec![frame(DATA, 0, 0, b"a")],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.1",
            "padding as long as its body",
            vec![open(), padded(DATA, END_STREAM, 6, b"test!")],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.1",
            "a padded body",
            vec![open(), padded(DATA, END_STREAM, 2, b"test\0\0")],
            Fine,
        ),
        (
            "6.2",
            "a head of no stream",
            vec![frame(HEADERS, WHOLE, 0, &get())],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.2",
            "padding longer than its head",
            vec![padded(HEADERS, WHOLE, 200, &get())],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.2",
            "a padded head",
            vec![padded(HEADERS, WHOLE, 2, &[get(), vec![0, 0]].concat())],
            Fine,
        ),
        (
            "6.2",
            "a head with a priority",
            vec![frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &prioritized)],
            Fine,
        ),
        (
            "6.3",
            "a priority of no stream",
            vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 1])],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.3",
            "a priority that is cut short",
            vec![open(), frame(PRIORITY, 0, 1, &[0, 0, 0, 1])],
            StreamEnds(LENGTH),
        ),
        (
            "6.4",
            "a reset of no stream",
            vec![frame(RST_STREAM, 0, 0, &[0; 4])],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.4",
            "a reset that is cut short",
            vec![open(), frame(RST_STREAM, 0, 1, &[0; 3])],
            ConnectionEnds(LENGTH),
        ),
        (
            "6.5",
            "an acknowledgement that sets something",
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
            ConnectionEnds(LENGTH),
        ),
        (
            "6.5",
            "settings of a stream",
            vec![frame(SETTINGS, 0, 1, &[])],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.5",
            "settings that are cut short",
            vec![frame(SETTINGS, 0, 0, &[0; 3])],
            ConnectionEnds(LENGTH),
        ),
        (
            "6.5.2",
            "a push that is neither on nor off",
            setting(0x2, 2),
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.5.2",
            "a window that is too large",
            setting(0x4, 1 << 31),
            ConnectionEnds(WINDOW),
        ),
        (
            "6.5.2",
            "frames that are too small",
            setting(0x5, 16_383),
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.5.2",
            "frames that are too large",
            setting(0x5, 1 << 24),
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.5.2",
            "a setting that nobody knows",
            setting(0xff, 1),
            Fine,
        ),
        (
            "6.5.3",
            "several settings",
            [setting(0x4, 100), setting(0x4, 200)].concat(),
            Fine,
        ),
        (
            "6.6",
            "a push of a client",
            vec![
                open(),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2][..], &get()].concat(),
                ),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.7",
            "an answer that nobody asked for",
            vec![frame(PING, ACK, 0, b"12345678")],
            Fine,
        ),
        (
            "6.7",
            "a ping of a stream",
            vec![frame(PING, 0, 1, b"12345678")],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.7",
            "a ping that is cut short",
            vec![frame(PING, 0, 0, b"123456")],
            ConnectionEnds(LENGTH),
        ),
        (
            "6.8",
            "a farewell of a stream",
            vec![frame(GOAWAY, 0, 1, &[0; 8])],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.9",
            "a window that grows by nothing",
            vec![grow(0, 0)],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.9",
            "a stream's window that grows by nothing",
            vec![open(), grow(1, 0)],
            StreamEnds(&[PROTOCOL]),
        ),
        (
            "6.9",
            "a window that is cut short",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            ConnectionEnds(LENGTH),
        ),
        (
            "6.9.1",
            "a window beyond what it may be",
            vec![grow(0, largest), grow(0, largest)],
            ConnectionEnds(&[FLOW_CONTROL]),
        ),
        (
            "6.9.1",
            "a stream's window beyond what it may be",
            vec![open(), grow(1, largest), grow(1, largest)],
            StreamEnds(&[FLOW_CONTROL]),
        ),
        (
            "6.10",
            "a head in three parts",
            vec![
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(CONTINUATION, 0, 1, &fields(&[("a", "b")])),
                frame(CONTINUATION, END_HEADERS, 1, &fields(&[("c", "d")])),
            ],
            Fine,
        ),
        (
            "6.10",
            "a continuation of a whole head",
            vec![
                frame(HEADERS, END_HEADERS, 1, &post(&[])),
                frame(CONTINUATION, END_HEADERS, 1, &fields(&[("a", "b")])),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.10",
            "a continuation of no stream",
            vec![
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(CONTINUATION, END_HEADERS, 0, &fields(&[("a", "b")])),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "6.10",
            "a body within a head",
            vec![
                frame(HEADERS, 0, 1, &post(&[])),
                frame(DATA, END_STREAM, 1, b"a"),
            ],
            ConnectionEnds(&[PROTOCOL]),
        ),
        (
            "7",
            "a reset for an unknown reason",
            vec![open(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xff])],
            Fine,
        ),
    ]
}

fn setting(id: u16, value: u32) -> Vec<Vec<u8>> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    vec![frame(SETTINGS, 0, 0, &payload)]
}
