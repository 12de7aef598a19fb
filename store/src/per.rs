//! Over what time a quota's limit counts.

use std::time::Duration;

use crate::{Period, text};

/// Over what time a limit counts: any window of a length, like `10s`, `1m` or `30d`, or the calendar's `day`, `week` or
/// `month`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Per {
    text: String,
    span: Span,
}
text!(Per);

/// What a limit counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// Any window of that length, 1 s to 31 d, wherever it begins.
    Window(Duration),
    /// From one border of the calendar to the next.
    Calendar(CalendarUnit),
}

/// What the calendar is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday (ISO 8601).
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

impl Per {
    /// Reads a length or a unit; the error says how to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let span = match text {
            "day" => Span::Calendar(CalendarUnit::Day),
            "week" => Span::Calendar(CalendarUnit::Week),
            "month" => Span::Calendar(CalendarUnit::Month),
            text => Span::Window(
                Period::parse(text)
                    .map_err(|problem| {
                        format!("{problem}, or \"day\", \"week\" or \"month\" of the calendar")
                    })?
                    .length(),
            ),
        };
        Ok(Self {
            text: text.to_owned(),
            span,
        })
    }

    /// What it means.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }
}

impl CalendarUnit {
    /// Its name: `day`, `week` or `month`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_calendar_is_not_a_window_of_a_day() {
        let span = |text| Per::parse(text).unwrap().span();

        assert_eq!(span("day"), Span::Calendar(CalendarUnit::Day));
        assert_eq!(span("1d"), Span::Window(Duration::from_hours(24)));
        assert_eq!(span("1d"), span("24h"));
    }

    #[test]
    fn what_is_neither_is_told_both() {
        for text in ["year", "Day", "1 day", "32d", ""] {
            let problem = Per::parse(text).unwrap_err();
            assert!(problem.ends_with("\"month\" of the calendar"), "{problem}");
        }
    }
}
