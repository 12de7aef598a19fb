//! An endpoint that passes everything on to Secrets Manager's stand-in, counts the calls, and disturbs some of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

const TARGET: &str = "x-amz-target: secretsmanager.";
const ARRIVED_MAX: Duration = Duration::from_secs(10);
const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;

/// What happens to a call.
#[derive(Clone)]
pub(crate) enum Disturbance {
    /// It is passed on, as if nothing were.
    Pass,
    /// It is not passed on before it is released.
    Hold(Arc<Gate>),
    /// It is answered that there are too many calls.
    Throttle,
    /// It is passed on, but the answer never arrives.
    LoseAnswer,
    /// It never arrives.
    Lose,
}

/// Where a call waits.
pub(crate) struct Gate {
    arrived: Notify,
    released: Semaphore,
}

/// A call that waits for its turn.
pub(crate) struct Step {
    pub(crate) operation: String,
    gate: Arc<Gate>,
}

/// What a process calls.
pub(crate) struct Calls {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    seen: Vec<String>,
    /// How many calls are still passed on before everything is lost, as if the caller's process had ended.
    left: Option<usize>,
    /// How many calls are still passed on before one is held.
    held: Option<(usize, Arc<Gate>)>,
    /// Who is shown every call before it is passed on.
    steps: Option<mpsc::UnboundedSender<Step>>,
    /// What happens to the next calls of an operation, first to last.
    disturbances: Vec<(&'static str, Disturbance)>,
}

impl Calls {
    /// Listens, and passes on to `endpoint`, like `http://127.0.0.1:4566`.
    pub(crate) async fn to(endpoint: &str) -> Self {
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::<Mutex<Log>>::default();
        let shared = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&upstream).await.unwrap();
                tokio::spawn(pass(client, upstream, Arc::clone(&shared)));
            }
        });
        Self { address, log }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The operations called since this was last asked, sorted.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut self.log.lock().unwrap().seen);
        calls.sort();
        calls
    }

    /// Decides what happens to the next call of an operation that nothing was decided for yet.
    pub(crate) fn disturb(&self, operation: &'static str, disturbance: Disturbance) {
        let mut log = self.log.lock().unwrap();
        log.disturbances.push((operation, disturbance));
    }

    /// Passes on that many calls more, and then none: as if the process had ended there.
    pub(crate) fn die_after(&self, calls: usize) {
        self.log.lock().unwrap().left = Some(calls);
    }

    /// Whether a call was lost because the process had ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.log.lock().unwrap().left == Some(0)
    }

    /// Passes on that many calls more, and holds the next.
    pub(crate) fn hold_after(&self, calls: usize) -> Arc<Gate> {
        let gate = Gate::closed();
        self.log.lock().unwrap().held = Some((calls, Arc::clone(&gate)));
        gate
    }

    /// Holds every call from now on, and shows it.
    pub(crate) fn step(&self) -> mpsc::UnboundedReceiver<Step> {
        let (steps, shown) = mpsc::unbounded_channel();
        self.log.lock().unwrap().steps = Some(steps);
        shown
    }

    /// Passes on what comes from now on without showing it.
    pub(crate) fn stop_stepping(&self) {
        self.log.lock().unwrap().steps = None;
    }

    /// Holds the next call of an operation.
    pub(crate) fn hold(&self, operation: &'static str) -> Arc<Gate> {
        let gate = Gate::closed();
        self.disturb(operation, Disturbance::Hold(Arc::clone(&gate)));
        gate
    }
}

impl Step {
    /// Lets the call go on.
    pub(crate) fn release(&self) {
        self.gate.release();
    }
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            arrived: Notify::new(),
            released: Semaphore::new(0),
        })
    }

    /// Waits for the call as long as the caller is at work; `false` where it ended without it.
    pub(crate) async fn arrived_before(&self, work: &mut (impl Future + Unpin)) -> bool {
        tokio::select! {
            () = self.arrived() => true,
            _ = work => false,
        }
    }

    /// Waits until the call is there.
    pub(crate) async fn arrived(&self) {
        let arrived = timeout(ARRIVED_MAX, self.arrived.notified()).await;
        assert!(arrived.is_ok(), "no such call came");
    }

    /// Lets the call go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Log {
    fn note(&mut self, operation: &str) -> Disturbance {
        match &mut self.left {
            Some(0) => return Disturbance::Lose,
            Some(left) => *left -= 1,
            None => {}
        }
        self.seen.push(operation.to_owned());
        match self.held.take() {
            Some((0, gate)) => return Disturbance::Hold(gate),
            Some((left, gate)) => self.held = Some((left - 1, gate)),
            None => {}
        }
        if let Some(steps) = &self.steps {
            let gate = Gate::closed();
            let operation = operation.to_owned();
            let step = Step {
                operation,
                gate: Arc::clone(&gate),
            };
            if steps.send(step).is_ok() {
                return Disturbance::Hold(gate);
            }
        }
        let next = |(of, _): &(&str, Disturbance)| *of == operation;
        match self.disturbances.iter().position(next) {
            Some(position) => self.disturbances.remove(position).1,
            None => Disturbance::Pass,
        }
    }
}

async fn pass(client: TcpStream, upstream: TcpStream, log: Arc<Mutex<Log>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_upstream, mut to_upstream) = upstream.into_split();
    while let Some((operation, request)) = read_message(&mut from_client).await {
        let disturbance = log.lock().unwrap().note(&operation);
        match &disturbance {
            Disturbance::Throttle => return throttle(to_client).await,
            Disturbance::Lose => return,
            Disturbance::Hold(gate) => {
                gate.arrived.notify_one();
                gate.released.acquire().await.unwrap().forget();
            }
            Disturbance::Pass | Disturbance::LoseAnswer => {}
        }
        if to_upstream.write_all(&request).await.is_err() {
            return;
        }
        let Some((_, answer)) = read_message(&mut from_upstream).await else {
            return;
        };
        if matches!(disturbance, Disturbance::LoseAnswer) {
            return;
        }
        if to_client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

async fn throttle(mut to_client: OwnedWriteHalf) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{THROTTLED}",
        THROTTLED.len()
    );
    to_client.write_all(answer.as_bytes()).await.unwrap();
}

/// One request or answer with a `content-length`, and the operation that it names.
pub(crate) async fn read_message(from: &mut OwnedReadHalf) -> Option<(String, Vec<u8>)> {
    let mut message = Vec::new();
    loop {
        if from.read_buf(&mut message).await.ok()? == 0 {
            return None;
        }
        let Some(end) = message.windows(4).position(|it| it == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&message[..end]).into_owned();
        let field = |name: &str| {
            let mut lines = head.lines();
            let line = lines.find(|line| line.to_ascii_lowercase().starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned())
        };
        let body_bytes: usize = field("content-length:").unwrap().parse().unwrap();
        if message.len() >= head.len() + 4 + body_bytes {
            return Some((field(TARGET).unwrap_or_default(), message));
        }
    }
}
