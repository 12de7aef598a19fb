//! Where counters of a whole fleet are kept.

use crate::network::{is_loopback, names_link_local};
use crate::text;

const CHARS_MAX: usize = 256;
/// What Redis and Valkey listen on.
const PORT: u16 = 6379;
const EXAMPLE: &str = "write it like \"rediss://counters.internal:6379\"";
const PREFIX_CHARS_MAX: usize = 64;

/// The address of a Redis or a Valkey: `rediss` by TLS, or `redis` in the clear; without credentials and path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterUrl {
    text: String,
    host: String,
    port: u16,
    is_tls: bool,
    is_loopback: bool,
}
text!(CounterUrl);

impl CounterUrl {
    /// Reads an address; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A password that stands there by mistake is in no message.
        let url = url::Url::parse(text)
            .map_err(|error| format!("this is no URL ({error}): {EXAMPLE}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            let message = "it must not hold credentials: give username, and in password a place";
            return Err(format!("{message}; {EXAMPLE}"));
        }
        if text.len() > CHARS_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{text:?} must be of at most {CHARS_MAX} visible ASCII characters: {EXAMPLE}"
            ));
        }
        let is_tls = url.scheme() == "rediss";
        let is_bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !(is_tls || url.scheme() == "redis") || !is_bare {
            return Err(format!(
                "{text:?} must be rediss (TLS) or redis, a host and a port, and no more: {EXAMPLE}"
            ));
        }
        // The host of a scheme that is not the web's comes as it was written.
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let host =
            url::Host::parse(&host).map_err(|_| format!("{text:?} names no host: {EXAMPLE}"))?;
        let borrowed = match &host {
            url::Host::Domain(name) => url::Host::Domain(name.as_str()),
            url::Host::Ipv4(address) => url::Host::Ipv4(*address),
            url::Host::Ipv6(address) => url::Host::Ipv6(*address),
        };
        if names_link_local(&borrowed) {
            return Err(format!(
                "{text:?} is a link-local address, which no counters are kept at"
            ));
        }
        let is_loopback = is_loopback(&borrowed);
        let host = match host {
            url::Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        Ok(Self {
            text: text.to_owned(),
            host,
            port: url.port().unwrap_or(PORT),
            is_tls,
            is_loopback,
        })
    }

    /// The host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether nobody else can listen in: by TLS, or on the same machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_tls || self.is_loopback
    }
}

/// What the keys of counters begin with: 1 to 64 letters, digits or any of `. _ : / -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterPrefix {
    text: String,
}
text!(CounterPrefix);

impl CounterPrefix {
    /// Reads a prefix; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        // No braces: what stands in them decides which node of a cluster has a key.
        let holds = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
        if text.is_empty() || text.len() > PREFIX_CHARS_MAX || !text.chars().all(holds) {
            return Err(format!(
                "{text:?} is no prefix of keys: it must have 1 to {PREFIX_CHARS_MAX} letters, digits or any of . _ : / \
                 -, like \"tollgate:prod:\""
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
    fn an_address_has_a_host_and_a_port() {
        for (text, host, port, is_tls, is_private) in [
            ("redis://127.0.0.1", "127.0.0.1", 6379, false, true),
            ("redis://[::1]:7000/", "::1", 7000, false, true),
            (
                "redis://counters.internal",
                "counters.internal",
                6379,
                false,
                false,
            ),
            (
                "rediss://Counters.internal:6380",
                "counters.internal",
                6380,
                true,
                true,
            ),
        ] {
            let url = CounterUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!(
                (url.is_tls(), url.is_private()),
                (is_tls, is_private),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_none_is_refused_with_an_example_and_without_its_password() {
        for text in [
            "",
            "counters.internal:6379",
            "http://counters.internal",
            "redis://",
            "redis://counters.internal/0",
            "redis://counters.internal?db=1",
            "redis://user:hush@counters.internal",
            "rediss://:hush@counters.internal",
        ] {
            let error = CounterUrl::parse(text).unwrap_err();
            assert!(
                error.ends_with(EXAMPLE) && !error.contains("hush"),
                "{error}"
            );
        }
        assert!(CounterUrl::parse("redis://169.254.169.254").is_err());
    }

    #[test]
    fn a_prefix_has_no_braces() {
        assert!(CounterPrefix::parse("tollgate:prod/edge.").is_ok());
        for text in ["", "a{b}", "a b", &"x".repeat(65)] {
            assert!(CounterPrefix::parse(text).is_err(), "{text}");
        }
    }
}
