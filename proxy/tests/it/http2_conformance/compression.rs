//! How heads are compressed: RFC 7541.

use super::Expected::{ConnectionEnds, Fine};
use super::{Case, HPACK, WHOLE, get};
use crate::support::frames::{HEADERS, frame};

pub(super) fn cases() -> Vec<Case> {
    let broken = ConnectionEnds(HPACK);
    let request = |more: &[u8]| vec![frame(HEADERS, WHOLE, 1, &[&get(), more].concat())];
    vec![
        (
            "HPACK 2.3.3",
            "an index beyond the tables",
            request(&[0xc6]),
            broken,
        ),
        (
            "HPACK 2.3.3",
            "a name's index beyond the tables",
            request(&[0x0f, 0x7f, 0x01, b'a']),
            broken,
        ),
        (
            "HPACK 4.2",
            "a table's size after a field",
            request(&[0x20]),
            broken,
        ),
        (
            "HPACK 5.2",
            "padding longer than 7 bits",
            request(&[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff,
            ]),
            broken,
        ),
        (
            "HPACK 5.2",
            "padding with zeros",
            request(&[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90,
            ]),
            broken,
        ),
        (
            "HPACK 5.2",
            "the end of a text within it",
            request(&[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x87, 0x49, 0x50, 0x9f, 0xff, 0xff, 0xff,
                0xff,
            ]),
            broken,
        ),
        ("HPACK 6.1", "an index of zero", request(&[0x80]), broken),
        (
            "HPACK 6.3",
            "a table larger than allowed",
            vec![frame(
                HEADERS,
                WHOLE,
                1,
                &[&[0x3f, 0xe2, 0x1f][..], &get()].concat(),
            )],
            broken,
        ),
        (
            "HPACK 6.3",
            "a table that is made smaller first",
            vec![frame(HEADERS, WHOLE, 1, &[&[0x20][..], &get()].concat())],
            Fine,
        ),
    ]
}
