//! Tokens that an authorization server hands out to the proxy itself: the client credentials grant (RFC 6749, section
//! 4.4).
//!
//! A token is fetched for the first request that needs it, and anew before it expires. Whoever needs one meanwhile
//! waits for the same answer; a failure is told to all of them, and holds for a moment.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::time::Instant;
use tollgate_store::document::ClientCredentials;
use tollgate_store::{Identifier, Name, Secret, ServiceUrl};
use zeroize::Zeroizing;

use super::credential::{basic, secret};
use super::file::SecretFile;
use crate::service::{Question, encoded};
use crate::upstream::SystemTrust;

/// How long the server is not asked again after it failed.
const FAILURE_HOLD: Duration = Duration::from_secs(2);
/// How long a token is good whose server does not say.
const LIFE: Duration = Duration::from_mins(5);
const LIFE_MAX: Duration = Duration::from_hours(24);
/// The part of its life after which a token is fetched anew.
const RENEWAL_PART: f64 = 0.8;

type Fault = Box<dyn Error + Send + Sync>;

/// Where the proxy gets its tokens for one upstream.
#[derive(Debug)]
pub(super) struct OAuth {
    upstream: Name,
    url: ServiceUrl,
    tls: Arc<ClientConfig>,
    client_id: String,
    client_secret: SecretFile<Secret>,
    form: Bytes,
    token: ArcSwapOption<Token>,
    /// Held while the server is asked; when it last failed.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Token {
    value: HeaderValue,
    renewal: Instant,
    expiry: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

impl OAuth {
    pub(super) fn new(client: &ClientCredentials, upstream: &Name, trust: &SystemTrust) -> Self {
        Self {
            upstream: upstream.clone(),
            url: client.token_url.clone(),
            tls: trust.client(),
            client_id: client.client_id.to_string(),
            client_secret: SecretFile::new(&client.client_secret, secret),
            form: form(client),
            token: ArcSwapOption::empty(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The token at hand, if it is good.
    pub(super) fn ready(&self) -> Option<HeaderValue> {
        let token = self.token.load();
        let token = token.as_ref()?;
        (Instant::now() < token.expiry).then(|| token.value.clone())
    }

    /// A token that is waited for; `None` where the server has none to give.
    pub(super) async fn fetched(&self) -> Option<HeaderValue> {
        let mut failed = self.asking.lock().await;
        if let Some(value) = self.ready() {
            return Some(value);
        }
        self.ask(&mut failed).await;
        self.ready()
    }

    /// Fetches a token anew that nears its end: the one at hand is used until then.
    pub(super) async fn renew(&self) {
        let is_due = |token: &Arc<Token>| Instant::now() >= token.renewal;
        if self.token.load().as_ref().is_some_and(is_due) {
            let mut failed = self.asking.lock().await;
            self.ask(&mut failed).await;
        }
    }

    /// Reads the secret again. Another one gets another token; the one at hand is used until that came.
    pub(super) fn refresh(&self) {
        if self.client_secret.refresh()
            && let Some(token) = self.token.load_full()
        {
            let due = Token {
                value: token.value.clone(),
                renewal: Instant::now(),
                expiry: token.expiry,
            };
            self.token.store(Some(Arc::new(due)));
        }
    }

    async fn ask(&self, failed: &mut Option<Instant>) {
        let began = Instant::now();
        if failed.is_some_and(|failed| began.duration_since(failed) < FAILURE_HOLD) {
            return;
        }
        match self.fetch(began).await {
            Ok(token) => {
                *failed = None;
                self.token.store(Some(Arc::new(token)));
            }
            Err(fault) => {
                *failed = Some(Instant::now());
                let (upstream, token_url) = (&self.upstream, &self.url);
                let is_served = self.ready().is_some();
                tracing::warn!(%upstream, %token_url, cause = %fault, is_served, "no token for an upstream");
            }
        }
    }

    async fn fetch(&self, began: Instant) -> Result<Token, Fault> {
        let secret = self.client_secret.value();
        let secret = secret.ok_or("the client's secret could not be read")?;
        let (id, secret) = (encoded(&self.client_id), encoded(secret.expose()));
        let authorization = basic(&id, &secret).ok_or("the client's secret is no text")?;
        let question = Question::form(self.form.clone(), Some(authorization));
        let answer = question.ask(&self.url, &self.tls).await?;
        Token::read(&answer.body, began)
    }
}

impl Token {
    fn read(json: &[u8], began: Instant) -> Result<Self, Fault> {
        // What is wrong with it could be a part of a token.
        let answer: Answer = serde_json::from_slice(json)
            .map_err(|_| "the answer is no JSON with access_token and token_type")?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err("the token is no bearer token".into());
        }
        let life = answer.expires_in.map_or(LIFE, Duration::from_secs);
        let life = life.min(LIFE_MAX);
        if life.is_zero() {
            return Err("the token is expired as it comes".into());
        }
        let token = Zeroizing::new(answer.access_token);
        let text = Zeroizing::new(format!("Bearer {}", *token));
        let value = HeaderValue::from_str(&text);
        let mut value = value.map_err(|_| "the token holds what a header can't")?;
        value.set_sensitive(true);
        Ok(Self {
            value,
            renewal: began + life.mul_f64(RENEWAL_PART),
            expiry: began + life,
        })
    }
}

fn form(client: &ClientCredentials) -> Bytes {
    let mut form = "grant_type=client_credentials".to_owned();
    if let Some(scopes) = &client.scopes {
        let scopes: Vec<_> = scopes.iter().map(Identifier::as_str).collect();
        form.push_str("&scope=");
        form.push_str(&encoded(&scopes.join(" ")));
    }
    if let Some(audience) = &client.audience {
        form.push_str("&audience=");
        form.push_str(&encoded(audience.as_str()));
    }
    form.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_anew_after_four_fifths_of_its_life() {
        let began = Instant::now();
        let read = |json: &str| Token::read(json.as_bytes(), began);
        let token =
            read(r#"{"access_token": "a", "token_type": "bearer", "expires_in": 100}"#).unwrap();

        assert_eq!(token.value, "Bearer a");
        assert!(token.value.is_sensitive());
        assert_eq!(token.renewal - began, Duration::from_secs(80));
        assert_eq!(token.expiry - began, Duration::from_secs(100));

        let token = read(r#"{"access_token": "a", "token_type": "Bearer"}"#).unwrap();
        assert_eq!(token.expiry - began, LIFE);
        let long =
            r#"{"access_token": "a", "token_type": "Bearer", "expires_in": 18446744073709551615}"#;
        assert_eq!(read(long).unwrap().expiry - began, LIFE_MAX);
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused_without_being_shown() {
        for json in [
            "",
            "secret",
            r#"{"access_token": "secret"}"#,
            r#"{"access_token": "secret", "token_type": "mac"}"#,
            r#"{"access_token": "secret\n", "token_type": "bearer"}"#,
            r#"{"access_token": "secret", "token_type": "bearer", "expires_in": 0}"#,
            r#"{"access_token": "secret", "token_type": "bearer", "expires_in": "1"}"#,
        ] {
            let fault = Token::read(json.as_bytes(), Instant::now()).unwrap_err();
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }
}
