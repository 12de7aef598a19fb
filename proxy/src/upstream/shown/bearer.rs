//! Tokens that an authorization server hands out to the proxy (RFC 6749, section 5.1).

use std::error::Error;
use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a token is good whose server does not say.
const LIFE: Duration = Duration::from_mins(5);
const LIFE_MAX: Duration = Duration::from_hours(24);
/// The part of its life after which a token is fetched anew.
const RENEWAL_PART: f64 = 0.8;

/// Why there is no token.
pub(super) type Fault = Box<dyn Error + Send + Sync>;

/// A token, and when it is to be fetched anew and is over.
#[derive(Debug)]
pub(super) struct Token {
    value: HeaderValue,
    pub(super) renewal: Instant,
    pub(super) expiry: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

impl Token {
    /// Reads what a server answers to a question that was asked then. Nothing of it is in the error.
    pub(super) fn read(json: &[u8], began: Instant) -> Result<Self, Fault> {
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

    /// What to show while it is good.
    pub(super) fn ready(&self) -> Option<HeaderValue> {
        (Instant::now() < self.expiry).then(|| self.value.clone())
    }

    /// The same, to be fetched anew.
    pub(super) fn due(&self) -> Self {
        Self {
            value: self.value.clone(),
            renewal: Instant::now(),
            expiry: self.expiry,
        }
    }

    /// The same, good no longer than until then.
    pub(super) fn until(self, end: Instant) -> Self {
        Self {
            expiry: self.expiry.min(end),
            renewal: self.renewal.min(end),
            ..self
        }
    }
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
