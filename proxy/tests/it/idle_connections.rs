//! Clients that connect and then say nothing for a while: each takes little.

use serde_json::json;
use tokio::task::JoinSet;
use tollgate_store::document::Kind;

use crate::support::{Authority, Files, Process, Stage, TlsClient};

/// The most memory that a connection may take, of a build that is not optimized.
const BYTES_MAX: u64 = 32 * 1024;
/// How many connections are made at once.
const AT_ONCE: usize = 50;

/// How many connections there are: `make soak` has as many as one proxy serves.
fn count() -> usize {
    match std::env::var_os("TOLLGATE_TEST_SOAK") {
        None => 500,
        Some(_) => 9_900,
    }
}

#[tokio::test]
async fn idle_tls_connections_take_little_and_none_is_refused() {
    let stage = Stage::new().await;
    let (files, authority) = (Files::new(), Authority::new("servers"));
    files.put("edge.pem", &authority.server(&["localhost"]).pem);
    let document = files.document(&["edge.pem"], &json!({}));
    stage.store.put(Kind::Proxy, "edge", document).await;
    let proxy = Process::start(&stage.store, &["--connections-per-address-max", "10000"]).await;
    let client = TlsClient::trusting(&authority);
    let mut idle = vec![client.connect(proxy.address, "localhost").await.unwrap()];
    let before = proxy.resident_bytes();

    while idle.len() < count() {
        let mut newcomers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let client = client.clone();
            newcomers.spawn(async move { client.connect(proxy.address, "localhost").await });
        }
        for newcomer in newcomers.join_all().await {
            idle.push(newcomer.expect("none is refused"));
        }
    }

    let each = proxy.resident_bytes().saturating_sub(before) / idle.len() as u64;
    println!("{each} bytes for each of {} connections", idle.len());
    assert!(each <= BYTES_MAX, "{each} bytes each");
    // On a busy machine the first has been idle for longer than it may.
    let last = idle.pop().unwrap();
    let (_, answer) = crate::support::ask(last, &stage.store.token).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "the last serves beside all others"
    );
}
