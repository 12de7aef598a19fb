//! Clients that only want to keep the proxy busy: they are cut off, what they cost is bounded, and others go on.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM,
    SETTINGS, frame,
};
use crate::support::{Client, Process, Stage, until};

/// How much more memory a flood may take.
const MORE_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// The longest that a flood may go on.
const FLOOD_MAX: Duration = Duration::from_secs(20);
const FRAMES: u32 = 20_000;
/// A request for `/` of host `a`, by the static table of HPACK (RFC 7541, appendix A).
const REQUEST: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

/// Sends frames, and tells whether the proxy has ended the connection.
async fn is_cut_off(stage: &Stage, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    let (mut reader, mut writer) = TcpStream::connect(stage.proxy.address)
        .await
        .unwrap()
        .into_split();
    let preface = PREFACE.to_vec();
    let flood = async {
        for bytes in [preface, frame(SETTINGS, 0, 0, &[])]
            .into_iter()
            .chain(frames)
        {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // It stays open on this side: only the proxy can end it.
        std::future::pending::<()>().await;
    };
    let listen = async {
        let mut bytes = [0; 4_096];
        while let Ok(1..) = reader.read(&mut bytes).await {}
    };
    let ended = async {
        tokio::select! {
            () = listen => {}
            () = flood => {}
        }
    };
    tokio::time::timeout(FLOOD_MAX, ended).await.is_ok()
}

/// A flood is cut off, has taken little, and a client with a key is answered as before.
async fn assert_bounded<F: Iterator<Item = Vec<u8>>>(flood: impl Fn() -> F) {
    flooded(flood).await;
}

/// The same, and it is counted why.
async fn assert_counted<F: Iterator<Item = Vec<u8>>>(reason: &str, flood: impl Fn() -> F) {
    let stage = flooded(flood).await;
    let series = format!("tollgate_connections_cut_total{{reason=\"{reason}\"}}");
    until("it is counted", async || {
        stage.proxy.metric(&series).await == Some(3.0)
    })
    .await;
}

async fn flooded<F: Iterator<Item = Vec<u8>>>(flood: impl Fn() -> F) -> Stage {
    let stage = Stage::new().await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    let before = stage.proxy.resident_bytes();

    for _ in 0..3 {
        assert!(is_cut_off(&stage, flood()).await, "it was not ended");
    }

    let after = stage.proxy.resident_bytes();
    assert!(
        after <= before + MORE_BYTES_MAX,
        "{before} bytes became {after}"
    );
    for client in stage.clients() {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    stage
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    assert_counted("http2_flood", || {
        (0..FRAMES).map(|number| {
            let stream = 2 * number + 1;
            let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, &REQUEST);
            let cancel = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [request, cancel].concat()
        })
    })
    .await;
}

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    assert_bounded(|| {
        // A literal field that is not indexed: `x: ` and 1,000 bytes.
        let mut field = vec![0x00, 0x01, b'x', 0x7f, 0xe9, 0x06];
        field.extend([b'y'; 1_000]);
        let start = frame(HEADERS, END_STREAM, 1, &REQUEST);
        let more = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &field), FRAMES as usize);
        std::iter::once(start).chain(more)
    })
    .await;
}

#[tokio::test]
async fn a_body_of_empty_frames_ends_the_connection() {
    assert_bounded(|| {
        let start = frame(
            HEADERS,
            END_HEADERS,
            1,
            &[0x83, 0x86, 0x84, 0x41, 0x01, b'a'],
        );
        let more = std::iter::repeat_n(frame(DATA, 0, 1, &[]), 10 * FRAMES as usize);
        std::iter::once(start).chain(more)
    })
    .await;
}

#[tokio::test]
async fn resets_of_what_has_ended_end_the_connection() {
    assert_bounded(|| {
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &REQUEST);
        let reset = frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
        std::iter::once(request).chain(std::iter::repeat_n(reset, FRAMES as usize))
    })
    .await;
}

#[tokio::test]
async fn frames_that_lead_nowhere_end_the_connection() {
    for (kind, stream, payload) in [(PING, 0, 8), (SETTINGS, 0, 0), (PRIORITY, 1, 5)] {
        assert_bounded(|| {
            let frame = frame(kind, 0, stream, &vec![0; payload]);
            std::iter::repeat_n(frame, FRAMES as usize)
        })
        .await;
    }
}

#[tokio::test]
async fn a_slow_head_is_told_so_and_cut_off() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();

    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(FLOOD_MAX, reading)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let series = "tollgate_connections_cut_total{reason=\"head_timeout\"}";
    assert_eq!(stage.proxy.metric(series).await, Some(1.0));
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_unless_it_is_trusted() {
    let stage = Stage::new().await;
    let proxy = Process::start(&stage.store, &["--connections-per-address-max", "2"]).await;
    let held = [(); 2].map(|()| Client::new(&proxy).bearing(&stage.store.token));
    for client in &held {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    let mut third = TcpStream::connect(proxy.address).await.unwrap();
    let mut byte = [0; 1];
    let ended = third.read(&mut byte);
    let ended = tokio::time::timeout(FLOOD_MAX, ended).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    let series = "tollgate_connections_cut_total{reason=\"address_limit\"}";
    assert_eq!(proxy.metric(series).await, Some(1.0));

    drop(held);
    let client = Client::new(&proxy).bearing(&stage.store.token);
    until("there is room again", async || {
        client
            .try_get("/v1/orders")
            .await
            .is_some_and(|reply| reply.status == 200)
    })
    .await;

    let trusting = json!({
        "listen": [{"address": "127.0.0.1:0"}],
        "trusted_proxies": ["127.0.0.0/8"],
    });
    stage.store.put(Kind::Proxy, "edge", trusting).await;
    let clients = [(); 4].map(|()| Client::new(&proxy).bearing(&stage.store.token));
    for client in &clients {
        until("a trusted one has as many as it wants", async || {
            let reply = client.try_get("/v1/orders").await;
            reply.is_some_and(|reply| reply.status == 200)
        })
        .await;
    }
}
