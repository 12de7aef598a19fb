//! What an authorization server says is wrong.

use std::fmt;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

/// The most that an answer may hold which tells an error.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// The most that the error's code may hold.
const ERROR_CODE_BYTES_MAX: usize = 64;

/// What an authorization server says is wrong (RFC 6749, section 5.2), like `invalid_client`: short, and of the
/// characters that the RFC allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode(String);

impl ErrorCode {
    /// What is wrong, where the answer says so.
    pub(super) async fn of(body: Incoming) -> Option<Self> {
        let body = Limited::new(body, ERROR_BYTES_MAX).collect().await;
        Self::read(&body.ok()?.to_bytes())
    }

    fn read(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }

        let Refusal { error } = serde_json::from_slice(json).ok()?;
        let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let is_code = !error.is_empty() && error.len() <= ERROR_CODE_BYTES_MAX;
        (is_code && error.bytes().all(is_allowed)).then_some(Self(error))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_only_by_a_short_code_of_the_rfcs_characters() {
        let read = |json: &str| ErrorCode::read(json.as_bytes()).map(|code| code.to_string());
        let long = |length: usize| format!(r#"{{"error": "{}"}}"#, "a".repeat(length));

        let told = r#"{"error": "invalid_client", "error_description": "no such secret"}"#;
        assert_eq!(read(told).unwrap(), "invalid_client");
        assert!(read(&long(ERROR_CODE_BYTES_MAX)).is_some());
        for bad in [
            "",
            "{}",
            r#"{"error": ""}"#,
            r#"{"error": 1}"#,
            r#"{"error": "two\nlines"}"#,
            r#"{"error": "a\"b"}"#,
            r#"{"error": "a\\b"}"#,
            r#"{"error": "\u00e4"}"#,
            &long(ERROR_CODE_BYTES_MAX + 1),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
