//! What the system lets the process have open.

use tokio::net::TcpStream;

use crate::support::{Client, Process, Stage, until};

/// So many for one address, whatever is left of it.
const ARGUMENTS: [&str; 2] = ["--connections-per-address-max", "1000000"];

#[tokio::test]
async fn clients_leave_files_for_upstreams_and_operators() {
    let stage = Stage::new().await;
    let proxy = Process::start_limited(&stage.store, &ARGUMENTS, "ulimit -n 64").await;
    let line = proxy
        .logged(|line| {
            let message = line["message"].as_str().unwrap();
            message.starts_with("fewer clients are let in than declared")
        })
        .await;
    assert_eq!(line["connections"], 16);

    let client = Client::new(&proxy).bearing(&stage.store.token);
    assert_eq!(client.get("/v1/orders").await.status, 200);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(proxy.address).await.unwrap());
    }
    until("there is room for no more", async || {
        proxy.metric("tollgate_connections").await == Some(16.0)
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.status, 200);
    assert_eq!(proxy.get("/healthz").await.0, 200);

    drop(idle);
    let other = Client::new(&proxy).bearing(&stage.store.token);
    until("others are let in again", async || {
        let reply = other.try_get("/v1/orders").await;
        reply.is_some_and(|reply| reply.status == 200)
    })
    .await;
    let cant = "connections can't be accepted";
    assert!(!proxy.output().contains(cant));
}

#[tokio::test]
async fn a_limit_that_may_be_raised_bounds_nobody() {
    let stage = Stage::new().await;
    let proxy = Process::start_limited(&stage.store, &ARGUMENTS, "ulimit -Sn 64").await;

    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(proxy.address).await.unwrap());
    }
    until("all are let in", async || {
        proxy.metric("tollgate_connections").await == Some(100.0)
    })
    .await;
    let client = Client::new(&proxy).bearing(&stage.store.token);
    assert_eq!(client.get("/v1/orders").await.status, 200);
}
