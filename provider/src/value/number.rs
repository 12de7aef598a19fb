//! Numbers of any size, kept exactly.

use std::fmt;

/// The most characters that a number may be written with; Terraform's have 512 bits.
const NUMBER_CHARS_MAX: usize = 2_048;
/// Beyond this many zeros a number is written with an exponent.
const ZEROS_MAX: u32 = 32;

/// A number: `digits` times ten to the power of `exponent`, with neither leading nor trailing zeros, so that equal
/// numbers compare equal however they were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Number {
    /// Reads a decimal number like `-12.5` or `1e400`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > NUMBER_CHARS_MAX {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Self::canonical(mantissa.starts_with('-'), &digits, exponent)
    }

    /// The number that a double stands for, exactly; `None` for infinities and what is no number.
    #[must_use]
    pub fn from_f64(number: f64) -> Option<Self> {
        // A double has at most 1,074 digits after its point, and Rust prints all of them.
        number
            .is_finite()
            .then(|| format!("{number:.1074}"))
            .and_then(|text| Self::parse(&text))
    }

    /// The number, where it is whole and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.whole()?.parse().ok()
    }

    /// The number, where it is whole and fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.whole()?.parse().ok()
    }

    fn canonical(negative: bool, digits: &str, exponent: i32) -> Option<Self> {
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self {
                negative: false,
                digits: "0".to_owned(),
                exponent: 0,
            });
        }
        let zeros = i32::try_from(digits.len() - significant.len()).ok()?;
        Some(Self {
            negative,
            digits: significant.to_owned(),
            exponent: exponent.checked_add(zeros)?,
        })
    }

    /// All digits of a whole number of reasonable size.
    fn whole(&self) -> Option<String> {
        let zeros = u32::try_from(self.exponent)
            .ok()
            .filter(|zeros| *zeros <= ZEROS_MAX)?;
        let sign = if self.negative { "-" } else { "" };
        let zeros = "0".repeat(usize::try_from(zeros).ok()?);
        Some(format!("{sign}{}{zeros}", self.digits))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        let digits = number.unsigned_abs().to_string();
        let zero = Self {
            negative: false,
            digits: "0".to_owned(),
            exponent: 0,
        };
        Self::canonical(number < 0, &digits, 0).unwrap_or(zero)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(whole) = self.whole() {
            return formatter.write_str(&whole);
        }
        let sign = if self.negative { "-" } else { "" };
        let behind_point = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
        match self
            .digits
            .len()
            .checked_sub(behind_point)
            .and_then(|point| self.digits.split_at_checked(point))
        {
            Some(("", fraction)) if self.exponent < 0 => write!(formatter, "{sign}0.{fraction}"),
            Some((whole, fraction)) if self.exponent < 0 => {
                write!(formatter, "{sign}{whole}.{fraction}")
            }
            _ => write!(formatter, "{sign}{}e{}", self.digits, self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_compare_equal_however_they_are_written() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.05", "5e-2"),
            ("-0", "0"),
            ("+7", "007"),
        ] {
            assert_eq!(
                Number::parse(one).unwrap(),
                Number::parse(other).unwrap(),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_number_prints_as_a_decimal_that_reads_back() {
        for (text, expected) in [
            ("12.50", "12.5"),
            ("9223372036854775808", "9223372036854775808"),
            ("0.001", "1e-3"),
            ("0.1", "0.1"),
            ("-3e50", "-3e50"),
            ("1000", "1000"),
        ] {
            let number = Number::parse(text).unwrap();
            assert_eq!(number.to_string(), expected);
            assert_eq!(Number::parse(expected), Some(number));
        }
    }

    #[test]
    fn a_double_is_kept_to_its_last_bit() {
        let tenth = Number::from_f64(0.1).unwrap();

        assert_ne!(tenth, Number::parse("0.1").unwrap());
        assert!(
            tenth
                .to_string()
                .starts_with("0.1000000000000000055511151231257827")
        );
        assert_eq!(Number::from_f64(f64::INFINITY), None);
        assert_eq!(Number::from_f64(0.5), Number::parse("0.5"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.2.3", "0x10", "1e", "one", "1e99999999999"] {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }
}
