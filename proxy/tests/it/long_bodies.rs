//! Long answers come as they were sent, also where they pass without being read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_store::document::Kind;

use crate::support::{Stage, read_head, until};

const BODY_BYTES: usize = 3 * 1024 * 1024 + 7;
/// More than the buffers of sockets take for a client that reads nothing.
const LONGEST_BYTES: usize = 16 * 1024 * 1024;
/// No two pieces of a body that a pipe may take look alike.
const PATTERN_BYTES: usize = 65_521;

/// An upstream of the test's own, which says how long its answers are.
struct Source {
    /// How many bytes of a body it sends before it closes the connection.
    bytes_max: Arc<AtomicUsize>,
}

impl Source {
    async fn start(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bytes_max = Arc::new(AtomicUsize::new(usize::MAX));
        tokio::spawn(serve(listener, Arc::clone(&bytes_max)));
        let targets = json!({"targets": [format!("http://{address}")]});
        stage.store.put(Kind::Upstream, "backend", targets).await;
        until("the proxy asks it", async || {
            stage.client.get("/v1/short").await.body[..] == body(10)
        })
        .await;
        Self { bytes_max }
    }
}

async fn serve(listener: TcpListener, bytes_max: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let bytes_max = Arc::clone(&bytes_max);
        // That the other side leaves is no failure.
        tokio::spawn(async move { converse(stream, &bytes_max).await });
    }
}

async fn converse(mut stream: TcpStream, bytes_max: &AtomicUsize) -> std::io::Result<()> {
    loop {
        let asked = read_head(&mut stream).await;
        let bytes = match asked.split(' ').nth(1) {
            None => return Ok(()),
            Some("/v1/long") => BODY_BYTES,
            Some("/v1/longest") => LONGEST_BYTES,
            Some(_) => 10,
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let sent = bytes.min(bytes_max.load(Ordering::SeqCst));
        stream.write_all(&body(sent)).await?;
        if sent < bytes {
            return Ok(());
        }
    }
}

fn body(bytes: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..=250).cycle().take(PATTERN_BYTES).collect();
    pattern.iter().copied().cycle().take(bytes).collect()
}

/// Asks for a body by a socket.
async fn ask(stage: &Stage, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(stage.proxy.address).await.unwrap();
    let token = stage.store.token.expose();
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn a_long_body_comes_as_it_was_sent_by_each_protocol_and_so_does_what_follows() {
    let stage = Stage::new().await;
    Source::start(&stage).await;
    let (long, short) = (body(BODY_BYTES), body(10));

    for client in stage.clients() {
        for _ in 0..5 {
            assert!(
                client.get("/v1/long").await.body[..] == long,
                "another body came"
            );
            assert!(client.get("/v1/short").await.body[..] == short);
        }
    }
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/long")
        .await;
    assert_eq!(line["bytes_out"], BODY_BYTES);
}

#[tokio::test]
async fn what_a_reader_takes_piece_by_piece_is_the_same() {
    let stage = Stage::new().await;
    Source::start(&stage).await;
    let expected = body(BODY_BYTES);

    let mut client = ask(&stage, "/v1/long").await;
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut piece = [0; 1_000];
    for part in expected.chunks(piece.len()) {
        let place = &mut piece[..part.len()];
        client.read_exact(place).await.unwrap();
        assert!(place == part);
    }
}

#[tokio::test]
async fn one_that_breaks_off_comes_as_far_as_it_was_sent_and_is_written_down() {
    const SENT: usize = BODY_BYTES - 100_000;
    let stage = Stage::new().await;
    let source = Source::start(&stage).await;
    source.bytes_max.store(SENT, Ordering::SeqCst);

    let mut client = ask(&stage, "/v1/long").await;
    read_head(&mut client).await;
    let mut came = Vec::new();
    // Whether it ends or is reset depends on what is on the way.
    let _ = client.read_to_end(&mut came).await;
    assert!(came.len() <= SENT);
    assert!(came[..] == body(SENT)[..came.len()], "another body came");
    stage
        .proxy
        .accessed(|line| line["reason"] == "upstream_aborted")
        .await;
}

#[tokio::test]
async fn what_one_that_left_did_not_take_reaches_nobody_else() {
    let stage = Stage::new().await;
    Source::start(&stage).await;
    let expected = body(BODY_BYTES);
    for _ in 0..5 {
        let mut client = ask(&stage, "/v1/longest").await;
        read_head(&mut client).await;
        client.read_exact(&mut [0; 1_000]).await.unwrap();
        drop(client);

        assert!(stage.client.get("/v1/long").await.body[..] == expected);
    }
    stage
        .proxy
        .accessed(|line| line["reason"] == "client_closed")
        .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn they_pass_by_pipes_of_which_a_thread_keeps_no_more_than_it_needs() {
    /// Both ends of two pipes.
    const SPARE_FILES: usize = 4;
    let stage = Stage::new().await;
    Source::start(&stage).await;
    let threads = std::thread::available_parallelism().unwrap().get();
    let before = stage.proxy.pipes();

    let asked = (0..32).map(|_| async {
        let mut client = ask(&stage, "/v1/long").await;
        read_head(&mut client).await;
        client.read_exact(&mut vec![0; BODY_BYTES]).await.unwrap();
    });
    futures_util::future::join_all(asked).await;

    let more = stage.proxy.pipes() - before;
    assert!((1..=threads * SPARE_FILES).contains(&more), "{more}");
}
