//! A client: sends requests, shows answers.

use std::fmt;
use std::time::Duration;

use tollgate_store::Secret;

use crate::Failure;

const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A client of HTTP/1.1 with connections that stay open.
#[derive(Debug, Clone)]
pub struct Browser {
    agent: ureq::Agent,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Browser {
    /// A client without any connection yet.
    #[must_use]
    pub fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_MAX))
            .proxy(None)
            .build()
            .into();
        Self { agent }
    }

    /// Sends a `GET`, with a token where one is given.
    pub fn fetch(&self, url: &str, token: Option<&Secret>) -> Result<Answer, Failure> {
        let request = match token {
            Some(token) => self
                .agent
                .get(url)
                .header("Authorization", format!("Bearer {}", token.expose())),
            None => self.agent.get(url),
        };
        answer(request.call(), "GET", url)
    }

    /// Sends a `GET` with header fields.
    pub fn ask(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let request = headers
            .iter()
            .fold(self.agent.get(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        answer(request.call(), "GET", url)
    }

    /// Sends a `POST` of JSON with header fields.
    pub fn send(&self, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, Failure> {
        let request = headers
            .iter()
            .fold(self.agent.post(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        answer(request.send(body), "POST", url)
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

fn answer(
    received: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    method: &str,
    url: &str,
) -> Result<Answer, Failure> {
    let no_answer = |error: ureq::Error| Failure::NoAnswer {
        method: method.to_owned(),
        url: url.to_owned(),
        cause: error.to_string(),
    };
    let mut response = received.map_err(no_answer)?;
    let text =
        |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        body: response.body_mut().read_to_string().map_err(no_answer)?,
    })
}

impl Answer {
    /// A header field's value; `None` where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = ureq::http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        write!(formatter, "{} {reason}", self.status)
    }
}
