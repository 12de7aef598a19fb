//! What is too much.

use std::thread;

use tollgate_conditions::{EXPRESSION_DEPTH_MAX, VALUE_BYTES_MAX};

use crate::{Request, read};

/// What threads have that read documents.
const STACK_BYTES: usize = 2 * 1024 * 1024;

#[test]
fn no_text_exhausts_the_stack() {
    let nested = |open: &str, middle: &str, close: &str| {
        let most = 4_096 / (open.len() + close.len()) - middle.len();
        let count = if open.contains(['(', '[', '{']) {
            most.min(32)
        } else {
            most
        };
        format!("{}{middle}{}", open.repeat(count), close.repeat(count))
    };
    let texts = [
        nested("true&&", "true", ""),
        nested("", "true", "||true"),
        nested("if true then true else ", "true", ""),
        nested("if ", "true", " then true else true"),
        nested("", "context.claims", ".a"),
        nested("", "1", "+1") + "==1",
        nested("(", "true", ")"),
        nested("[", "1", "]") + "==1",
        nested("{a:", "1", "}") + "==1",
        nested("", "context has claims", ".a"),
        "!".repeat(4_000) + "true",
        "-".repeat(4_000) + "1 == 1",
    ];
    let reader = thread::Builder::new().stack_size(STACK_BYTES);
    let read_all = move || {
        texts
            .iter()
            .map(|text| read(text).is_ok())
            .collect::<Vec<_>>()
    };
    let taken = reader.spawn(read_all).unwrap().join().unwrap();

    assert!(taken.iter().filter(|is_taken| **is_taken).count() >= 1);
}

#[test]
fn a_chain_has_as_many_links_as_are_allowed() {
    let chain = |links: usize| vec!["context.hour>1"; links].join("&&");

    assert_eq!(Request::default().meets(&chain(50)), Ok(true));
    let deep = vec!["true"; EXPRESSION_DEPTH_MAX + 10].join("&&");
    let problem = read(&deep).unwrap_err();
    assert!(problem.contains("at most 64 deep"), "{problem}");
}

#[test]
fn a_header_that_is_too_long_makes_a_condition_unmet() {
    let text =
        "if context.headers has \"x-env\" then context.headers[\"x-env\"] != \"test\" else true";
    let with = |bytes: usize| {
        let value = "a".repeat(bytes).into_bytes();
        Request::with_headers(&[("x-env", &value)]).meets(text)
    };

    assert_eq!(with(VALUE_BYTES_MAX), Ok(true));
    assert!(
        with(VALUE_BYTES_MAX + 1)
            .unwrap_err()
            .contains("8192 bytes")
    );
}
