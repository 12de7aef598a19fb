//! Fields of a request's head that a proxy writes itself.

use crate::text;

const CHARS_MAX: usize = 64;
const EXAMPLE: &str = "write it in lower case, like \"x-caller\"";
/// Fields that tell where a message ends, for whom it is or how it came: nobody else may write them.
const RESERVED: [&str; 30] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    // Proof for the proxy, of one request.
    "dpop",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    // These make a request another one than was decided on.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-request-id",
    "x-rewrite-url",
    "http2-settings",
];
/// Fields that bear credentials: who is asked for one must not find there who asks.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "x-api-key"];
const RESERVED_PREFIXES: [&str; 2] = ["x-forwarded-", "x-tollgate-"];

/// The name of a header that a proxy writes to an upstream and takes from no client: lower case, without `_`, and none
/// that has a meaning to the proxy itself, or on the way.
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
                "{text:?} is written by the proxy itself, or by nobody: take another name; {EXAMPLE}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// The name of a header that tells an upstream who asks: a [`FieldName`] that bears no credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityFieldName {
    text: String,
}
text!(IdentityFieldName);

impl IdentityFieldName {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = FieldName::parse(text)?;
        if CREDENTIALS.contains(&name.as_str()) {
            return Err(format!(
                "{text:?} is where a credential stands, and who asks is none: take another name; {EXAMPLE}"
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
            "dpop",
            "proxy-authorization",
            "x-http-method-override",
            "x:y",
            "\u{e4}",
        ] {
            assert!(FieldName::parse(text).is_err(), "{text}");
        }
        assert!(FieldName::parse(&"x".repeat(65)).is_err());
    }

    #[test]
    fn who_asks_is_told_in_no_header_that_bears_credentials_or_belongs_to_a_connection() {
        assert!(IdentityFieldName::parse("x-caller").is_ok());
        for text in [
            "authorization",
            "cookie",
            "x-api-key",
            "proxy-authorization",
            "dpop",
            "set-cookie",
            "connection",
            "transfer-encoding",
            "x-original-url",
            "traceparent",
        ] {
            assert!(IdentityFieldName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_identifier_is_one_word() {
        assert!(Identifier::parse("https://api.internal").is_ok());
        for text in ["", "a b", "\u{e4}", "a\n"] {
            assert!(Identifier::parse(text).is_err(), "{text:?}");
        }
    }
}
