//! Bodies pass as they come.

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tollgate_store::document::Kind;

use crate::support::{Stage, until};

type Chunk = Result<Frame<Bytes>, std::io::Error>;

#[tokio::test]
async fn the_first_chunk_arrives_before_the_last_is_sent() {
    let stage = Stage::new().await;
    for client in stage.clients() {
        let (chunks, body) = mpsc::channel::<Chunk>(1);
        let stream = futures_util::stream::unfold(body, async |mut body| {
            body.recv().await.map(|chunk| (chunk, body))
        });
        let body = BodyExt::boxed(StreamBody::new(stream));
        let first = Bytes::from_static(b"first");
        chunks.send(Ok(Frame::data(first.clone()))).await.unwrap();
        let request = client.request("POST", "/v1/mirror").body(body).unwrap();
        let mut answer = client.open(request).await.into_body();

        let echoed = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, first);
        let last = Bytes::from_static(b"last");
        chunks.send(Ok(Frame::data(last.clone()))).await.unwrap();
        drop(chunks);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), last);
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_passes_whatever_the_method() {
    let stage = Stage::new().await;
    for client in stage.clients() {
        for method in ["GET", "DELETE", "POST"] {
            let question = Bytes::from_static(b"a question in a body");
            let frames = futures_util::stream::iter([Chunk::Ok(Frame::data(question.clone()))]);
            let request = client
                .request(method, "/v1/mirror")
                .header("transfer-encoding", "chunked");
            let body = BodyExt::boxed(StreamBody::new(frames));

            let answer = client.open(request.body(body).unwrap()).await;

            let echoed = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(echoed, question, "{method}");
        }
    }
}

#[tokio::test]
async fn a_body_larger_than_any_buffer_passes_both_ways() {
    const CHUNKS: usize = 512;
    const CHUNK_BYTES: usize = 128 * 1024;
    let stage = Stage::new().await;
    let chunk = Bytes::from(vec![b'x'; CHUNK_BYTES]);
    let frames = futures_util::stream::repeat_with(move || Chunk::Ok(Frame::data(chunk.clone())));
    let body = BodyExt::boxed(StreamBody::new(frames.take(CHUNKS)));
    let request = stage
        .client
        .request("POST", "/v1/mirror")
        .body(body)
        .unwrap();

    let mut answer = stage.client.open(request).await.into_body();
    let mut bytes = 0;
    while let Some(frame) = answer.frame().await {
        bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(bytes, CHUNKS * CHUNK_BYTES);
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/mirror")
        .await;
    assert_eq!(line["bytes_in"], bytes);
    assert_eq!(line["bytes_out"], bytes);
}

#[tokio::test]
async fn trailers_pass() {
    let stage = Stage::new().await;
    for client in stage.clients() {
        let request = client
            .request("GET", "/v1/trailers")
            .header("te", "trailers");
        let reply = client.send(request).await;

        assert_eq!(reply.text(), "text");
        assert_eq!(reply.trailers.unwrap()["x-sum"], "42");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_and_written_down() {
    let stage = Stage::new().await;
    let request = stage.client.request("GET", "/v1/broken");
    let empty = StreamBody::new(futures_util::stream::empty::<Chunk>());
    let request = request.body(BodyExt::boxed(empty)).unwrap();
    let mut answer = stage.client.open(request).await.into_body();
    assert!(answer.frame().await.unwrap().is_ok());
    stage.upstream.gate.open.notify_one();

    assert!(answer.collect().await.is_err());
    stage
        .proxy
        .accessed(|line| line["reason"] == "upstream_aborted")
        .await;
}

#[tokio::test]
async fn a_client_that_leaves_is_written_down() {
    let stage = Stage::new().await;
    let held = stage.client.get("/v1/held");
    let gate = &stage.upstream.gate;
    tokio::select! {
        _ = held => panic!("the gate is closed"),
        () = crate::support::until("the upstream has it", async || {
            gate.requests.load(std::sync::atomic::Ordering::SeqCst) == 1
        }) => {}
    }

    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/held")
        .await;
    assert_eq!(line["reason"], "client_closed");
    assert_eq!(line["status"], serde_json::json!(null));
}

/// Its upstream answers before it was asked in full, and more than any buffer holds.
#[tokio::test]
async fn a_client_that_reads_only_once_it_has_sent_everything_gets_its_answer() {
    const BYTES: usize = 16 * 1024 * 1024;
    let stage = Stage::new().await;
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let targets = json!({"targets": [url]});
    stage.store.put(Kind::Upstream, "backend", targets).await;
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Early: yes\r\nConnection: close\r\nContent-Length: {BYTES}\r\n\r\n"
    );
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = upstream.accept().await.unwrap();
            let head = head.clone();
            tokio::spawn(async move {
                let mut asked = [0; 1];
                stream.read_exact(&mut asked).await.unwrap();
                let (mut from, mut to) = stream.into_split();
                let answer = async {
                    to.write_all(head.as_bytes()).await?;
                    to.write_all(&vec![b'x'; BYTES]).await
                };
                let mut sink = tokio::io::sink();
                tokio::join!(answer, tokio::io::copy(&mut from, &mut sink))
            });
        }
    });
    until("the other upstream is asked", async || {
        let answer = stage.client.get("/v1/a").await;
        answer.headers.contains_key("x-early")
    })
    .await;

    let token = stage.store.token.expose();
    let mut client = TcpStream::connect(stage.proxy.address).await.unwrap();
    let head = format!(
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: {BYTES}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b'y'; BYTES]).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();

    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert!(answer.len() > BYTES);
    serving.abort();
}
