//! Where an authorization server hands out tokens to the proxy (RFC 6749, section 3.2), whatever they are asked for by.

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::Instant;
use tollgate_store::document::OAuthClient;
use tollgate_store::{Identifier, Name, Secret, ServiceUrl};
use zeroize::Zeroizing;

use super::bearer::{Fault, Token};
use super::credential::{basic, secret};
use super::file::SecretFile;
use crate::metrics::CredentialFetches;
use crate::service::{Question, encoded};
use crate::upstream::{Findings, Means, Security};

/// Where the proxy asks for tokens for one upstream.
#[derive(Debug)]
pub(super) struct TokenEndpoint {
    pub(super) upstream: Name,
    pub(super) url: ServiceUrl,
    security: Security,
    fetches: CredentialFetches,
    client_id: String,
    client_secret: SecretFile<Secret>,
}

impl TokenEndpoint {
    pub(super) fn new(client: &OAuthClient, upstream: &Name, means: &Means) -> Self {
        Self {
            upstream: upstream.clone(),
            url: client.token_url.clone(),
            security: Security::of_authorities(client.ca.as_ref(), (&means.trust, &means.vault)),
            fetches: means.fetches.clone(),
            client_id: client.client_id.to_string(),
            client_secret: SecretFile::new(&client.client_secret, secret, &means.vault),
        }
    }

    /// Asks for a token by a form, percent-encoded. Nothing of it is in the error.
    pub(super) async fn ask(&self, form: Bytes) -> Result<Token, Fault> {
        let began = Instant::now();
        let question = Question::form(form, Some(self.authorization()?));
        let tls = self.security.configs()?;
        let answer = question.ask(&self.url, &tls.http11).await?;
        Token::read(&answer.body, began)
    }

    /// Counts what became of it.
    pub(super) fn count(&self, is_good: bool) {
        self.fetches.count(&self.upstream, is_good);
    }

    /// Reads the secret and the server's authorities again; whether the former is another one.
    pub(super) fn refresh(&self) -> bool {
        self.security.refresh();
        self.client_secret.refresh()
    }

    /// Notes what is wrong with them.
    pub(super) fn report(&self, findings: &mut Findings) {
        self.security.report(findings);
        self.client_secret.report(findings);
    }

    /// Who the proxy is there (RFC 6749, section 2.3.1).
    fn authorization(&self) -> Result<HeaderValue, Fault> {
        let secret = self.client_secret.value();
        let secret = secret.ok_or("the client's secret could not be read")?;
        let (id, secret) = (encoded(&self.client_id), encoded(secret.expose()));
        Ok(basic(&id, &secret).ok_or("the client's secret is no text")?)
    }
}

/// What is asked for: `grant`, encoded, and what is declared of the token.
pub(super) fn form(grant: &str, client: &OAuthClient) -> Zeroizing<String> {
    let mut form = Zeroizing::new(format!("grant_type={grant}"));
    if let Some(scopes) = &client.scopes {
        let scopes: Vec<_> = scopes.iter().map(Identifier::as_str).collect();
        form.push_str("&scope=");
        form.push_str(&encoded(&scopes.join(" ")));
    }
    if let Some(audience) = &client.audience {
        form.push_str("&audience=");
        form.push_str(&encoded(audience.as_str()));
    }
    form
}
