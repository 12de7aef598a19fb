//! What a client of HTTP/2 may not send, by the sections of RFC 9113 and RFC 7541 that say so, and what it may.

mod compression;
mod kinds;
mod requests;
mod streams;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Stage;
use crate::support::frames::{
    ACK, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, fields, first, frame,
};

/// The longest that the proxy may take to answer what came.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const WHOLE: u8 = END_HEADERS | END_STREAM;

// Error codes (RFC 9113, section 7).
const PROTOCOL: u32 = 0x1;
const FLOW_CONTROL: u32 = 0x3;
const CLOSED: u32 = 0x5;
const FRAME_SIZE: u32 = 0x6;
const REFUSED: u32 = 0x7;
const COMPRESSION: u32 = 0x9;

/// What is to be told of a frame of a wrong length. The library that reads frames tells another code for all but bodies
/// and heads; the connection ends all the same.
const LENGTH: &[u32] = &[FRAME_SIZE, PROTOCOL];
/// The same of a window beyond what it may be.
const WINDOW: &[u32] = &[FLOW_CONTROL, PROTOCOL];
/// The same of a head that can't be read.
const HPACK: &[u32] = &[COMPRESSION, PROTOCOL];
/// The same of a body of a stream that has ended.
const ENDED: &[u32] = &[CLOSED, PROTOCOL];

/// What the proxy must make of what was sent.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The connection ends, with one of these codes where one is told.
    ConnectionEnds(&'static [u32]),
    /// The stream is reset with one of these codes, or the connection ends with it, or the request is answered 400.
    StreamEnds(&'static [u32]),
    /// It goes on.
    Fine,
}

/// A section, what is sent, its bytes, and what comes of it.
type Case = (&'static str, &'static str, Vec<Vec<u8>>, Expected);

/// What the proxy did.
#[derive(Debug, Default)]
struct Seen {
    ended: bool,
    goaway: Option<u32>,
    resets: Vec<u32>,
    answers: Vec<Vec<u8>>,
}

fn get() -> Vec<u8> {
    fields(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ])
}

fn post(more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ]);
    head.extend(fields(more));
    head
}

fn grow(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// Sends frames on a connection of their own, and listens until the proxy has dealt with all of them.
async fn send(stage: &Stage, frames: &[Vec<u8>]) -> Seen {
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let bytes = [
        &begin[..],
        &frames.concat(),
        &frame(PING, 0, 0, b"onetime!"),
    ]
    .concat();
    // What ends early takes the rest no more.
    let _ = stream.write_all(&bytes).await;
    let (mut seen, mut came) = (Seen::default(), Vec::new());
    loop {
        while let Some((came_first, rest)) = first(&came) {
            let payload = came_first.payload;
            let code =
                |bytes: Option<&[u8]>| u32::from_be_bytes(bytes.unwrap().try_into().unwrap());
            match (came_first.kind, came_first.flags & ACK) {
                (GOAWAY, _) => seen.goaway = Some(code(payload.get(4..8))),
                (RST_STREAM, _) => seen.resets.push(code(payload.get(..4))),
                (HEADERS, _) => seen.answers.push(payload.to_vec()),
                // What it makes of the frames may follow the first answer.
                (PING, ACK) if payload == b"onetime!" => {
                    let _ = stream.write_all(&frame(PING, 0, 0, b"another!")).await;
                }
                (PING, ACK) if payload == b"another!" => return seen,
                _ => {}
            }
            came = rest.to_vec();
        }
        let read = tokio::time::timeout(ANSWER_MAX, stream.read_buf(&mut came)).await;
        if !matches!(read.unwrap(), Ok(1..)) {
            seen.ended = true;
            return seen;
        }
    }
}

/// Whether an answer is 400, by the static table of HPACK.
fn is_bad_request(answer: &[u8]) -> bool {
    answer.first() == Some(&0x8c)
}

fn is_met(expected: Expected, seen: &Seen) -> bool {
    let is_error = |code: &u32| *code != 0;
    let failed = seen.goaway.filter(is_error);
    match expected {
        Expected::ConnectionEnds(codes) => failed.map_or(seen.ended, |code| codes.contains(&code)),
        Expected::StreamEnds(codes) => {
            let told = || seen.resets.iter().chain(&failed);
            let is_answered = seen.answers.iter().any(|answer| is_bad_request(answer));
            is_answered || told().count() > 0 && told().all(|code| codes.contains(code))
        }
        Expected::Fine => failed.is_none() && !seen.ended && !seen.resets.iter().any(is_error),
    }
}

async fn assert_all(cases: Vec<Case>) {
    let stage = Stage::new().await;
    let mut failures = Vec::new();
    for (section, what, frames, expected) in cases {
        let seen = send(&stage, &frames).await;
        if !is_met(expected, &seen) {
            failures.push(format!(
                "{section}: {what}: {expected:?} was expected, {seen:?} seen"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for client in stage.clients() {
        assert_eq!(client.get("/v1/orders").await.status, 200, "others go on");
    }
}

#[tokio::test]
async fn frames_and_streams_are_those_of_rfc_9113() {
    assert_all(streams::cases()).await;
}

#[tokio::test]
async fn each_kind_of_frame_holds_what_rfc_9113_lets_it_hold() {
    assert_all(kinds::cases()).await;
}

#[tokio::test]
async fn malformed_requests_are_refused_as_rfc_9113_wants_it() {
    assert_all(requests::cases()).await;
}

#[tokio::test]
async fn heads_are_compressed_as_rfc_7541_says() {
    assert_all(compression::cases()).await;
}

#[tokio::test]
async fn what_does_not_begin_with_the_preface_is_no_http_2() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();

    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        .await
        .unwrap();

    let mut came = Vec::new();
    let read = tokio::time::timeout(ANSWER_MAX, stream.read_to_end(&mut came)).await;
    assert!(read.is_ok(), "the connection ends");
}
