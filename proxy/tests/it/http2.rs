//! Upstreams that are spoken to by HTTP/2, as gRPC is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tollgate_store::document::Kind;

use crate::support::{Client, PATIENCE, Process, Stage, Store, until};

/// A server of gRPC to the letter: it echoes each message of a call, and ends with trailers.
async fn grpc_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, answer))) = connection.accept().await {
                    tokio::spawn(echo_call(request, answer));
                }
            });
        }
    });
    url
}

async fn echo_call(request: Request<h2::RecvStream>, mut answer: h2::server::SendResponse<Bytes>) {
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.headers()["x-tollgate-key"], "acme");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert!(!request.headers().contains_key("host"));
    if request.uri().path() == "/v1/fails" {
        // gRPC's short form: the trailers are the head.
        let response = Response::builder()
            .header("grpc-status", "5")
            .body(())
            .unwrap();
        answer.send_response(response, true).unwrap();
        return;
    }
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let mut outgoing = answer.send_response(response, false).unwrap();
    let mut incoming = request.into_body();
    while let Some(Ok(message)) = incoming.data().await {
        incoming
            .flow_control()
            .release_capacity(message.len())
            .unwrap();
        outgoing.send_data(message, false).unwrap();
    }
    let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    outgoing.send_trailers(status).unwrap();
}

async fn grpc_client(proxy: &Process) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client.ready().await.unwrap()
}

fn call(proxy: &Process, store: &Store, path: &str) -> Request<()> {
    Request::builder()
        .method("POST")
        .uri(format!("http://{}{path}", proxy.address))
        .header("authorization", format!("Bearer {}", store.token.expose()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

async fn grpc_stage() -> (Store, Process) {
    let url = grpc_server().await;
    let store = Store::new();
    store.fill(&url).await;
    let spec = json!({"targets": [url], "protocol": "h2"});
    store.put(Kind::Upstream, "backend", spec).await;
    let proxy = Process::start(&store, &[]).await;
    (store, proxy)
}

#[tokio::test]
async fn a_grpc_stream_passes_both_ways_message_by_message() {
    let (store, proxy) = grpc_stage().await;
    let mut client = grpc_client(&proxy).await;
    let request = call(&proxy, &store, "/v1/echo");
    let (answer, mut outgoing) = client.send_request(request, false).unwrap();
    outgoing
        .send_data(Bytes::from_static(b"one"), false)
        .unwrap();

    // The answer begins before the request ends.
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut incoming = answer.into_body();
    for (message, next) in [("one", "two"), ("two", "three")] {
        let echoed = incoming.data().await.unwrap().unwrap();
        assert_eq!(echoed, message);
        incoming
            .flow_control()
            .release_capacity(echoed.len())
            .unwrap();
        outgoing.send_data(Bytes::from(next), false).unwrap();
    }
    assert_eq!(incoming.data().await.unwrap().unwrap(), "three");
    outgoing.send_data(Bytes::new(), true).unwrap();
    assert!(incoming.data().await.is_none());
    let trailers = incoming.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn a_grpc_failure_without_a_body_passes() {
    let (store, proxy) = grpc_stage().await;
    let mut client = grpc_client(&proxy).await;
    let request = call(&proxy, &store, "/v1/fails");
    let (answer, _) = client.send_request(request, true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(answer.headers()["grpc-status"], "5");
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn a_call_that_its_client_cancels_is_cancelled_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let store = Store::new();
    store.fill(&url).await;
    let spec = json!({"targets": [url], "protocol": "h2"});
    store.put(Kind::Upstream, "backend", spec).await;
    let proxy = Process::start(&store, &[]).await;
    let cancelled = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_request, mut answer) = connection.accept().await.unwrap().unwrap();
        let driver = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let reason = std::future::poll_fn(|context| answer.poll_reset(context)).await;
        driver.abort();
        reason.unwrap()
    });
    let mut client = grpc_client(&proxy).await;
    let (answer, mut outgoing) = client
        .send_request(call(&proxy, &store, "/v1/held"), false)
        .unwrap();
    until("the upstream has it", async || {
        proxy.metric("tollgate_requests_in_flight").await == Some(1.0)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    outgoing.send_reset(h2::Reason::CANCEL);
    drop(answer);

    let reason = tokio::time::timeout(PATIENCE, cancelled).await.unwrap();
    assert_eq!(reason.unwrap(), h2::Reason::CANCEL);
}

/// An upstream that carries two requests at once by each connection, and holds those to `/v1/held` until it is let.
async fn narrow_server(connections: Arc<AtomicUsize>, gate: Arc<Semaphore>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.max_concurrent_streams(2);
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((request, mut answer))) = connection.accept().await {
                    let gate = Arc::clone(&gate);
                    tokio::spawn(async move {
                        if request.uri().path() == "/v1/held" {
                            gate.acquire().await.unwrap().forget();
                        }
                        answer.send_response(Response::new(()), true).unwrap();
                    });
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn requests_at_once_share_a_connection_within_what_the_upstream_allows() {
    let (connections, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let url = narrow_server(Arc::clone(&connections), Arc::clone(&gate)).await;
    let store = Store::new();
    store.fill(&url).await;
    let spec = json!({"targets": [url], "protocol": "h2"});
    store.put(Kind::Upstream, "backend", spec).await;
    // One thread, so that all of them may share.
    let proxy = Process::start(&store, &["--workers", "1"]).await;
    let client = || Client::new(&proxy).bearing(&store.token);
    for _ in 0..5 {
        assert_eq!(client().get("/v1/orders").await.status, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    let asked: Vec<_> = [(); 6]
        .map(|()| client())
        .map(|client| tokio::spawn(async move { client.get("/v1/held").await.status }))
        .into();
    until("they have three connections", async || {
        connections.load(Ordering::SeqCst) == 3
    })
    .await;
    gate.add_permits(6);
    for status in asked {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_upstream_that_knows_no_http_2_is_a_bad_gateway() {
    let stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.writable().await.unwrap();
            let _ = stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let spec = json!({"targets": [url], "protocol": "h2"});
    stage.store.put(Kind::Upstream, "backend", spec).await;

    until("the upstream is asked", async || {
        stage.client.get("/v1/orders").await.status == 502
    })
    .await;
}

/// An upstream that takes leave of each connection after a few requests.
async fn parting_server(connections: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut carried = 0;
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    carried += 1;
                    if carried == 7 {
                        connection.graceful_shutdown();
                    }
                    tokio::spawn(async move {
                        tokio::task::yield_now().await;
                        let _ = answer.send_response(Response::new(()), true);
                    });
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn an_upstream_that_takes_leave_of_its_connections_costs_no_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let url = parting_server(Arc::clone(&connections)).await;
    let store = Store::new();
    store.fill(&url).await;
    let spec = json!({"targets": [url], "protocol": "h2"});
    store.put(Kind::Upstream, "backend", spec).await;
    let proxy = Process::start(&store, &[]).await;
    let asked: Vec<_> = [(); 8]
        .map(|()| Client::new(&proxy).bearing(&store.token))
        .map(|client| {
            tokio::spawn(async move {
                for number in 0..40 {
                    let reply = client.get("/v1/orders").await;
                    assert_eq!(reply.status, 200, "{number}: {}", reply.text());
                }
            })
        })
        .into();
    for asked in asked {
        asked.await.unwrap();
    }

    assert!(connections.load(Ordering::SeqCst) > 20);
}
