//! One limit of a quota.

use serde::{Deserialize, Serialize};

use crate::document::check::check_number;
use crate::{Per, Problem, Span};

/// The most requests that a limit may name.
pub const REQUESTS_MAX: u32 = 1_000_000_000;
/// The most requests that may come at once.
pub const BURST_MAX: u32 = 1_000_000_000;
/// The most requests that may be under way at the same time.
pub const CONCURRENT_MAX: u32 = 1_000_000;

/// At most `requests` over the time `per`, or at most `concurrent` at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many requests: 1 to 1,000,000,000; beside `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Over what time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
    /// How a window is kept: [`Window::Strict`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How many requests may come at once where the window is smooth: 1 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// How many requests may be under way at the same time, 1 to 1,000,000: a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

/// How a window is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// No window of the length ever holds more than the limit, wherever it begins.
    Strict,
    /// Requests are spread evenly, and a burst may come at once: the generic cell rate algorithm.
    Smooth,
}

impl Limit {
    /// Whether it counts by the calendar.
    pub(super) fn is_by_calendar(&self) -> bool {
        matches!(self.per.as_ref().map(Per::span), Some(Span::Calendar(_)))
    }

    /// Checks it, which stands after `earlier` ones.
    pub(super) fn check(&self, earlier: &[Self]) -> Result<(), Problem> {
        match (self.concurrent, self.requests, &self.per) {
            (Some(concurrent), None, None) => self.check_concurrent(concurrent, earlier),
            (Some(_), _, _) => Err(Problem::field(
                "concurrent",
                "it is a limit of its own: give requests and per in another one",
            )),
            (None, Some(requests), Some(per)) => {
                check_number("requests", requests, REQUESTS_MAX)?;
                self.check_window(per)?;
                self.check_unlike(per, earlier)
            }
            (None, None, _) => Err(Problem::field(
                "requests",
                "is missing: give requests and per, or concurrent alone",
            )),
            (None, Some(_), None) => Err(Problem::field(
                "per",
                "is missing: give the time that the requests are counted over, like \"1m\"",
            )),
        }
    }

    fn check_concurrent(&self, concurrent: u32, earlier: &[Self]) -> Result<(), Problem> {
        check_number("concurrent", concurrent, CONCURRENT_MAX)?;
        if self.window.is_some() || self.burst.is_some() {
            let field = if self.window.is_some() {
                "window"
            } else {
                "burst"
            };
            return Err(Problem::field(
                field,
                "it has no meaning beside concurrent: leave it out",
            ));
        }
        if earlier.iter().any(|other| other.concurrent.is_some()) {
            let message = "an earlier limit is concurrent, too: keep the smaller of the two";
            return Err(Problem::field("concurrent", message));
        }
        Ok(())
    }

    fn check_window(&self, per: &Per) -> Result<(), Problem> {
        match (self.window, self.burst, per.span()) {
            (Some(_), _, Span::Calendar(_)) => Err(Problem::field(
                "window",
                format!(
                    "a {per} of the calendar has a fixed beginning: leave it out, or give per a length, like \"24h\""
                ),
            )),
            (Some(Window::Smooth), None, _) => Err(Problem::field(
                "burst",
                "is missing: give how many requests may come at once, which a smooth window needs",
            )),
            (Some(Window::Smooth), Some(burst), _) => check_number("burst", burst, BURST_MAX),
            (None | Some(Window::Strict), Some(_), _) => Err(Problem::field(
                "burst",
                "it needs window = \"smooth\": a strict window admits all its requests at once",
            )),
            (None | Some(Window::Strict), None, _) => Ok(()),
        }
    }

    fn check_unlike(&self, per: &Per, earlier: &[Self]) -> Result<(), Problem> {
        let is_smooth = |limit: &Self| limit.window == Some(Window::Smooth);
        let is_twin = |other: &&Self| {
            let span = other.per.as_ref().map(Per::span);
            span == Some(per.span()) && is_smooth(other) == is_smooth(self)
        };
        if earlier.iter().any(|other| is_twin(&other)) {
            let message =
                format!("{per} is the period of an earlier limit: keep the smaller of the two");
            return Err(Problem::field("per", message));
        }
        Ok(())
    }
}
