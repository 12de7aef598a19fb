//! Where others' services are found.

use crate::network::{is_loopback, names_link_local};
use crate::{TargetUrl, text};

const CHARS_MAX: usize = 1_024;
const EXAMPLE: &str = "write it like \"https://login.example.com/oauth2/token\"";

/// The URL of somebody's service: `https`, or `http` on loopback; without credentials and fragment. It is no link-local
/// address.
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
                "{text:?} must be https, or http on loopback, and have no fragment: {EXAMPLE}"
            ));
        }
        if names_link_local(&host) {
            return Err(format!(
                "{text:?} is a link-local address, where a cloud's metadata service hands out credentials"
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

    /// What it is asked for: from the first slash on.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
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
            ("http://[::1]:9/t", "http://[::1]:9", "/t"),
        ] {
            let url = ServiceUrl::parse(text).unwrap();
            assert_eq!(url.origin().as_str(), origin);
            assert_eq!(url.path_and_query(), path);
        }
        for text in [
            "",
            "a.test/t",
            "http://a.test/t",
            "ftp://a.test/t",
            "https://a.test/t#x",
            "https://user:word@a.test/t",
            "https://169.254.169.254/t",
        ] {
            assert!(ServiceUrl::parse(text).is_err(), "{text}");
        }
        let error = ServiceUrl::parse("https://user:word@a.test/t").unwrap_err();
        assert!(!error.contains("word"), "{error}");
    }
}
