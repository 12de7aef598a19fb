//! Requests by HTTP/2 whose clients take nothing of what they are answered.

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::frames::{END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame};
use crate::support::{Stage, until};

const CONNECTIONS: u32 = 90;
const STREAMS: u32 = 120;
/// More than a connection's share.
const DOWNLOADS: u32 = 60;
/// How many may wait: of all, and of each connection in any case.
const WAITING_MAX: u32 = 8 * 1024;
const SHARE_MAX: u32 = 16;
/// A request for `/` of host `a` without a credential, by the static table of HPACK (RFC 7541, appendix A).
const REQUEST: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// No byte of a body may come (`SETTINGS_INITIAL_WINDOW_SIZE`, RFC 9113, section 6.5.2).
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// A connection with as many requests as it may have.
async fn crowd(stage: &Stage) -> TcpStream {
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &NO_WINDOW));
    for number in 0..STREAMS {
        let flags = END_STREAM | END_HEADERS;
        bytes.extend(frame(HEADERS, flags, 2 * number + 1, &REQUEST));
    }
    stream.write_all(&bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn of_answers_that_strangers_leave_unread_only_so_many_are_held() {
    let stage = Stage::new().await;
    let mut crowds = Vec::new();
    for _ in 0..CONNECTIONS {
        crowds.push(crowd(&stage).await);
    }

    let taken_back = "tollgate_connections_cut_total{reason=\"streams_waiting\"}";
    let in_flight = "tollgate_requests_in_flight";
    let held_max = f64::from(WAITING_MAX + CONNECTIONS * SHARE_MAX);
    let all = f64::from(CONNECTIONS * STREAMS);
    until("those beyond are taken back, and no others", async || {
        let held = stage.proxy.metric(in_flight).await.unwrap();
        let ended = stage.proxy.metric(taken_back).await.unwrap_or_default();
        held <= held_max && held >= f64::from(WAITING_MAX) && (held + ended - all).abs() < 0.5
    })
    .await;
    for client in stage.clients() {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    // Those of a client that is known are not among them, however many it asks for at once.
    let [_, client] = stage.clients();
    let downloads = (0..DOWNLOADS).map(|_| client.get("/v1/sized"));
    for download in join_all(downloads).await {
        assert_eq!(download.status, 200);
    }
}
