//! Requests that others collected, to be refused or read in one way only. The collections are no part of this
//! repository: without them the tests say so and pass.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_store::document::Kind;

use crate::support::{Process, Store};

/// How many connections are open at once.
const PARALLEL: usize = 32;
/// The longest that a connection is waited for: a request that never ends is left alone.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// What is let in all the same, and sent on in words of our own.
const LET_IN: [(&str, &str); 2] = [
    (
        "HTTP protocol and ANNOUNCE method",
        "every token is a method (RFC 9110, section 9.1)",
    ),
    (
        "No extension after semicolon",
        "extensions of chunks are left out (RFC 9112, section 7.1.1)",
    ),
];
const SMUGGLED: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: a\r\nX: ";

/// A file of the collections, unless they are missing.
fn corpus(test: &str, file: &str) -> Option<Value> {
    let text = std::fs::read(corpora(test)?.join(file)).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// Where the collections are, unless they are missing.
pub(crate) fn corpora(test: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("TOLLGATE_CORPORA").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped {test}: no corpora, name them in TOLLGATE_CORPORA");
        return None;
    }
    Some(folder)
}

/// A proxy that lets everything through, and an upstream that keeps what it receives to the letter.
struct Stage {
    store: Store,
    proxy: Process,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Stage {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        tokio::spawn(serve(listener, Arc::clone(&received)));
        let store = Store::new();
        store.fill(&url).await;
        let everything = json!({"grants": [{"path": "/**"}]});
        store.put(Kind::Scope, "everything", everything).await;
        let route = json!({"proxy": "edge", "path": "/**", "upstream": "backend"});
        store.put(Kind::Route, "all", route).await;
        let proxy = Process::start(&store, &[]).await;
        Self {
            store,
            proxy,
            received,
        }
    }

    /// Sends bytes on a connection of their own, and reads until it is closed or silent.
    async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.proxy.address).await.unwrap();
        // One that is closed early has had enough.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(ANSWER_MAX, stream.read_to_end(&mut answer)).await;
        answer
    }

    fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.store.token.expose())
    }

    /// What was received since the last call.
    fn received(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

/// Answers one request a connection.
async fn serve(listener: TcpListener, received: Arc<Mutex<Vec<Vec<u8>>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while !is_whole(&bytes) {
                match stream.read_buf(&mut bytes).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            if !bytes.is_empty() {
                received.lock().unwrap().push(bytes);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        });
    }
}

/// Whether a request has ended, read as strictly as RFC 9112 asks.
fn is_whole(bytes: &[u8]) -> bool {
    let Some((head, body)) = split(bytes) else {
        return false;
    };
    let fields = fields(&head);
    if fields.iter().any(|(name, _)| name == "transfer-encoding") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = fields.iter().find(|(name, _)| name == "content-length");
    body.len() >= length.map_or(0, |(_, length)| length.parse().unwrap())
}

/// The head, each byte a character, and what follows it.
fn split(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    Some((head, &bytes[end + 4..]))
}

fn fields(head: &str) -> Vec<(String, String)> {
    let lines = head.split("\r\n").skip(1);
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect()
}

/// Nobody, however careless, can find another framing in what was forwarded than its own.
fn assert_one_reading(case: &str, request: &[u8]) {
    let (head, _) = split(request).unwrap();
    let shown = request.escape_ascii();
    let is_odd = |character: char| character.is_control() && !"\r\n\t".contains(character);
    assert!(!head.contains(is_odd), "{case}: {shown}");
    assert!(
        !head.replace("\r\n", "").contains(['\r', '\n']),
        "{case}: {shown}"
    );
    let mut framings = 0;
    for (name, value) in fields(&head) {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        if letters.contains("transferencoding") {
            assert!(
                name == "transfer-encoding" && value == "chunked",
                "{case}: {shown}"
            );
            framings += 1;
        } else if letters.contains("contentlength") {
            assert!(
                name == "content-length" && value.chars().all(|c| c.is_ascii_digit()),
                "{case}: {shown}"
            );
            framings += 1;
        }
    }
    assert!(framings <= 1, "{case}: {shown}");
}

#[tokio::test]
async fn no_known_mutation_of_transfer_encoding_has_two_readings() {
    let name = "no_known_mutation_of_transfer_encoding_has_two_readings";
    let Some(corpus) = corpus(name, "smuggler/te_mutations.json") else {
        return;
    };
    let families: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_value(corpus).unwrap();
    let stage = Stage::new().await;
    let mut count = 0;
    for (family, mutations) in families {
        let all: Vec<_> = mutations.iter().collect();
        count += all.len();
        for some in all.chunks(PARALLEL) {
            let exchanges = some.iter().map(|(mutation, template)| {
                let request = smuggling(&stage, mutation, template);
                let stage = &stage;
                async move { stage.exchange(&request).await }
            });
            let answers: Vec<Vec<u8>> = stream::iter(exchanges).buffered(PARALLEL).collect().await;
            for request in stage.received() {
                assert_one_reading(&family, &request);
                assert!(!request.starts_with(b"GET /v1/smuggled"), "{family}");
            }
            for ((mutation, _), answer) in some.iter().zip(&answers) {
                let answer = String::from_utf8_lossy(answer);
                let answered = answer.matches("HTTP/1.1 ").count();
                assert!(answered <= 1, "{family} {mutation}: {answer}");
            }
        }
    }
    assert!(count > 1_000, "{count}");
}

/// By its length the request holds another one; by its chunks that one follows it.
fn smuggling(stage: &Stage, mutation: &str, template: &str) -> Vec<u8> {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let head = template
        .replace("__METHOD__", "POST")
        .replace("__ENDPOINT__", "/v1/case")
        .replace("__RANDOM__", &mutation.len().to_string())
        .replace("__HOST__", "a")
        .replace("__REPLACE_CL__", &body.len().to_string());
    let request = format!("{head}{}\r\n{body}", stage.authorization());
    // The corpus holds bytes as characters.
    request
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

#[tokio::test]
async fn what_a_strict_parser_refuses_is_refused_or_has_one_reading() {
    let name = "what_a_strict_parser_refuses_is_refused_or_has_one_reading";
    let Some(corpus) = corpus(name, "llhttp/llhttp_md_cases.json") else {
        return;
    };
    let stage = Stage::new().await;
    let mut refused = 0;
    for case in corpus.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let meta = case["meta"].as_str().unwrap_or_default();
        let error = case["error"].as_str().unwrap_or_default();
        // Where that parser hands over, and what it says after a last request, are no errors of the request.
        let is_error =
            !error.is_empty() && !error.starts_with("Pause") && !error.starts_with("Data after");
        if !is_error || !meta.contains("\"request\"") {
            continue;
        }
        let request = with_authorization(&stage, case["input"].as_str().unwrap());

        let answer = stage.exchange(&request).await;

        for request in stage.received() {
            assert_one_reading(name, &request);
        }
        let is_let_in = String::from_utf8_lossy(&answer).contains(" 200 OK");
        let reason = LET_IN.iter().find(|(let_in, _)| *let_in == name);
        assert_eq!(is_let_in, reason.is_some(), "{name}: {error}");
        refused += u32::from(!is_let_in);
    }
    assert!(refused > 40, "{refused}");
}

/// The case as bytes, with a credential behind the first line.
fn with_authorization(stage: &Stage, input: &str) -> Vec<u8> {
    let text = input.replace("\\\n", "").replace('\n', "\r\n");
    let text = text
        .replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\\f", "\u{c}");
    match text.split_once("\r\n") {
        Some((line, rest)) => format!("{line}\r\n{}{rest}", stage.authorization()).into_bytes(),
        None => text.into_bytes(),
    }
}

#[tokio::test]
async fn a_broken_http2_frame_ends_the_connection() {
    let name = "a_broken_http2_frame_ends_the_connection";
    let Some(folder) = corpora(name).map(|corpora| corpora.join("http2-frames")) else {
        return;
    };
    let stage = Stage::new().await;
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Ok(case) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) else {
            continue;
        };
        if case["error"].is_null() {
            continue;
        }
        count += 1;
        let wire = case["wire"].as_str().unwrap();
        let frame = (0..wire.len() / 2)
            .map(|index| u8::from_str_radix(&wire[2 * index..2 * index + 2], 16).unwrap());
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        bytes.extend(frame);

        let answer = stage.exchange(&bytes).await;

        assert!(
            is_refused(&answer),
            "{}: {}",
            path.display(),
            answer.escape_ascii()
        );
    }
    assert!(count > 20, "{count}");
    let fine = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", stage.authorization());
    let answer = stage.exchange(fine.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "others go on");
}

/// Whether the frames hold a `GOAWAY` or a `RST_STREAM` with an error (RFC 9113, section 5.4).
fn is_refused(frames: &[u8]) -> bool {
    let mut rest = frames;
    while let [a, b, c, kind, _, _, _, _, _, more @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let payload = &more[..length.min(more.len())];
        let code = match kind {
            0x7 => payload.get(4..8),
            0x3 => payload.get(..4),
            _ => None,
        };
        if code.is_some_and(|code| code.iter().any(|byte| *byte != 0)) {
            return true;
        }
        rest = &more[length.min(more.len())..];
    }
    false
}
