//! Time zones by their IANA names.

use jiff::tz::TimeZoneDatabase;

use crate::text;

const NAME_CHARS_MAX: usize = 64;

/// A time zone by its IANA name, like `Europe/Berlin`, with the rules that the program brings along: the system that it
/// runs on may have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone {
    text: String,
    rules: jiff::tz::TimeZone,
}
text!(TimeZone);

impl TimeZone {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a time zone: write its IANA name, like \"Europe/Berlin\" or \"UTC\""
            )
        };
        let is_name = !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.is_ascii();
        let rules = is_name
            .then(|| TimeZoneDatabase::bundled().get(text).ok())
            .flatten()
            .ok_or_else(wrong)?;
        Ok(Self {
            text: text.to_owned(),
            rules,
        })
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &jiff::tz::TimeZone {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iana_name_is_a_time_zone_and_an_abbreviation_of_a_place_is_not() {
        for text in ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"] {
            assert!(TimeZone::parse(text).is_ok(), "{text}");
        }
        for text in ["", "Berlin", "+02:00", "Europe/Atlantis", "../etc/passwd"] {
            let problem = TimeZone::parse(text).unwrap_err();
            assert!(problem.contains("Europe/Berlin"), "{problem}");
        }
    }
}
