//! What is sent again after it failed, and how much of that.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;
use tollgate_store::document::{Retries, RetryCause};

use super::fault::SendFault;
use super::request_body::RequestBody;

const WINDOW: Duration = Duration::from_secs(10);
/// Of so many requests, one may be sent again.
const REQUESTS_A_RETRY: usize = 5;
/// So many may be in any case: of few requests, a fifth is none.
const RETRIES_MIN: usize = 10;

/// What is declared about sending requests again.
#[derive(Debug)]
pub(super) struct RetryRules {
    /// How many more times.
    pub(super) attempts: u32,
    on: BTreeSet<RetryCause>,
}

impl RetryRules {
    pub(super) fn new(retries: &Retries) -> Self {
        let on = retries.on.clone();
        Self {
            attempts: retries.attempts.unwrap_or(1),
            on: on.unwrap_or_else(|| [RetryCause::Reset].into()),
        }
    }

    /// After which of the declared failures this one is.
    pub(super) fn cause_of_fault(&self, fault: &SendFault) -> Option<&'static str> {
        let (cause, word) = match fault {
            SendFault::TooLate => (RetryCause::Timeout, "timeout"),
            fault if fault.is_cut() => (RetryCause::Reset, "reset"),
            _ => return None,
        };
        self.on.contains(&cause).then_some(word)
    }

    /// After which of the declared statuses this one is.
    pub(super) fn cause_of_status(&self, status: StatusCode) -> Option<&'static str> {
        let (cause, word) = match status {
            StatusCode::BAD_GATEWAY => (RetryCause::BadGateway, "502"),
            StatusCode::SERVICE_UNAVAILABLE => (RetryCause::Unavailable, "503"),
            StatusCode::GATEWAY_TIMEOUT => (RetryCause::GatewayTimeout, "504"),
            _ => return None,
        };
        self.on.contains(&cause).then_some(word)
    }
}

/// What a request without a body can be made of again.
#[derive(Debug)]
pub(super) struct Template {
    head: Parts,
    /// Whether to repeat it changes nothing (RFC 9110, section 9.2.2).
    pub(super) is_idempotent: bool,
}

impl Template {
    /// What `request` can be made of again; `None` for one with a body.
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        if !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(Self {
            head: copy.into_parts().0,
            is_idempotent: is_idempotent(request.method()),
        })
    }

    /// The request once more.
    pub(super) fn request(&self) -> Request<RequestBody> {
        Request::from_parts(self.head.clone(), RequestBody::empty())
    }
}

/// Whether a method may be repeated (RFC 9110, section 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}

/// How much may be sent again: what fails because it is too much must not be made more.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    /// How many requests there had been when it began.
    requests_before: usize,
    retries: usize,
}

impl Budget {
    /// Takes one retry out of it; whether there was one. `requests` is how many there ever were, once each.
    pub(super) fn take(&self, requests: usize) -> bool {
        let now = Instant::now();
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW)
        {
            *window = Window {
                began: Some(now),
                requests_before: requests,
                retries: 0,
            };
        }
        let requests = requests.wrapping_sub(window.requests_before);
        let has_one = window.retries < RETRIES_MIN + requests / REQUESTS_A_RETRY;
        window.retries += usize::from(has_one);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fifth_is_sent_again_and_a_few_in_any_case() {
        let budget = Budget::default();
        let taken = |requests: usize| (0..100).filter(|_| budget.take(requests)).count();
        assert_eq!(taken(7), RETRIES_MIN);
        assert_eq!(taken(7), 0);
        assert_eq!(taken(7 + 100), 20);

        tokio::time::advance(WINDOW).await;
        assert_eq!(taken(7 + 100), RETRIES_MIN);
    }

    #[test]
    fn only_what_is_declared_is_a_cause() {
        let rules = |on: serde_json::Value| {
            let retries: Retries = serde_json::from_value(on).unwrap();
            RetryRules::new(&retries)
        };
        let unsaid = rules(json!({}));
        assert_eq!(unsaid.attempts, 1);
        assert_eq!(unsaid.cause_of_fault(&SendFault::TooLate), None);
        assert_eq!(unsaid.cause_of_status(StatusCode::BAD_GATEWAY), None);

        let some = rules(json!({"on": ["timeout", "503"]}));
        assert_eq!(some.cause_of_fault(&SendFault::TooLate), Some("timeout"));
        assert_eq!(some.cause_of_fault(&SendFault::Ambiguous), None);
        let status = |status| some.cause_of_status(status);
        assert_eq!(status(StatusCode::SERVICE_UNAVAILABLE), Some("503"));
        assert_eq!(status(StatusCode::INTERNAL_SERVER_ERROR), None);
        assert_eq!(status(StatusCode::OK), None);
    }

    #[test]
    fn a_post_and_a_patch_are_never_repeated() {
        for method in ["POST", "PATCH", "PROPFIND"] {
            assert!(!is_idempotent(&method.parse().unwrap()), "{method}");
        }
        assert!(is_idempotent(&Method::DELETE));
    }
}
