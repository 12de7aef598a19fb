//! `duration_seconds(text)`.

use std::time::Duration;

use tollgate_store::duration_within;

use super::{Function, Parameter};
use crate::value::{Number, Type, Value};

/// The shortest and the longest duration that is read; in between lies everything that a document may hold.
const BOUNDS: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(3660 * 24));
const BOUNDS_WORDS: &str = "0s to 3660d";

pub(super) fn function() -> Function {
    Function {
        name: "duration_seconds",
        summary: "The seconds of a duration",
        description: "Returns how many seconds a duration has: `\"1m\"` is 60, `\"30d\"` is 2592000, `\"500ms\"` is 0.5. \
                      Durations are written as everywhere in Tollgate, a whole number and one unit of `ms`, `s`, `m`, \
                      `h` or `d`, from `0s` to `3660d`.",
        parameter: Parameter {
            name: "duration",
            description: "A duration, like `\"90s\"`.",
        },
        result: Type::Number,
        call: seconds,
    }
}

fn seconds(text: &str) -> Result<Value, String> {
    let length = duration_within(text, BOUNDS, BOUNDS_WORDS)?;
    let decimal = format!("{}.{:03}", length.as_secs(), length.subsec_millis());
    // Digits, a point and digits are a number.
    Ok(Number::parse(&decimal).map_or(Value::Null, Value::Number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_seconds() {
        for (text, expected) in [
            ("0s", 0),
            ("1m", 60),
            ("30d", 2_592_000),
            ("2000ms", 2),
            ("3660d", 316_224_000),
        ] {
            assert_eq!(seconds(text), Ok(expected.into()), "{text}");
        }
        let half = Number::parse("0.5").unwrap();
        assert_eq!(seconds("500ms"), Ok(Value::Number(half)));
    }

    #[test]
    fn what_is_no_duration_is_told_how_to_write_one() {
        for text in ["", "1", "1 minute", "-1s", "1h30m", "3661d"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
