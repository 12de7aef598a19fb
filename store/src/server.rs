//! How a server is verified, and asked whether it is well.

use crate::{is_host, text};

const CHECK_PATH_CHARS_MAX: usize = 500;

/// The name or address that a server's certificate must be made out to, in lower case, without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName {
    text: String,
}
text!(ServerName);

impl ServerName {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !is_host(text) {
            return Err(format!(
                "{text:?} is not a server's name: write it in lower case without a port, like \"orders.internal\""
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// What is asked of a target to see whether it is well: a path from `/` on, with a query if need be, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckPath {
    text: String,
}
text!(CheckPath);

impl CheckPath {
    /// Reads a path; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let holds = |c: char| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(c);
        if text.starts_with('/') && text.len() <= CHECK_PATH_CHARS_MAX && text.chars().all(holds) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "{text:?} can't be asked for: write a path from \"/\" on, of at most {CHECK_PATH_CHARS_MAX} characters, \
             like \"/healthz\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_name_has_no_port_and_no_capitals() {
        assert!(ServerName::parse("orders.internal").is_ok());
        assert!(ServerName::parse("10.0.0.1").is_ok());
        for text in [
            "",
            "Orders.internal",
            "orders:443",
            "*.internal",
            "https://orders",
        ] {
            assert!(ServerName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_check_asks_for_a_path() {
        assert!(CheckPath::parse("/healthz?deep=1").is_ok());
        let long = format!("/{}", "x".repeat(CHECK_PATH_CHARS_MAX));
        for text in [
            "",
            "healthz",
            "/a b",
            "/a#b",
            "/\u{e4}",
            "/a\r\nX: y",
            &long,
        ] {
            assert!(CheckPath::parse(text).is_err(), "{text:?}");
        }
    }
}
