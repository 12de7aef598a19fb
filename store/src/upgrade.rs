//! What a connection may turn into.

use crate::text;

const UPGRADE_CHARS_MAX: usize = 32;

/// What a connection of HTTP/1.1 may turn into (RFC 9110, section 7.8), like `websocket`, in lower case; never another
/// version of HTTP, nor TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpgradeProtocol {
    text: String,
}
text!(UpgradeProtocol);

impl UpgradeProtocol {
    /// Reads a protocol's name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if ["h2c", "h2", "h3", "http", "tls"].contains(&text.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "{text:?} can't be upgraded to: whatever HTTP came after it would pass every check"
            ));
        }
        let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if (1..=UPGRADE_CHARS_MAX).contains(&text.len()) && text.chars().all(holds) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "{text:?} is no protocol to upgrade to: write its name in lower case and without a version, like \
             \"websocket\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_to_a_named_protocol_that_is_no_http() {
        assert!(UpgradeProtocol::parse("websocket").is_ok());
        for text in [
            "",
            "WebSocket",
            "h2c",
            "H2C",
            "tls",
            "a/1",
            "a b",
            "websocket,foo",
        ] {
            assert!(UpgradeProtocol::parse(text).is_err(), "{text:?}");
        }
    }
}
