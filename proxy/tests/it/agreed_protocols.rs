//! What a client and the proxy agree on with TLS (ALPN) is what is spoken, with its bounds.

use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_store::document::Kind;

use crate::support::frames::{PREFACE, SETTINGS, frame};
use crate::support::{Authority, Files, Stage, TlsClient, until};

/// Agrees on a protocol, says something, and returns everything that is answered until the connection ends.
async fn said(stage: &Stage, client: &TlsClient, protocol: &[u8], bytes: &[u8]) -> Vec<u8> {
    let client = client.clone().speaking(protocol);
    let connected = client.connect(stage.proxy.address, "localhost").await;
    let mut stream = connected.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(protocol));
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1_024];
    // It may end without a farewell.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..length]);
    }
    answer
}

#[tokio::test]
async fn what_was_agreed_on_with_tls_is_spoken_and_nothing_else() {
    let (authority, files) = (Authority::new("servers"), Files::new());
    files.put("edge.pem", &authority.server(&["localhost"]).pem);
    let stage = Stage::prepared(async |store| {
        let document = files.document(&["edge.pem"], &json!({}));
        store.put(Kind::Proxy, "edge", document).await;
    })
    .await;
    let client = TlsClient::trusting(&authority);
    let token = stage.store.token.expose();
    // One that is well-formed, and two that only a strict reader refuses.
    for (line, more) in [("\r\n", ""), ("\n", ""), ("\r\n", "#fragment")] {
        let request = format!(
            "GET /v1/orders{more} HTTP/1.1{line}Host: localhost{line}Authorization: Bearer {token}{line}{line}"
        );
        let answer = said(&stage, &client, b"h2", request.as_bytes()).await;
        assert_eq!(String::from_utf8_lossy(&answer), "");
    }
    let http2 = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    let answer = said(&stage, &client, b"http/1.1", &http2).await;
    assert_eq!(String::from_utf8_lossy(&answer), "");

    let series = "tollgate_connections_cut_total{reason=\"other_protocol\"}";
    until("each is counted", async || {
        stage.proxy.metric(series).await == Some(4.0)
    })
    .await;
    let connections = &stage.upstream.gate.connections;
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}
