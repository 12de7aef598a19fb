//! Fields of a request's head that a proxy writes itself.

use crate::text;

const CHARS_MAX: usize = 64;
const EXAMPLE: &str = "write it in lower case, like \"x-caller\"";
/// Fields that tell where a message ends, for whom it is or how it came: nobody else may write them.
const RESERVED: [&str; 17] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
    "http2-settings",
];
const RESERVED_PREFIXES: [&str; 2] = ["x-forwarded-", "x-tollgate-"];

/// The name of a header that a proxy writes to an upstream and takes from no client: lower case, without `_`, and none
/// that has a meaning to the proxy itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName {
    text: String,
}
text!(FieldName);

impl FieldName {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || text.len() > CHARS_MAX || !text.chars().all(is_part) {
            return Err(format!(
                "{text:?} is no header that can be declared: it must be 1 to {CHARS_MAX} letters, digits and hyphens; \
                 {EXAMPLE}"
            ));
        }
        let mut prefixes = RESERVED_PREFIXES.iter();
        if RESERVED.contains(&text) || prefixes.any(|prefix| text.starts_with(prefix)) {
            return Err(format!(
                "{text:?} is written by the proxy itself: take another name; {EXAMPLE}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// What somebody is called by others' services: 1 to 256 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    text: String,
}
text!(Identifier);

impl Identifier {
    /// Reads an identifier; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > 256 || !is_visible {
            return Err(format!(
                "{text:?} must be 1 to 256 visible ASCII characters without spaces"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_means_something_to_the_proxy_cant_be_declared() {
        for text in ["x-caller", "authorization", "x-api-key", "cookie"] {
            assert!(FieldName::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "X-Caller",
            "x_caller",
            "1x",
            "-x",
            "x caller",
            "host",
            "te",
            "x-forwarded-for",
            "x-tollgate-key",
            "content-length",
            "x:y",
            "\u{e4}",
        ] {
            assert!(FieldName::parse(text).is_err(), "{text}");
        }
        assert!(FieldName::parse(&"x".repeat(65)).is_err());
    }

    #[test]
    fn an_identifier_is_one_word() {
        assert!(Identifier::parse("https://api.internal").is_ok());
        for text in ["", "a b", "\u{e4}", "a\n"] {
            assert!(Identifier::parse(text).is_err(), "{text:?}");
        }
    }
}
