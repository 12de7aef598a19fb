//! Paths that try to leave a grant, read as the most careless upstream would.

use std::path::{Path, PathBuf};

use http::{HeaderMap, Method, Uri};
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

    /// Everybody may use `/public/**` without `/public/admin/**`.
    fn open() -> Self {
        let mut entries = open_world();
        let spec =
            json!({"proxy": "edge", "path": "/public/**", "upstream": "orders", "anonymous": true});
        entries.push(entry("route", "open", spec));
        entries.push(route("closed", "/public/admin/**"));
        Self {
            snapshot: build(&entries),
            acme: Caller::new("acme"),
        }
    }

    /// What is forwarded for `path`; `None` where it is refused.
    fn forwarded(&self, path: &[u8]) -> Option<String> {
        let uri = Uri::try_from(path).ok()?;
        let target = Target::parse(&Method::GET, Some("a"), &uri).ok()?;
        let principal = self.acme.identify(&self.snapshot).unwrap();
        self.snapshot
            .authorize(&principal, &target, &circumstances())
            .ok()?;
        Some(target.path().to_owned())
    }

    fn stays_inside(&self, path: &[u8]) -> bool {
        let is_inside = |forwarded: String| {
            let mut readings = READINGS.iter();
            readings.all(|reading| is_inside(&reading(&forwarded)))
        };
        self.forwarded(path).is_none_or(is_inside)
    }

    /// Whether no upstream takes what a stranger may ask for for what only the known may.
    fn keeps_closed(&self, path: &str) -> bool {
        let Ok(uri) = Uri::try_from(path) else {
            return true;
        };
        let Ok(target) = Target::parse(&Method::GET, Some("a"), &uri) else {
            return true;
        };
        let nobody = self.snapshot.identify(&HeaderMap::new(), ADDRESS, at(0));
        let nobody = nobody.unwrap();
        if self
            .snapshot
            .authorize(&nobody, &target, &circumstances())
            .is_err()
        {
            return true;
        }
        let mut readings = READINGS.iter();
        readings.all(|reading| {
            let segments = reading(target.path());
            let folded: Vec<_> = segments.iter().map(|it| it.to_ascii_lowercase()).collect();
            matches!(&*folded, [public, rest @ ..] if public == "public" && rest.first().is_none_or(|it| it != "admin"))
        })
    }
}

fn is_inside(segments: &[String]) -> bool {
    matches!(segments, [version, orders, ..] if version == "v1" && orders == "orders")
}

/// How an upstream reads a path: what segments are left.
type Reading = fn(&str) -> Vec<String>;

/// Decoded once with dots resolved and slashes merged; with parameters cut off before that, or after it; with backslashes,
/// case and what stands at the end of a name folded; and with whatever anybody ever did.
const READINGS: [Reading; 5] = [
    plain_reading,
    parameters_first,
    parameters_last,
    folded_reading,
    careless_reading,
];

fn decoded(text: &str) -> String {
    let bytes = percent_decode(text.as_bytes());
    bytes.map(char::from).collect()
}

fn resolved<'s>(segments: impl Iterator<Item = &'s str>) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for segment in segments {
        match segment {
            "" | "." => {}
            ".." => drop(left.pop()),
            name => left.push(name.to_owned()),
        }
    }
    left
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

fn plain_reading(path: &str) -> Vec<String> {
    resolved(decoded(path).split('/'))
}

fn parameters_first(path: &str) -> Vec<String> {
    let names: Vec<_> = path.split('/').map(without_parameters).collect();
    resolved(decoded(&names.join("/")).split('/'))
}

fn parameters_last(path: &str) -> Vec<String> {
    resolved(decoded(path).split('/').map(without_parameters))
}

fn folded_reading(path: &str) -> Vec<String> {
    let text = decoded(path).to_ascii_lowercase();
    let until_nul = text.split('\0').next().unwrap_or_default();
    let trimmed = |segment: &'_ str| -> String {
        let name = without_parameters(segment);
        // A dot segment is one, whatever is cut off from names.
        let short = name.trim_end_matches(['.', ' ']);
        if short.is_empty() {
            name.to_owned()
        } else {
            short.to_owned()
        }
    };
    let names: Vec<_> = until_nul.split(['/', '\\']).map(trimmed).collect();
    resolved(names.iter().map(String::as_str))
}

/// The segments that are left when everything is decoded twice, overlong forms are taken for what they mean,
/// backslashes are slashes, parameters are cut off, and dots are resolved.
fn careless_reading(path: &str) -> Vec<String> {
    let once: Vec<u8> = percent_decode(path.as_bytes()).collect();
    let twice: String = percent_decode(&once).map(char::from).collect();
    let text = twice
        .replace("\u{c0}\u{ae}", ".")
        .replace("\u{c0}\u{af}", "/");
    let names = text
        .split(['/', '\\'])
        .map(|segment| segment.split([';', '\0']).next().unwrap_or_default());
    resolved(names.map(str::trim))
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
fn what_a_loose_upstream_takes_for_a_closed_path_is_closed() {
    let world = World::open();
    let nobody = world.snapshot.identify(&HeaderMap::new(), ADDRESS, at(0));
    let nobody = nobody.unwrap();
    let is_open = |path: &str| {
        let target = target("GET", "a", path).unwrap();
        world
            .snapshot
            .authorize(&nobody, &target, &circumstances())
            .is_ok()
    };
    for path in [
        "/public",
        "/public/a",
        "/public/administration",
        "/public/a/admin",
    ] {
        assert!(is_open(path), "{path}");
    }
    for path in [
        "/public/admin",
        "/public/admin/x",
        "/public/Admin",
        "/public/admin;a=b",
        "/public/admin;a/x",
        "/public/admin.",
        "/public/admin..",
        "/public/admin%20",
        "/public/%61dmin",
    ] {
        assert!(!is_open(path), "{path}");
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
        "Admin",
        "public",
        "admin.",
        "admin;x",
        "admin%20",
        "%61dmin",
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
    fn no_mixture_of_tricks_opens_what_a_narrower_route_closes(
        start in prop::sample::select(vec!["/public", "/public/", "/PUBLIC/", "/"]),
        tricks in prop::collection::vec(trick(), 0..10),
    ) {
        let world = World::open();
        let path = format!("{start}{}", tricks.concat());
        prop_assert!(world.keeps_closed(&path), "{}", path);
    }

    #[test]
    fn what_no_trick_is_in_passes(tail in "(/[a-z0-9_~.-]{0,3}[a-z]){0,6}/?") {
        let path = format!("/v1/orders{tail}");
        prop_assert_eq!(World::new().forwarded(path.as_bytes()), Some(path));
    }
}
