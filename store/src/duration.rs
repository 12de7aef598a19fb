//! Lengths of time as people write them: `500ms`, `10s`, `1m`, `24h`, `30d`.

use std::time::Duration;

use crate::text;

/// The shortest and the longest window of a quota.
pub(crate) const PERIOD_BOUNDS: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_hours(31 * 24));
/// The shortest and the longest time that a proxy may be told to wait.
pub(crate) const TIMEOUT_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_hours(1));

/// The shortest and the longest pause between two checks of a target.
const CHECK_INTERVAL_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_hours(1));
/// How long a request may wait for room at a throttled upstream.
const THROTTLE_WAIT_BOUNDS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(5));
/// How long a request may wait for the counters of its fleet.
const COUNTER_TIMEOUT_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(1));
/// How often a key's token may be replaced by itself.
const ROTATION_BOUNDS: (Duration, Duration) =
    (Duration::from_hours(1), Duration::from_hours(3_650 * 24));
/// How long an older token may go on beside a newer one.
const OVERLAP_BOUNDS: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(90 * 24));

/// How long an answer about a token may count.
const ANSWER_LIFE_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long a request may wait for an answer about its token.
const ANSWER_TIMEOUT_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_secs(5));

/// Declares a length of time within bounds, which keeps its author's words.
macro_rules! length {
    ($(#[$documentation:meta])* $type:ident, $bounds:ident, $words:literal) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $type {
            text: String,
            length: Duration,
        }
        text!($type);

        impl $type {
            /// Reads a length of time; the error says how to write one and its bounds.
            pub fn parse(text: &str) -> Result<Self, String> {
                let length = duration_within(text, $bounds, $words)?;
                Ok(Self {
                    text: text.to_owned(),
                    length,
                })
            }

            /// Its length.
            #[must_use]
            pub fn length(&self) -> Duration {
                self.length
            }
        }
    };
}

length! {
    /// The window of a quota: 1 s to 31 d, written like `10s`, `1m`, `24h` or `30d`.
    Period, PERIOD_BOUNDS, "1s to 31d"
}
length! {
    /// How long a proxy waits: 10 ms to 1 h, written like `500ms`, `5s` or `1m`.
    Timeout, TIMEOUT_BOUNDS, "10ms to 1h"
}
length! {
    /// The pause between two checks of a target: 100 ms to 1 h, written like `500ms`, `5s` or `1m`.
    CheckInterval, CHECK_INTERVAL_BOUNDS, "100ms to 1h"
}
length! {
    /// How long a request may wait for room at a throttled upstream: 0 ms to 5 s, written like `10ms`.
    ThrottleWait, THROTTLE_WAIT_BOUNDS, "0ms to 5s"
}
length! {
    /// How long a request waits for the counters of its fleet: 1 ms to 1 s, written like `20ms`.
    CounterTimeout, COUNTER_TIMEOUT_BOUNDS, "1ms to 1s"
}
length! {
    /// How long an answer about a token counts: 1 s to 1 m, written like `30s`.
    AnswerLife, ANSWER_LIFE_BOUNDS, "1s to 1m"
}
length! {
    /// How long an answer about a token is waited for: 10 ms to 5 s, written like `500ms`.
    AnswerTimeout, ANSWER_TIMEOUT_BOUNDS, "10ms to 5s"
}
length! {
    /// The age at which a key's token is replaced: 1 h to 3650 d, written like `24h` or `30d`.
    RotationPeriod, ROTATION_BOUNDS, "1h to 3650d"
}
length! {
    /// How long an older token goes on beside a newer one: 0 s to 90 d, written like `15m` or `24h`.
    Overlap, OVERLAP_BOUNDS, "0s to 90d"
}

/// Reads a length of time within `least..=most`, which `bounds` says in words; the error says how to write one.
pub fn duration_within(
    text: &str,
    (least, most): (Duration, Duration),
    bounds: &str,
) -> Result<Duration, String> {
    let length = length(text).ok_or_else(|| {
        format!("{text:?} is not a duration: write a whole number and one unit of ms, s, m, h or d, like \"90s\"")
    })?;
    if length < least || length > most {
        return Err(format!("{text} is out of bounds: it must be {bounds}"));
    }
    Ok(length)
}

fn length(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("1s", 1),
            ("10m", 600),
            ("24h", 86_400),
            ("31d", 2_678_400),
            ("1000ms", 1),
        ] {
            assert_eq!(
                Period::parse(text).unwrap().length(),
                Duration::from_secs(seconds)
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "1",
            "m",
            "1 m",
            "1M",
            "-1s",
            "1.5h",
            "1h30m",
            "99999999999999999999s",
            "１s",
        ] {
            assert!(
                Period::parse(text).unwrap_err().contains("like \"90s\""),
                "{text:?}"
            );
        }
    }

    #[test]
    fn bounds_are_named() {
        assert_eq!(
            Period::parse("0s").unwrap_err(),
            "0s is out of bounds: it must be 1s to 31d"
        );
        assert_eq!(
            Timeout::parse("2h").unwrap_err(),
            "2h is out of bounds: it must be 10ms to 1h"
        );
    }
}
