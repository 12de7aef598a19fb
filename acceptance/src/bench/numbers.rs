//! Numbers as people read them.

use std::time::Duration;

/// Seconds, to a tenth.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

/// Milliseconds, to a tenth.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}

/// Millions of bytes, to a tenth.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{}", count(tenths / 10), tenths % 10)
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Ten-thousandths of a dollar as dollars and cents.
pub(crate) fn dollars(ten_thousandths: u64) -> String {
    let cents = ten_thousandths.saturating_add(50) / 100;
    format!("${}.{:02}", count(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(count(7), "7");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(megabytes(704_450_000), "704.5");
        assert_eq!(megabytes(49_999), "0.0");
        assert_eq!(dollars(4_000 * 10_000), "$4,000.00");
        assert_eq!(dollars(68_049), "$6.80");
        assert_eq!(seconds(Duration::from_millis(1_260)), "1.3");
        assert_eq!(milliseconds(Duration::from_micros(3_400)), "3.4");
    }
}
