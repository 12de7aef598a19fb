use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tollgate_conditions::Cedar;
use tollgate_gate::Snapshot;
use tollgate_store::Name;

use super::*;
use crate::access_log::AccessLog;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::connection::{self, Ending, Protocol};
use crate::cut::Cuts;
use crate::metrics::CredentialFetches;
use crate::tls::Vault;
use crate::upstream::{AwsIdentity, Means, SystemTrust};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A gateway behind a listener, and what it logs.
async fn gateway() -> (Arc<Gateway>, SocketAddr, Paper) {
    let (clock, paper) = (Clock::start(), Paper::default());
    let ledger = Arc::new(Ledger {
        clock,
        log: AccessLog::start(paper.clone(), clock, Counter::default()).unwrap(),
        metrics: Arc::default(),
        is_cutting: AtomicBool::new(false),
    });
    let gateway = Arc::new(Gateway::new(ledger));
    let (snapshot, _) = Snapshot::build(&[], &Name::parse("edge").unwrap(), &Cedar);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let means = Means {
        trust: SystemTrust::default(),
        vault: Vault::default(),
        aws: AwsIdentity::new(clock),
        fetches: CredentialFetches::default(),
    };
    let generation = Generation::next(snapshot, None, &means);
    gateway.generation.store(Some(Arc::new(generation)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = Arc::clone(&gateway);
    tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let ending = Ending {
            closing: CancellationToken::new(),
            refusing: CancellationToken::new(),
            cutting: CancellationToken::new(),
            linger: std::time::Duration::ZERO,
        };
        let caller = Caller::new(Some(peer.ip()), None);
        let manner = (Protocol::Either, Cuts::default());
        connection::serve(stream, (handler, caller), manner, ending).await;
    });
    (gateway, address, paper)
}

/// Sends a request, and reads the answer to the end of its JSON.
async fn ask(stream: &mut TcpStream, more: &str) -> String {
    let request = format!("GET /v1 HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('}') {
        answer.push(char::from(stream.read_u8().await.unwrap()));
    }
    answer
}

#[tokio::test]
async fn a_panic_in_one_request_is_a_500_with_its_id_and_nothing_else() {
    let (gateway, address, paper) = gateway().await;
    let metrics = &gateway.ledger.metrics;
    panics::watch(metrics);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut stream, "X-Test-Panic: yes\r\n").await;

    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let (_, id) = answer.split_once("x-request-id: ").unwrap();
    let (id, _) = id.split_once("\r\n").unwrap();
    assert!(
        answer.contains(&format!("\"request_id\":\"{id}\"")),
        "{answer}"
    );
    assert!(!answer.contains("a bug"), "{answer}");
    // The connection carries the next one.
    let next = ask(&mut stream, "").await;
    assert!(next.starts_with("HTTP/1.1 503 "), "{next}");

    gateway.ledger.log.flush(std::time::Duration::from_secs(10));
    let lines = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let line = lines.lines().find(|line| line.contains(id)).unwrap();
    assert!(
        line.contains("\"status\":500,\"reason\":\"internal\""),
        "{line}"
    );
    assert_eq!(metrics.panics.get(), 1);
    assert_eq!(metrics.requests_in_flight.get(), 0);
    let series = "tollgate_requests_total{class=\"5xx\",reason=\"internal\",route=\"\"} 1";
    assert!(metrics.text().contains(series), "{}", metrics.text());
}

#[test]
fn a_new_id_is_a_uuid_of_version_7() {
    let now = "2027-06-30T00:00:00.123Z".parse().unwrap();
    let [id, other] = [(); 2].map(|()| new_request_id(now));
    assert_ne!(id, other);
    let id = Uuid::parse_str(id.to_str().unwrap()).unwrap();

    assert_eq!(id.get_version_num(), 7);
    let (seconds, nanoseconds) = id.get_timestamp().unwrap().to_unix();
    assert_eq!(seconds, 1_814_313_600);
    assert_eq!(nanoseconds, 123_000_000);
}
