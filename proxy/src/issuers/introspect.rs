//! Asks issuers about tokens that only they can read (RFC 7662).
//!
//! An answer is kept for a moment, and known by a token's SHA-256 alone. Whoever comes with the same token meanwhile
//! waits for the same answer. One that says yes is asked for again ahead of its end, beside the requests. Tokens that
//! somebody makes up cost the issuer no more calls than are declared, and one that fails is left alone for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::watch;
use tollgate_gate::{Introspection, Now, TokenDigest};
use tollgate_store::document::{self, ClientAuthentication};
use tollgate_store::{AnswerLife, AnswerTimeout, Name, Secret};
use zeroize::Zeroizing;

use super::answers::{Answers, Known};
use super::calls::{Asking, Calls};
use super::fetch::trusted;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::refusal::IntrospectionFault;
use crate::service::{Question, ServiceFault, encoded};
use crate::tls::Vault;
use crate::upstream::{Findings, SecretFile, Security, basic, secret};

/// How long an answer counts at most where nothing is declared, and one that says no.
const ANSWER_LIFE: Duration = Duration::from_mins(1);
const REFUSED_LIFE: Duration = Duration::from_secs(5);
/// An answer about a token that is about to end counts for as long: when it ends is looked at with each request.
const ANSWER_LIFE_MIN: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const CALLS_PER_SECOND: u32 = 50;
/// Of an answer's life, the last part in so many is when it is asked for again.
const RENEWAL_PART: u32 = 5;
/// The most questions that are under way, and of these the most about tokens that are not known.
const FLIGHTS_MAX: usize = 256;
const UNKNOWN_FLIGHTS_MAX: usize = FLIGHTS_MAX / 2;

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct Asker {
    issuer: Name,
    declared: document::Introspection,
    secret: Arc<SecretFile<Secret>>,
    security: Arc<Security>,
    clock: Clock,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

type Outcome = Option<Result<(), IntrospectionFault>>;

#[derive(Debug, Default)]
struct State {
    answers: Answers,
    flights: HashMap<TokenDigest, watch::Receiver<Outcome>>,
    calls: Calls,
}

/// Ends a question, also where what asks it does not come to an end.
struct Flight {
    asker: Arc<Asker>,
    token: TokenDigest,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.asker.state().flights.remove(&self.token);
    }
}

impl Asker {
    pub(super) fn new(
        issuer: &Name,
        declared: &document::Introspection,
        (security, vault): (Arc<Security>, &Vault),
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        Self {
            issuer: issuer.clone(),
            declared: declared.clone(),
            secret: Arc::new(SecretFile::new(&declared.client_secret, secret, vault)),
            security,
            clock,
            metrics,
            state: Mutex::default(),
        }
    }

    pub(super) fn declared(&self) -> &document::Introspection {
        &self.declared
    }

    /// Reads its secret again if it changed, and notes what is wrong with it.
    pub(super) fn look(&self, findings: &mut Findings) {
        self.secret.refresh();
        self.secret.report(findings);
    }

    /// What the issuer said of a token, as long as that counts.
    pub(super) fn known(&self, token: &TokenDigest) -> Option<Arc<Introspection>> {
        let now = self.clock.monotonic();
        let state = self.state();
        let known = state.answers.get(token, now)?;
        Some(Arc::clone(&known.answer))
    }

    /// Asks about a token that a client at that address sent, unless the answer is known. Who waits for no answer has none
    /// to wait for.
    pub(super) async fn ask(
        self: &Arc<Self>,
        token: &str,
        client: Option<IpAddr>,
    ) -> Result<(), IntrospectionFault> {
        let Some(mut flight) = self.begin(token, client)? else {
            return Ok(());
        };
        let landed = flight.wait_for(Option::is_some).await;
        let outcome = landed.ok().and_then(|outcome| *outcome);
        outcome.unwrap_or(Err(IntrospectionFault::Failed))
    }

    /// Begins to ask about a token, if nobody did; `None` where the answer is known. Call it within a runtime.
    pub(super) fn begin(
        self: &Arc<Self>,
        token: &str,
        client: Option<IpAddr>,
    ) -> Result<Option<watch::Receiver<Outcome>>, IntrospectionFault> {
        let digest = TokenDigest::of(token.as_bytes());
        let now = self.clock.monotonic();
        let mut state = self.state();
        if state.answers.get(&digest, now).is_some() {
            return Ok(None);
        }
        if let Some(flight) = state.flights.get(&digest) {
            return Ok(Some(flight.clone()));
        }
        let most = self.most();
        let flight = state.take_off(&digest, (client, now), most);
        drop(state);
        match flight {
            Ok((landing, flight)) => {
                self.send(token, digest, landing);
                Ok(Some(flight))
            }
            Err(fault) => {
                let issuers = &self.metrics.issuers;
                issuers.introspection(&self.issuer, result(Err(fault)));
                Err(fault)
            }
        }
    }

    /// Begins to ask again about a token that was good, if its answer ends soon. Call it within a runtime.
    pub(super) fn renew(self: &Arc<Self>, token: &str) {
        let digest = TokenDigest::of(token.as_bytes());
        let now = self.clock.monotonic();
        let mut state = self.state();
        let known = state.answers.get(&digest, now);
        let from = known.and_then(|known| known.renewed_from);
        if from.is_none_or(|from| now < from) || state.flights.contains_key(&digest) {
            return;
        }
        // Where there is no room, what is known counts on, and the next request tries.
        let flight = state.take_off(&digest, (None, now), self.most());
        drop(state);
        if let Ok((landing, _)) = flight {
            self.send(token, digest, landing);
        }
    }

    fn most(&self) -> u32 {
        self.declared.calls_per_second.unwrap_or(CALLS_PER_SECOND)
    }

    /// It goes on also if whoever asked first goes away.
    fn send(self: &Arc<Self>, token: &str, digest: TokenDigest, landing: watch::Sender<Outcome>) {
        let ending = Flight {
            asker: Arc::clone(self),
            token: digest,
        };
        let token = Secret::new(token.to_owned());
        tokio::spawn(async move {
            let outcome = ending.asker.fly(&token, digest).await;
            drop(ending);
            landing.send_replace(Some(outcome));
        });
    }

    async fn fly(&self, token: &Secret, digest: TokenDigest) -> Result<(), IntrospectionFault> {
        let fetched = self.fetch(token).await.map_err(|(fault, cause)| {
            let issuer = self.issuer.as_str();
            tracing::warn!(issuer, cause, "an issuer can't be asked about a token");
            fault
        });
        let now = self.clock.now();
        let mut state = self.state();
        let outcome = fetched.map(|answer| {
            let is_active = answer.is_active();
            state.answers.learn(digest, self.judged(answer, now));
            is_active
        });
        state.calls.note(outcome.is_ok(), now.monotonic);
        drop(state);
        self.metrics
            .issuers
            .introspection(&self.issuer, result(outcome));
        outcome.map(drop)
    }

    /// For how long an answer counts, and from when on it is asked for again.
    fn judged(&self, answer: Introspection, now: Now) -> Known {
        let most = self.declared.cache.as_ref();
        let most = most.map_or(ANSWER_LIFE, AnswerLife::length);
        let life = life(&answer, most, now.wall.as_second());
        // A refusal, or a token that ends before its answer would: neither is worth a call that nobody waits for.
        let is_renewed = answer.is_active() && life == most;
        let until = now.monotonic + life;
        Known {
            answer: Arc::new(answer),
            until,
            renewed_from: is_renewed.then(|| until.saturating_sub(life / RENEWAL_PART)),
        }
    }

    /// Asks about a token, whatever is known of it; the error also says in words what is wrong.
    pub(super) async fn fetch(
        &self,
        token: &Secret,
    ) -> Result<Introspection, (IntrospectionFault, String)> {
        let failed = |cause: String| (IntrospectionFault::Failed, cause);
        let tls = trusted(&self.security).await;
        let file = Arc::clone(&self.secret);
        // It takes as long as the file system does.
        let _ = tokio::task::spawn_blocking(move || file.refresh()).await;
        let tls = tls.map_err(failed)?;
        let question = self.question(token).map_err(failed)?;
        let answer = question.ask(&self.declared.url, &tls).await;
        let answer = answer.map_err(|fault| match fault {
            ServiceFault::TooLate(_) => (IntrospectionFault::TooLate, fault.to_string()),
            _ => failed(fault.to_string()),
        })?;
        Introspection::parse(&answer.body).map_err(failed)
    }

    fn question(&self, token: &Secret) -> Result<Question, String> {
        let secret = self.secret.value();
        let secret = secret.ok_or("the client's secret could not be read")?;
        let id = encoded(self.declared.client_id.as_str());
        let secret = encoded(secret.expose());
        let token = encoded(token.expose());
        let mut form = format!("token={}&token_type_hint=access_token", *token);
        let mut authorization: Option<HeaderValue> = None;
        match self.declared.method {
            Some(ClientAuthentication::ClientSecretPost) => {
                let own = Zeroizing::new(format!("&client_id={}&client_secret={}", *id, *secret));
                form.push_str(&own);
            }
            Some(ClientAuthentication::ClientSecretBasic) | None => {
                authorization = basic(&id, &secret);
            }
        }
        let timeout = self.declared.timeout.as_ref();
        let timeout = timeout.map_or(ANSWER_TIMEOUT, AnswerTimeout::length);
        Ok(Question::form(Bytes::from(form), authorization).within(timeout))
    }

    /// A panic elsewhere leaves what is known as good as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an answer counts.
fn life(answer: &Introspection, most: Duration, now: i64) -> Duration {
    if !answer.is_active() {
        return REFUSED_LIFE;
    }
    let Some(end) = answer.expires_at() else {
        return most;
    };
    let left = u64::try_from(end.saturating_sub(now)).unwrap_or_default();
    Duration::from_secs(left).clamp(ANSWER_LIFE_MIN, most)
}

fn result(outcome: Result<bool, IntrospectionFault>) -> &'static str {
    match outcome {
        Ok(true) => "active",
        Ok(false) => "inactive",
        Err(IntrospectionFault::Failed) => "failed",
        Err(IntrospectionFault::TooLate) => "timeout",
        Err(IntrospectionFault::CircuitOpen) => "circuit_open",
        Err(IntrospectionFault::Budget) => "budget",
    }
}

impl State {
    /// Where there is room for a question about a token, the two ends of its answer.
    fn take_off(
        &mut self,
        token: &TokenDigest,
        (client, now): (Option<IpAddr>, Duration),
        most: u32,
    ) -> Result<(watch::Sender<Outcome>, watch::Receiver<Outcome>), IntrospectionFault> {
        let (asking, flights_max) = if self.answers.was_active(token) {
            (Asking::Known, FLIGHTS_MAX)
        } else {
            (Asking::Unknown(client), UNKNOWN_FLIGHTS_MAX)
        };
        if self.flights.len() >= flights_max {
            return Err(IntrospectionFault::Budget);
        }
        self.calls.admit(asking, now, most)?;
        let (landing, flight) = watch::channel(None);
        self.flights.insert(*token, flight.clone());
        Ok((landing, flight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_counts_no_longer_than_its_token_and_than_a_minute() {
        let read = |text: &str| Introspection::parse(text.as_bytes()).unwrap();
        let (minute, half) = (at(60), at(30));

        for (text, most, seconds) in [
            (r#"{"active": true}"#, minute, 60),
            (r#"{"active": true}"#, half, 30),
            (r#"{"active": true, "exp": 1010}"#, minute, 10),
            (r#"{"active": true, "exp": 9999}"#, minute, 60),
            (r#"{"active": true, "exp": 7}"#, minute, 1),
            (r#"{"active": false, "exp": 9999}"#, minute, 5),
        ] {
            assert_eq!(life(&read(text), most, 1_000), at(seconds), "{text}");
        }
    }
}
