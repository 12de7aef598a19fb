//! What is logged, where nobody reads it: neither serving nor the end waits for that.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Attention, Client, Process, Stage, until};

/// More lines than a pipe and the proxy keep for a reader.
const LINES: usize = 2_000;

/// Sends what is no request, of which the log tells in detail.
async fn annoy(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"\0\r\n\r\n").await.unwrap();
    // Whatever the answer is, and whether there is one.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn dropped(proxy: &Process, log: &str) -> f64 {
    let series = format!("tollgate_{log}_dropped_total");
    proxy.metric(&series).await.unwrap()
}

/// A proxy that tells in detail of whoever annoys it, and a client of it.
async fn talkative(stage: &Stage) -> (Process, Client) {
    let arguments = ["--log", "tollgate_proxy=debug", "--drain", "1s"];
    let proxy = Process::start(&stage.store, &arguments).await;
    let client = Client::new(&proxy).bearing(&stage.store.token);
    (proxy, client)
}

#[tokio::test]
async fn logs_whose_reader_has_gone_cost_lines_and_nothing_else() {
    let stage = Stage::new().await;
    let (mut proxy, client) = talkative(&stage).await;
    proxy.attend(Attention::Gone);

    // The readers go after their next line.
    until("both logs lose lines", async || {
        annoy(proxy.address).await;
        assert_eq!(client.get("/v1/orders").await.status, 200);
        dropped(&proxy, "log").await > 0.0 && dropped(&proxy, "access_log").await > 0.0
    })
    .await;
    assert_eq!(proxy.metric("tollgate_panics_total").await, Some(0.0));

    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, 0);
}

#[tokio::test]
async fn a_log_that_is_not_read_holds_nothing_up() {
    let stage = Stage::new().await;
    let (mut proxy, client) = talkative(&stage).await;
    proxy.attend(Attention::Elsewhere);

    for _ in 0..LINES / 50 {
        let annoying = (0..50).map(|_| annoy(proxy.address));
        futures_util::future::join_all(annoying).await;
    }
    until("lines are dropped", async || {
        annoy(proxy.address).await;
        dropped(&proxy, "log").await > 0.0
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.status, 200);
    assert_eq!(proxy.get("/healthz").await.0, 200);

    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, 0);
}
