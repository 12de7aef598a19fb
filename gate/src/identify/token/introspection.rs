//! What an issuer says of a token that it was asked about (RFC 7662, section 2.2).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::Claims;
use super::json;

/// What an issuer said of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// What the token says; `None`: it is no good, or not any more.
    pub(super) claims: Option<Arc<Map<String, Value>>>,
}

impl Introspection {
    /// Reads an answer; the error repeats nothing of it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let claims =
            json::object(body).map_err(|_| "it is no JSON that has one reading".to_owned())?;
        match claims.get("active") {
            Some(Value::Bool(true)) => Ok(Self {
                claims: Some(Arc::new(claims)),
            }),
            Some(Value::Bool(false)) => Ok(Self { claims: None }),
            _ => Err("it does not say whether the token is active (RFC 7662)".to_owned()),
        }
    }

    /// Whether the token is good, as far as the issuer is concerned.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.claims.is_some()
    }

    /// When the token ends, in seconds since 1970, where that is said.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        Claims(self.claims.as_ref()?).time("exp").ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_a_token_is_active_and_nothing_else_is_one() {
        let read = |text: &str| Introspection::parse(text.as_bytes());
        let good = read(r#"{"active": true, "exp": 7, "sub": "a"}"#).unwrap();
        assert!(good.is_active());
        assert_eq!(good.expires_at(), Some(7));
        assert!(!read(r#"{"active": false, "exp": 7}"#).unwrap().is_active());

        for text in [
            "",
            "true",
            "{}",
            r#"{"active": "true"}"#,
            r#"{"active": 1}"#,
            r#"{"active": false, "active": true}"#,
            r#"{"active": null, "sub": "secret"}"#,
        ] {
            let error = read(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
