//! A stand-in for Secrets Manager that enforces AWS's limits, which the emulators do not: an HTTP server on loopback.
//!
//! It checks neither signatures nor permissions. Its clock runs with the machine's and can be put forward.

mod account;
mod answer;
mod listing;
mod secret;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use self::account::Account;
use crate::calls::read_message;

/// What the fake enforces. The default is AWS's, with no rate and no delay.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Bytes of a value.
    pub(crate) value_bytes_max: usize,
    /// Versions younger than a day, of one secret.
    pub(crate) versions_max: usize,
    /// Calls a second of each group that AWS allows 50; the others in proportion.
    pub(crate) writes_per_second: Option<u32>,
    /// How long a removed secret's name stays taken.
    pub(crate) removal: Duration,
    /// How far the list of secrets is behind.
    pub(crate) list_lag: Duration,
    /// Operations that the caller may not call.
    pub(crate) denied: BTreeSet<&'static str>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes_max: 65_536,
            versions_max: 100,
            writes_per_second: None,
            removal: Duration::ZERO,
            list_lag: Duration::ZERO,
            denied: BTreeSet::new(),
        }
    }
}

/// A running fake; it ends with its last handle's runtime.
#[derive(Clone)]
pub(crate) struct Fake {
    address: SocketAddr,
    account: Arc<Mutex<Account>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let account = Arc::new(Mutex::new(Account::new(limits)));
        let shared = Arc::clone(&account);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Self { address, account }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.account.lock().unwrap().advance(by);
    }

    /// Changes what is enforced.
    pub(crate) fn limit(&self, change: impl FnOnce(&mut Limits)) {
        change(self.account.lock().unwrap().limits());
    }

    /// How many versions of a secret there are.
    pub(crate) fn versions(&self, name: &str) -> usize {
        self.account.lock().unwrap().versions(name)
    }

    /// Where a secret is replicated to.
    pub(crate) fn replicas(&self, name: &str) -> Vec<String> {
        self.account.lock().unwrap().replicas(name)
    }
}

async fn serve(client: TcpStream, account: Arc<Mutex<Account>>) {
    let (mut from_client, mut to_client) = client.into_split();
    while let Some((operation, message)) = read_message(&mut from_client).await {
        let body = body(&message);
        let answer = account.lock().unwrap().answer(&operation, &body);
        let (status, body) = match answer {
            Ok(body) => ("200 OK", body),
            Err(refusal) => ("400 Bad Request", refusal.body()),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = [head.as_bytes(), body.as_bytes()].concat();
        if to_client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn body(message: &[u8]) -> Value {
    const END: &[u8] = b"\r\n\r\n";
    let start = message.windows(END.len()).position(|it| it == END).unwrap() + END.len();
    serde_json::from_slice(&message[start..]).unwrap_or_default()
}
