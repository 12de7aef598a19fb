//! Where others' services are found: issuers, their keys, servers that hand out tokens.

use crate::network::{is_loopback, names_link_local};
use crate::{TargetUrl, text};

const CHARS_MAX: usize = 1_024;
const EXAMPLE: &str = "write it like \"https://login.example.com/oauth2/token\"";

/// The URL of somebody's service: `https`, or `http` on this machine's own address; without credentials and fragment.
///
/// Link-local addresses are refused: a cloud's metadata service answers there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUrl {
    text: String,
    origin: TargetUrl,
    path_and_query: String,
}
text!(ServiceUrl);

impl ServiceUrl {
    /// Reads a URL; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text)
            .map_err(|error| format!("this is no URL ({error}): {EXAMPLE}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("a URL must not hold credentials: {EXAMPLE}"));
        }
        if text.len() > CHARS_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{text:?} must be of at most {CHARS_MAX} visible ASCII characters: {EXAMPLE}"
            ));
        }
        let Some(host) = url.host() else {
            return Err(format!("{text:?} names no host: {EXAMPLE}"));
        };
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&host);
        if !is_safe || url.fragment().is_some() {
            return Err(format!(
                "{text:?} must be https, so that nobody on the way can answer in its place (or http, for 127.0.0.1 and \
                 localhost alone), and have no fragment: {EXAMPLE}"
            ));
        }
        if url.port() == Some(0) || names_link_local(&host) {
            return Err(format!(
                "{text:?} can't be asked: at a link-local address a cloud's metadata service hands out credentials, \
                 and at port 0 nobody answers; {EXAMPLE}"
            ));
        }
        let port = url.port().map(|port| format!(":{port}"));
        let origin = format!("{}://{host}{}", url.scheme(), port.unwrap_or_default());
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Self {
            origin: TargetUrl::parse(&origin)?,
            path_and_query: format!("{}{}", url.path(), query.unwrap_or_default()),
            text: text.to_owned(),
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn origin(&self) -> &TargetUrl {
        &self.origin
    }

    /// The host, and the port where it is not the usual one: what a request is addressed to.
    #[must_use]
    pub fn authority(&self) -> &str {
        let origin = self.origin.as_str();
        origin
            .split_once("://")
            .map_or(origin, |(_, authority)| authority)
    }

    /// What it is asked for: from the first slash on.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Whether it has a query.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.path_and_query.contains('?')
    }

    /// The same service at another path, which starts with `/`.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self {
            text: format!("{}{path}", self.origin),
            origin: self.origin.clone(),
            path_and_query: path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_reached_safely() {
        for (text, origin, path) in [
            ("https://a.test", "https://a.test", "/"),
            ("https://a.test:8443/t?x=1", "https://a.test:8443", "/t?x=1"),
            ("http://127.0.0.1:9/t", "http://127.0.0.1:9", "/t"),
            ("http://localhost:9", "http://localhost:9", "/"),
            ("http://[::1]:9/t", "http://[::1]:9", "/t"),
        ] {
            let url = ServiceUrl::parse(text).unwrap();
            assert_eq!(url.origin().as_str(), origin);
            assert_eq!(url.path_and_query(), path);
            assert_eq!(url.has_query(), path.contains('?'));
        }
        for text in [
            "",
            "a.test/t",
            "http://a.test/t",
            "http://localhost.a.test/t",
            "ftp://a.test/t",
            "ftp://127.0.0.1",
            "https://a.test/t#x",
            "https://user@a.test/t",
            "https://user:word@a.test/t",
            "https://a.test:0/t",
        ] {
            assert!(ServiceUrl::parse(text).is_err(), "{text}");
        }
        let error = ServiceUrl::parse("https://user:word@a.test/t").unwrap_err();
        assert!(!error.contains("word"), "{error}");
    }

    #[test]
    fn the_metadata_service_is_none() {
        for text in [
            "https://169.254.169.254/",
            "https://[fd00:ec2::254]/",
            "https://[::ffff:169.254.169.254]/",
            "https://2852039166/",
            "https://0.0.0.0/",
        ] {
            let error = ServiceUrl::parse(text).unwrap_err();
            assert!(error.contains("link-local"), "{error}");
        }
    }

    #[test]
    fn another_path_is_at_the_same_place() {
        let url = ServiceUrl::parse("https://a.test:8443/t?x=1").unwrap();
        let other = url.with_path("/keys");

        assert_eq!(
            other,
            ServiceUrl::parse("https://a.test:8443/keys").unwrap()
        );
        assert_eq!(other.authority(), "a.test:8443");
    }
}
