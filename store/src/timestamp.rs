//! Points in time as people write them (RFC 3339).

use smol_str::SmolStr;

use crate::text;

/// A point in time, written as RFC 3339 with an offset: `2027-06-30T00:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Short enough to need no memory of its own, as most are written.
    text: SmolStr,
    at: jiff::Timestamp,
}
text!(Timestamp);

impl Timestamp {
    /// Reads a point in time; the error shows how to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = text.parse().map_err(|_| {
            format!("{text:?} is not a point in time: write it as RFC 3339 with an offset, like \"2027-06-30T00:00:00Z\"")
        })?;
        Ok(Self {
            text: text.into(),
            at,
        })
    }

    /// The point in time itself.
    #[must_use]
    pub fn at(&self) -> jiff::Timestamp {
        self.at
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self {
            text: smol_str::format_smolstr!("{at}"),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_kept_as_it_was_written() {
        let timestamp = Timestamp::parse("2027-06-30T02:00:00+02:00").unwrap();

        assert_eq!(timestamp.as_str(), "2027-06-30T02:00:00+02:00");
        assert_eq!(
            timestamp.at(),
            Timestamp::parse("2027-06-30T00:00:00Z").unwrap().at()
        );
    }

    #[test]
    fn a_date_without_an_offset_is_refused() {
        for text in ["2027-06-30", "2027-06-30T00:00:00", "tomorrow", ""] {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
    }
}
