//! A hundred clients of one principal, each by a connection of its own, spread over the proxies.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use tollgate_acceptance::{Failure, clock};

use super::super::load::{PATH, answer};
use super::servers::Edges;

/// How many clients there are.
const CLIENTS: u32 = 100;
/// How many requests all of them send in a second: far fewer than the proxies could answer.
pub(super) const RATE: u32 = 1_000;
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// When it had come, from the begin of all.
    pub(super) at: Duration,
    /// How long it took, in microseconds.
    pub(super) took_us: u32,
    pub(super) status: u16,
}

/// Clients at work.
pub(super) struct Crowd<'scope>(Vec<ScopedJoinHandle<'scope, Result<Vec<Seen>, Failure>>>);

impl<'scope> Crowd<'scope> {
    /// They ask until it is over.
    pub(super) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        edges: &'env Edges,
        (begun, is_over): (Instant, &'env AtomicBool),
    ) -> Self {
        let client = |number| scope.spawn(move || ask(number, edges, (begun, is_over)));
        Self((0..CLIENTS).map(client).collect())
    }

    /// All that they saw.
    pub(super) fn end(self) -> Result<Vec<Seen>, Failure> {
        let mut all = Vec::new();
        for client in self.0 {
            all.extend(client.join().map_err(|_| broken("a client's panic"))??);
        }
        Ok(all)
    }
}

fn ask(
    number: u32,
    edges: &Edges,
    (begun, is_over): (Instant, &AtomicBool),
) -> Result<Vec<Seen>, Failure> {
    let address = edges.address(number);
    let mut stream = TcpStream::connect(address).map_err(Failure::system("no connection"))?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(ANSWER_MAX)))
        .map_err(Failure::system("no connection"))?;
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nX-Api-Key: {}\r\n\r\n",
        edges.token().expose()
    );
    let interval = Duration::from_secs(1) * CLIENTS / RATE;
    let mut due = begun + interval * number / CLIENTS;
    let mut seen = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(clock::now()));
        due += interval;
        let sent = clock::now();
        stream
            .write_all(request.as_bytes())
            .map_err(Failure::system("no request"))?;
        let status = answer::read(&mut stream)?;
        let now = clock::now();
        let took = now.saturating_duration_since(sent).as_micros();
        seen.push(Seen {
            at: now.saturating_duration_since(begun),
            took_us: u32::try_from(took).unwrap_or(u32::MAX),
            status,
        });
    }
    Ok(seen)
}

fn broken(got: &str) -> Failure {
    Failure::Unexpected {
        what: "the load on the fleet".to_owned(),
        expected: "clients that ask to the end".to_owned(),
        got: got.to_owned(),
    }
}
