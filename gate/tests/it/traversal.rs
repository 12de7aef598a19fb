//! Paths that try to leave a grant, read as the most careless upstream would.

use std::path::{Path, PathBuf};

use http::{Method, Uri};
use percent_encoding::percent_decode;
use proptest::prelude::*;
use serde_json::json;
use tollgate_gate::{Snapshot, Target};

use crate::documents::*;

struct World {
    snapshot: Snapshot,
    acme: Caller,
}

impl World {
    /// `acme` may use `/v1/orders/**` and nothing else.
    fn new() -> Self {
        let acme = Caller::new("acme");
        let mut entries = open_world();
        entries.push(scope("orders", "/v1/orders/**"));
        entries.push(acme.key(json!({"scopes": ["orders"]})));
        let snapshot = build(&entries);
        Self { snapshot, acme }
    }

    /// What is forwarded for `path`; `None` where it is refused.
    fn forwarded(&self, path: &[u8]) -> Option<String> {
        let uri = Uri::try_from(path).ok()?;
        let target = Target::parse(&Method::GET, Some("a"), &uri).ok()?;
        let principal = self.acme.identify(&self.snapshot).unwrap();
        self.snapshot.authorize(&principal, &target).ok()?;
        Some(target.path().to_owned())
    }

    fn stays_inside(&self, path: &[u8]) -> bool {
        self.forwarded(path)
            .is_none_or(|forwarded| is_inside(&careless_reading(&forwarded)))
    }
}

fn is_inside(segments: &[String]) -> bool {
    matches!(segments, [version, orders, ..] if version == "v1" && orders == "orders")
}

/// The segments that are left when everything is decoded twice, overlong forms are taken for what they mean,
/// backslashes are slashes, parameters are cut off, and dots are resolved.
fn careless_reading(path: &str) -> Vec<String> {
    let once: Vec<u8> = percent_decode(path.as_bytes()).collect();
    let twice = percent_decode(&once).collect::<Vec<u8>>();
    let text: String = twice.iter().map(|byte| char::from(*byte)).collect();
    let text = text
        .replace("\u{c0}\u{ae}", ".")
        .replace("\u{c0}\u{af}", "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split(['/', '\\']) {
        let name = segment.split([';', '\0']).next().unwrap_or_default();
        match name.trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.to_owned()),
        }
    }
    segments
}

#[test]
fn the_careless_reading_is_careless_enough_to_leave_when_it_can() {
    for path in [
        "/v1/orders/../x",
        "/v1/orders/%252e%252e/x",
        "/v1/orders/..;a/x",
        "/v1/orders/..%5c../x",
        "/v1/orders/%c0%ae%c0%ae%c0%afx",
    ] {
        assert!(!is_inside(&careless_reading(path)), "{path}");
    }
}

#[test]
fn no_known_traversal_leaves_the_grant() {
    let Some(folder) = corpora().map(|corpora| corpora.join("traversal")) else {
        println!(
            "skipped no_known_traversal_leaves_the_grant: no corpora, name them in TOLLGATE_CORPORA"
        );
        return;
    };
    let world = World::new();
    let mut lines = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            lines += 1;
            let line = line.strip_prefix(b"/").unwrap_or(line);
            for start in [
                &b"/"[..],
                b"/v1/orders/",
                b"/v1/orders/1/2",
                b"/v1/orders/;",
            ] {
                let path = [start, line].concat();
                assert!(
                    world.stays_inside(&without_placeholder(&path)),
                    "{}",
                    path.escape_ascii()
                );
            }
        }
    }
    assert!(lines > 1_000, "{lines}");
}

/// The corpus leaves the file to be fetched open.
fn without_placeholder(path: &[u8]) -> Vec<u8> {
    match path.strip_suffix(b"{FILE}") {
        Some(path) => [path, b"etc/passwd"].concat(),
        None => path.to_vec(),
    }
}

fn corpora() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("TOLLGATE_CORPORA").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn trick() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "..",
        ".",
        "/",
        "//",
        "a",
        "v1",
        "orders",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        ";",
        ";a=b",
        "..;",
        "%3b",
        "%252e",
        "%25",
        "%00",
        "%c0%ae",
        "%c0%af",
        "%e0%80%af",
        "%u002e",
        "%",
        "*",
        "{",
        "?",
        "%20",
        "%09",
        "\u{e4}",
        "%ef%bc%8e",
        "~",
        "admin",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_mixture_of_tricks_leaves_the_grant(
        start in prop::sample::select(vec!["/", "/v1/orders", "/v1/orders/"]),
        tricks in prop::collection::vec(trick(), 0..10),
    ) {
        let world = World::new();
        let path = format!("{start}{}", tricks.concat());
        prop_assert!(world.stays_inside(path.as_bytes()), "{}", path);
    }

    #[test]
    fn what_no_trick_is_in_passes(tail in "(/[a-z0-9_~.-]{0,3}[a-z]){0,6}/?") {
        let path = format!("/v1/orders{tail}");
        prop_assert_eq!(World::new().forwarded(path.as_bytes()), Some(path));
    }
}
