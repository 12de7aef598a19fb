//! Who may ask the proxy how it is, and how often at once.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{PATIENCE, Stage};

/// More connections than operators may have.
const CONNECTIONS: usize = 100;

/// Asks from another address of this machine than the usual one.
async fn ask_from_elsewhere(admin: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(admin).await.unwrap();
    let question = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(question.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn one_address_alone_does_not_keep_others_from_being_told_that_the_proxy_is_alive() {
    let stage = Stage::new().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(TcpStream::connect(stage.proxy.admin).await.unwrap());
    }

    let answer = tokio::time::timeout(PATIENCE, ask_from_elsewhere(stage.proxy.admin)).await;
    let answer = answer.expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
