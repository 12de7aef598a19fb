//! What the proxy shows an upstream of itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tollgate_store::document::UpstreamCredential;
use tollgate_store::{Name, Secret};
use zeroize::Zeroizing;

use super::exchange::Exchange;
use super::file::SecretFile;
use super::oauth::OAuth;
use super::sigv4::{self, SigV4};
use crate::refusal::UpstreamFault;
use crate::upstream::{Findings, Means};

/// What the proxy shows an upstream.
#[derive(Debug)]
pub(super) enum Credential {
    /// A header with a secret value.
    Header(HeaderName, SecretFile<HeaderValue>),
    /// A name and a password.
    Basic(String, SecretFile<Secret>),
    /// A token of an authorization server.
    OAuth(Arc<OAuth>),
    /// A token of an authorization server, for the caller's own.
    Exchange(Arc<Exchange>),
    /// A signature, which is made once the target is known.
    Signature(Arc<SigV4>),
}

impl Credential {
    /// `None` where nothing is declared.
    pub(super) fn new(
        declared: &UpstreamCredential,
        upstream: &Name,
        means: &Means,
    ) -> Option<Self> {
        if let Some(header) = &declared.header {
            let name = HeaderName::try_from(header.name.as_str()).ok()?;
            return Some(Self::Header(
                name,
                SecretFile::new(&header.value, value, &means.vault),
            ));
        }
        if let Some(basic) = &declared.basic {
            let password = SecretFile::new(&basic.password, secret, &means.vault);
            return Some(Self::Basic(basic.username.to_string(), password));
        }
        if let Some(client) = &declared.oauth2_client_credentials {
            let oauth = OAuth::new(client, upstream, means);
            return Some(Self::OAuth(Arc::new(oauth)));
        }
        if let Some(declared) = &declared.token_exchange {
            let exchange = Exchange::new(declared, upstream, means);
            return Some(Self::Exchange(Arc::new(exchange)));
        }
        let signature = declared.aws_sigv4.as_ref()?;
        let signer = SigV4::new(signature, &means.aws);
        Some(Self::Signature(Arc::new(signer)))
    }

    /// The header that it stands in.
    pub(super) fn name(&self) -> &HeaderName {
        match self {
            Self::Header(name, _) => name,
            Self::Basic(..) | Self::OAuth(_) | Self::Exchange(_) | Self::Signature(_) => {
                &AUTHORIZATION
            }
        }
    }

    /// All headers that it stands in.
    pub(super) fn names(&self) -> Vec<HeaderName> {
        match self {
            Self::Signature(_) => sigv4::NAMES.to_vec(),
            _ => vec![self.name().clone()],
        }
    }

    /// What to show; `None` where nothing stands in a header yet.
    pub(super) async fn value(
        &self,
        subject: Option<&str>,
        now: jiff::Timestamp,
    ) -> Result<Option<HeaderValue>, UpstreamFault> {
        let value = match self {
            Self::Header(_, file) => file.value().map(|value| HeaderValue::clone(&value)),
            Self::Basic(username, password) => password
                .value()
                .and_then(|password| basic(username, password.expose())),
            // Seldom waited for, and large then.
            Self::OAuth(oauth) => match oauth.ready() {
                Some(value) => Some(value),
                None => Box::pin(oauth.fetched()).await,
            },
            Self::Exchange(exchange) => {
                let subject = subject.ok_or(UpstreamFault::TokenExchange)?;
                let value = exchange.value(subject, now).await;
                return value.ok_or(UpstreamFault::TokenExchange).map(Some);
            }
            Self::Signature(signer) if signer.is_ready().await => return Ok(None),
            Self::Signature(_) => None,
        };
        value.ok_or(UpstreamFault::Credential).map(Some)
    }

    /// Fetches anew what nears its end.
    pub(super) async fn renew(&self) {
        match self {
            Self::OAuth(oauth) => oauth.renew().await,
            Self::Signature(signer) => signer.renew().await,
            // Each caller's by its own requests.
            Self::Header(..) | Self::Basic(..) | Self::Exchange(_) => {}
        }
    }

    /// Notes what is wrong with its secret.
    pub(super) fn report(&self, findings: &mut Findings) {
        match self {
            Self::Header(_, file) => file.report(findings),
            Self::Basic(_, file) => file.report(findings),
            Self::OAuth(oauth) => oauth.report(findings),
            Self::Exchange(exchange) => exchange.report(findings),
            Self::Signature(_) => {}
        }
    }

    /// Reads what changed; it takes as long as the file system does.
    pub(super) fn refresh(&self) {
        match self {
            Self::Header(_, file) => drop(file.refresh()),
            Self::Basic(_, file) => drop(file.refresh()),
            Self::OAuth(oauth) => oauth.refresh(),
            Self::Exchange(exchange) => exchange.refresh(),
            Self::Signature(_) => {}
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
