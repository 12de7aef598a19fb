//! Tokens that an authorization server hands out for those of callers (RFC 8693).
//!
//! A caller's token is exchanged by the first request that bears it, once for all of them, and again ahead of the end of
//! what came. What is kept is found by the hash of the caller's token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::HeaderValue;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tollgate_store::Name;
use tollgate_store::document::TokenExchange;
use zeroize::Zeroizing;

use super::bearer::{Fault, Token};
use super::token_endpoint::{TokenEndpoint, form};
use crate::service::{ANSWER_MAX, encoded};
use crate::upstream::{Findings, Means};

const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
/// The most callers whose tokens are kept for one upstream.
const TOKENS_MAX: usize = 10_000;
/// The most exchanges at once; those beyond wait for one to end.
const EXCHANGES_MAX: usize = 64;
/// How long a token is not exchanged again after that failed.
const FAILURE_HOLD: Duration = Duration::from_secs(2);
/// How long an exchanged token is kept where nothing tells when the caller's ends.
const LIFE_UNKNOWN: Duration = Duration::from_mins(1);
/// How often the log tells why there is none.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

type Hash = [u8; 32];

/// Where the proxy exchanges its callers' tokens for one upstream.
#[derive(Debug)]
pub(super) struct Exchange {
    endpoint: TokenEndpoint,
    /// All of it but the caller's token.
    form: Zeroizing<String>,
    slots: Mutex<HashMap<Hash, Arc<Slot>>>,
    exchanges: Semaphore,
    told: Mutex<Option<Instant>>,
}

/// What one caller's token was exchanged for.
#[derive(Debug, Default)]
struct Slot {
    token: ArcSwapOption<Token>,
    /// Held while the server is asked; when that last failed.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

/// What a caller's token says of its end.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

impl Exchange {
    pub(super) fn new(declared: &TokenExchange, upstream: &Name, means: &Means) -> Self {
        let client = declared.client();
        Self {
            endpoint: TokenEndpoint::new(&client, upstream, means),
            form: form(GRANT, &client),
            slots: Mutex::default(),
            exchanges: Semaphore::new(EXCHANGES_MAX),
            told: Mutex::default(),
        }
    }

    /// What to show for a caller's token; `None` where there is nothing.
    pub(super) async fn value(
        self: &Arc<Self>,
        subject: &str,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let slot = self.slot(Sha256::digest(subject.as_bytes()).into());
        let Some(value) = slot.ready() else {
            return Box::pin(self.first(&slot, (subject, now))).await;
        };
        if slot.is_due() && slot.asking.try_lock().is_ok() {
            let subject = Zeroizing::new(subject.to_owned());
            tokio::spawn(Arc::clone(self).again(slot, subject, now));
        }
        Some(value)
    }

    /// Exchanges a token anew, beside the requests that show what is at hand.
    async fn again(self: Arc<Self>, slot: Arc<Slot>, subject: Zeroizing<String>, now: Timestamp) {
        if let Ok(mut failed) = slot.asking.try_lock() {
            self.ask(&slot, (&subject, now), &mut failed).await;
        }
    }

    async fn first(&self, slot: &Slot, subject: (&str, Timestamp)) -> Option<HeaderValue> {
        let mut failed = slot.asking.lock().await;
        if let Some(value) = slot.ready() {
            return Some(value);
        }
        self.ask(slot, subject, &mut failed).await;
        slot.ready()
    }

    /// Reads the secret again.
    pub(super) fn refresh(&self) {
        self.endpoint.refresh();
    }

    /// Notes what is wrong with its secret.
    pub(super) fn report(&self, findings: &mut Findings) {
        self.endpoint.report(findings);
    }

    async fn ask(
        &self,
        slot: &Slot,
        (subject, now): (&str, Timestamp),
        failed: &mut Option<Instant>,
    ) {
        let began = Instant::now();
        if failed.is_some_and(|failed| began.duration_since(failed) < FAILURE_HOLD) {
            return;
        }
        let too_late = |_| Err("too many exchanges are under way".into());
        let exchange = tokio::time::timeout(ANSWER_MAX * 2, self.exchange(subject)).await;
        let exchange = exchange.unwrap_or_else(too_late);
        self.endpoint.count(exchange.is_ok());
        match exchange {
            Ok(token) => {
                *failed = None;
                let end = began + life(subject, now);
                slot.token.store(Some(Arc::new(token.until(end))));
            }
            Err(fault) => {
                *failed = Some(Instant::now());
                self.complain(&fault);
            }
        }
    }

    async fn exchange(&self, subject: &str) -> Result<Token, Fault> {
        let _exchanging = self.exchanges.acquire().await?;
        let subject = encoded(subject);
        let form = [
            self.form.as_str(),
            "&subject_token=",
            &subject,
            // An access token.
            "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        ]
        .concat();
        self.endpoint.ask(form.into()).await
    }

    fn slot(&self, hash: Hash) -> Arc<Slot> {
        let mut slots = self.slots();
        if slots.len() >= TOKENS_MAX && !slots.contains_key(&hash) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.ready().is_some());
            if slots.len() >= TOKENS_MAX {
                slots.clear();
            }
        }
        Arc::clone(slots.entry(hash).or_default())
    }

    /// Now and then, as every caller may fail.
    fn complain(&self, cause: &Fault) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| now.duration_since(told) >= COMPLAINT_INTERVAL) {
            *told = Some(now);
            let (upstream, token_url) = (&self.endpoint.upstream, &self.endpoint.url);
            tracing::warn!(%upstream, %token_url, %cause, "a caller's token could not be exchanged");
        }
    }

    /// A panic elsewhere leaves what is kept as good as it was.
    fn slots(&self) -> MutexGuard<'_, HashMap<Hash, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn is_due(&self) -> bool {
        let token = self.token.load();
        token
            .as_ref()
            .is_none_or(|token| Instant::now() >= token.renewal)
    }

    fn ready(&self) -> Option<HeaderValue> {
        self.token.load().as_ref()?.ready()
    }
}

/// How long a caller's token, which is known to be good, still is.
fn life(subject: &str, now: Timestamp) -> Duration {
    let claims = subject.split('.').nth(1).and_then(|part| {
        let json = Zeroizing::new(BASE64.decode(part).ok()?);
        serde_json::from_slice::<Claims>(&json).ok()
    });
    let Some(Claims { exp }) = claims else {
        return LIFE_UNKNOWN;
    };
    let left = exp - now.as_duration().as_secs_f64();
    Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(LIFE_UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_kept_no_longer_than_the_callers_token_is_good() {
        let now = Timestamp::from_second(1_000).unwrap();
        let token = |claims: &str| format!("a.{}.c", BASE64.encode(claims));
        for (subject, seconds) in [
            (token(r#"{"exp": 1090}"#), 90),
            (token(r#"{"exp": 900}"#), 0),
            (token(r#"{"exp": 1e300}"#), 60),
            (token("{}"), 60),
            ("opaque".to_owned(), 60),
        ] {
            assert_eq!(
                life(&subject, now),
                Duration::from_secs(seconds),
                "{subject}"
            );
        }
    }
}
