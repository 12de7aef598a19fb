//! What the proxy shows an upstream of itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tollgate_store::document::UpstreamCredential;
use tollgate_store::{Name, Secret};
use zeroize::Zeroizing;

use super::file::SecretFile;
use super::oauth::OAuth;
use crate::upstream::SystemTrust;

/// What the proxy shows an upstream.
#[derive(Debug)]
pub(super) enum Credential {
    /// A header with a secret value.
    Header(HeaderName, SecretFile<HeaderValue>),
    /// A name and a password.
    Basic(String, SecretFile<Secret>),
    /// A token of an authorization server.
    OAuth(Arc<OAuth>),
}

impl Credential {
    /// `None` where nothing is declared.
    pub(super) fn new(
        declared: &UpstreamCredential,
        upstream: &Name,
        trust: &SystemTrust,
    ) -> Option<Self> {
        if let Some(header) = &declared.header {
            let name = HeaderName::try_from(header.name.as_str()).ok()?;
            return Some(Self::Header(name, SecretFile::new(&header.value, value)));
        }
        if let Some(basic) = &declared.basic {
            let password = SecretFile::new(&basic.password, secret);
            return Some(Self::Basic(basic.username.to_string(), password));
        }
        let client = declared.oauth2_client_credentials.as_ref()?;
        Some(Self::OAuth(Arc::new(OAuth::new(client, upstream, trust))))
    }

    /// The header that it stands in.
    pub(super) fn name(&self) -> &HeaderName {
        match self {
            Self::Header(name, _) => name,
            Self::Basic(..) | Self::OAuth(_) => &AUTHORIZATION,
        }
    }

    /// What to show; `None` where there is nothing.
    pub(super) async fn value(&self) -> Option<HeaderValue> {
        match self {
            Self::Header(_, file) => file.value().map(|value| HeaderValue::clone(&value)),
            Self::Basic(username, password) => basic(username, password.value()?.expose()),
            // Seldom waited for, and large then.
            Self::OAuth(oauth) => match oauth.ready() {
                Some(value) => Some(value),
                None => Box::pin(oauth.fetched()).await,
            },
        }
    }

    /// Reads what changed; it takes as long as the file system does.
    pub(super) fn refresh(&self) {
        match self {
            Self::Header(_, file) => drop(file.refresh()),
            Self::Basic(_, file) => drop(file.refresh()),
            Self::OAuth(oauth) => oauth.refresh(),
        }
    }
}

/// `Basic` (RFC 7617), of texts that hold what they may.
pub(crate) fn basic(name: &str, password: &str) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{name}:{password}"));
    let text = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// One line of text. A line's end is the editor's.
pub(crate) fn secret(bytes: &[u8]) -> Result<Secret, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(char::is_control) {
        return Err("it must hold one line of text".to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}

fn value(bytes: &[u8]) -> Result<HeaderValue, String> {
    let secret = secret(bytes)?;
    let value = HeaderValue::from_str(secret.expose());
    let mut value = value.map_err(|_| "it holds what a header can't".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_shown_as_the_rfc_has_it() {
        let shown = basic("Aladdin", "open sesame").unwrap();

        assert_eq!(shown, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(shown.is_sensitive());
    }

    #[test]
    fn a_secret_is_one_line() {
        assert_eq!(secret(b"word\r\n").unwrap().expose(), "word");
        for bytes in [&b""[..], b"\n", b"a\nb", b"\xff"] {
            assert!(secret(bytes).is_err(), "{bytes:?}");
        }
    }
}
