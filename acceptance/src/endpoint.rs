//! An endpoint between the provider and LocalStack that counts calls, and disturbs some of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::background::Background;
use crate::chance::drawn;
use crate::relay::{Answer, Problem, Relay, Station, operation, serve};
use crate::{Failure, LocalStack};

/// Longer than LocalStack ever takes, though all else is waited for by it.
const CALL_MAX: Duration = Duration::from_mins(1);
/// Calls that change nothing: what a process leaves in the store is the same before and after them.
const READING: [&str; 4] = [
    "GetSecretValue",
    "BatchGetSecretValue",
    "DescribeSecret",
    "ListSecrets",
];

/// What happens to calls from now on.
pub enum Disturbance {
    /// They are passed on.
    Nothing,
    /// They are passed on, and at one of them something is done.
    Strike(Strike),
    /// So many of a hundred are answered that there are too many calls, beginning with a number, counted from 1.
    Throttling {
        /// How many of a hundred.
        percent: u64,
        /// From which call on; [`Calls::Changing`] count.
        from: u32,
        /// What the choice depends on.
        seed: u64,
    },
}

/// Something that is done at a call.
pub struct Strike {
    /// Which calls count.
    pub calls: Calls,
    /// The number of the call, counted from 1.
    pub number: u32,
    /// Whether LocalStack hears of the call.
    pub moment: Moment,
    /// What is done, while the caller waits for its answer.
    pub act: Box<dyn Fn() + Send>,
}

/// Which calls count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// All.
    Every,
    /// Those that change something in the store.
    Changing,
}

/// When something is done about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In its place: the call is never passed on, and never answered.
    Before,
    /// After LocalStack has carried it out, and before the caller knows.
    After,
}

/// The running endpoint, on loopback, on a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Endpoint {
    server: Background,
    calls: Arc<Mutex<Counted>>,
}

struct Counted {
    every: u32,
    changing: u32,
    struck: bool,
    throttled: u32,
    disturbance: Disturbance,
}

/// What happens to one call.
enum Turn {
    Pass,
    Throttle,
    Strike(Strike),
}

impl Endpoint {
    /// Starts one that passes everything on.
    pub fn to(localstack: &LocalStack) -> Result<Self, Failure> {
        let calls = Arc::new(Mutex::new(Counted::new(Disturbance::Nothing)));
        let passage = Arc::new(Passage {
            relay: Relay::to(localstack),
            calls: Arc::clone(&calls),
        });
        let server = Background::start("the endpoint can't start", async |listener| {
            serve(listener, passage).await;
        })?;
        Ok(Self { server, calls })
    }

    /// Where it answers, like `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Decides what happens to calls from now on, and counts from 1 again.
    pub fn disturb(&self, disturbance: Disturbance) {
        *lock(&self.calls) = Counted::new(disturbance);
    }

    /// Ends the disturbance; returns whether it came to a strike.
    #[must_use]
    pub fn calm(&self) -> bool {
        let counted =
            std::mem::replace(&mut *lock(&self.calls), Counted::new(Disturbance::Nothing));
        counted.struck
    }

    /// How many calls were answered since the last decision that there are too many.
    #[must_use]
    pub fn throttled(&self) -> u32 {
        lock(&self.calls).throttled
    }
}

impl Counted {
    fn new(disturbance: Disturbance) -> Self {
        Self {
            every: 0,
            changing: 0,
            struck: false,
            throttled: 0,
            disturbance,
        }
    }

    fn turn(&mut self, operation: &str) -> Turn {
        let changes = !READING.contains(&operation);
        self.every += 1;
        self.changing += u32::from(changes);
        match &self.disturbance {
            Disturbance::Nothing => Turn::Pass,
            Disturbance::Throttling {
                percent,
                from,
                seed,
            } => {
                let chosen = drawn(*seed, self.every.into()) % 100 < *percent;
                if self.changing.max(1) < *from || !chosen {
                    return Turn::Pass;
                }
                self.throttled += 1;
                Turn::Throttle
            }
            Disturbance::Strike(strike) => {
                let (counts, count) = match strike.calls {
                    Calls::Every => (true, self.every),
                    Calls::Changing => (changes, self.changing),
                };
                if !counts || count != strike.number {
                    return Turn::Pass;
                }
                self.struck = true;
                let strike = std::mem::replace(&mut self.disturbance, Disturbance::Nothing);
                match strike {
                    Disturbance::Strike(strike) => Turn::Strike(strike),
                    _ => Turn::Pass,
                }
            }
        }
    }
}

struct Passage {
    relay: Relay,
    calls: Arc<Mutex<Counted>>,
}

impl Station for Passage {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let turn = lock(&self.calls).turn(operation(&request).unwrap_or_default());
        match turn {
            Turn::Pass => self.pass(request).await,
            Turn::Throttle => Ok(throttled()),
            Turn::Strike(strike) => match strike.moment {
                Moment::Before => {
                    (strike.act)();
                    Err("the caller is gone".into())
                }
                Moment::After => {
                    let answer = self.pass(request).await;
                    (strike.act)();
                    answer
                }
            },
        }
    }
}

impl Passage {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        tokio::time::timeout(CALL_MAX, self.relay.pass(request)).await?
    }
}

fn throttled() -> Answer {
    const BODY: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    let mut answer = Response::new(Full::new(Bytes::from_static(BODY.as_bytes())));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.1");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    answer
}

fn lock(calls: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} calls, {} of them change something",
            self.every, self.changing
        )
    }
}
