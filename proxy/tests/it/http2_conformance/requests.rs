//! What is a request: section 8 of RFC 9113.

use super::Expected::{Fine, StreamEnds};
use super::{Case, PROTOCOL, WHOLE, get, post};
use crate::support::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, fields, frame};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn cases() -> Vec<Case> {
    let body = |length, parts: &[&[u8]]| {
        let mut frames = vec![frame(
            HEADERS,
            END_HEADERS,
            1,
            &post(&[("content-length", length)]),
        )];
        for (index, part) in parts.iter().enumerate() {
            let flags = if index + 1 == parts.len() {
                END_STREAM
            } else {
                0
            };
            frames.push(frame(DATA, flags, 1, part));
        }
        frames
    };
    let trailers = |flags, trailers: &[(&str, &str)]| {
        vec![
            frame(HEADERS, END_HEADERS, 1, &post(&[])),
            frame(DATA, 0, 1, b"a"),
            frame(HEADERS, flags, 1, &fields(trailers)),
        ]
    };
    let malformed = StreamEnds(&[PROTOCOL]);
    vec![
        (
            "8.1",
            "a second head that ends nothing",
            trailers(END_HEADERS, &[("a", "b")]),
            malformed,
        ),
        ("8.1", "trailers", trailers(WHOLE, &[("a", "b")]), Fine),
        (
            "8.2",
            "a name in capital letters",
            with(&[("X-TEST", "a")]),
            malformed,
        ),
        (
            "8.2.1",
            "a name with a space",
            with(&[("x test", "a")]),
            malformed,
        ),
        (
            "8.2.1",
            "a value with a line break",
            with(&[("x", "a\r\nb: c")]),
            malformed,
        ),
        (
            "8.2.1",
            "a value with a zero",
            with(&[("x", "a\0b")]),
            malformed,
        ),
        (
            "8.2.2",
            "a field of one connection",
            with(&[("connection", "keep-alive")]),
            malformed,
        ),
        (
            "8.2.2",
            "a coding of one connection",
            with(&[("transfer-encoding", "chunked")]),
            malformed,
        ),
        (
            "8.2.2",
            "an upgrade",
            with(&[("upgrade", "websocket")]),
            malformed,
        ),
        (
            "8.2.2",
            "codings other than trailers",
            with(&[("te", "trailers, deflate")]),
            malformed,
        ),
        (
            "8.2.2",
            "trailers are welcome",
            with(&[("te", "trailers")]),
            Fine,
        ),
        (
            "8.3",
            "a pseudo field that nobody knows",
            with(&[(":test", "a")]),
            malformed,
        ),
        (
            "8.3",
            "a pseudo field of answers",
            with(&[(":status", "200")]),
            malformed,
        ),
        (
            "8.3",
            "a pseudo field among trailers, which all end at the proxy",
            trailers(WHOLE, &[(":method", "GET")]),
            Fine,
        ),
        (
            "8.3",
            "a pseudo field after another one",
            head(&[
                (":method", "GET"),
                (":scheme", "http"),
                ("a", "b"),
                (":path", "/"),
                (":authority", "a"),
            ]),
            malformed,
        ),
        (
            "8.3.1",
            "no path",
            head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
            malformed,
        ),
        (
            "8.3.1",
            "an empty path",
            head(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", ""),
                (":authority", "a"),
            ]),
            malformed,
        ),
        (
            "8.3.1",
            "no method",
            head(&[(":scheme", "http"), (":path", "/"), (":authority", "a")]),
            malformed,
        ),
        (
            "8.3.1",
            "no scheme",
            head(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
            malformed,
        ),
        (
            "8.3.1",
            "two methods",
            with(&[(":method", "GET")]),
            malformed,
        ),
        (
            "8.3.1",
            "two schemes",
            with(&[(":scheme", "http")]),
            malformed,
        ),
        ("8.3.1", "two paths", with(&[(":path", "/")]), malformed),
        (
            "8.3.1",
            "a host other than the authority",
            with(&[("host", "b")]),
            malformed,
        ),
        (
            "8.1.1",
            "less than the declared length",
            body("2", &[b"a"]),
            malformed,
        ),
        (
            "8.1.1",
            "more than the declared length",
            body("1", &[b"a", b"b"]),
            malformed,
        ),
        (
            "8.1.1",
            "two lengths",
            {
                let mut frames = body("1", &[b"a"]);
                frames[0] = frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &post(&[("content-length", "1"), ("content-length", "2")]),
                );
                frames
            },
            malformed,
        ),
        (
            "8.1.1",
            "no number as a length",
            body("a", &[b"a"]),
            malformed,
        ),
    ]
}

fn with(more: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let head = [get(), fields(more)].concat();
    vec![frame(HEADERS, WHOLE, 1, &head)]
}

fn head(all: &[(&str, &str)]) -> Vec<Vec<u8>> {
    vec![frame(HEADERS, WHOLE, 1, &fields(all))]
}
