//! What of the requests to an upstream is sent again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::{check_number, check_set};
use crate::{Problem, Timeout};

/// The most times that a request is sent again.
pub const ATTEMPTS_MAX: u32 = 5;
/// The most failures that can be named, which is how many there are.
pub const RETRY_CAUSES_MAX: usize = 5;

/// What is sent again after it failed: requests without a body whose method may be repeated (`GET`, `HEAD`, `OPTIONS`,
/// `PUT` and `DELETE`; RFC 9110, section 9.2.2), for at most a fifth of
/// the requests of ten seconds, and ten of them in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How many more times a request is sent, 1 to 5: once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long each try may wait for the head of a response, in place of [`Timeouts::response`](super::Timeouts::response).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Timeout>,
    /// After which failures: [`RetryCause::Reset`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<BTreeSet<RetryCause>>,
}

/// A failure after which a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RetryCause {
    /// The connection was cut before an answer came.
    #[serde(rename = "reset")]
    Reset,
    /// No head of a response came in time.
    #[serde(rename = "timeout")]
    Timeout,
    /// The answer is 502.
    #[serde(rename = "502")]
    BadGateway,
    /// The answer is 503.
    #[serde(rename = "503")]
    Unavailable,
    /// The answer is 504.
    #[serde(rename = "504")]
    GatewayTimeout,
}

impl Retries {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_number("attempts", self.attempts.unwrap_or(1), ATTEMPTS_MAX)?;
        check_set("on", self.on.as_ref(), RETRY_CAUSES_MAX)?;
        let on = self.on.as_ref();
        if self.per_try_timeout.is_some() && !on.is_some_and(|on| on.contains(&RetryCause::Timeout))
        {
            let message = "it is for tries that are given up for another: name \"timeout\" in on, or use timeouts.response";
            return Err(Problem::field("per_try_timeout", message));
        }
        Ok(())
    }
}
