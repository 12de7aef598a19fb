//! Tokens that an authorization server hands out to the proxy itself: the client credentials grant (RFC 6749, section
//! 4.4).
//!
//! A token is fetched for the first request that needs it, and anew before it expires. Whoever needs one meanwhile
//! waits for the same answer; a failure is told to all of them, and holds for a moment.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use rustls::ClientConfig;
use tokio::time::Instant;
use tollgate_store::document::OAuthClient;
use tollgate_store::{Identifier, Name, Secret, ServiceUrl};
use zeroize::Zeroizing;

use super::bearer::{Fault, Token};
use super::credential::{basic, secret};
use super::file::SecretFile;
use crate::metrics::CredentialFetches;
use crate::service::{Question, encoded};
use crate::upstream::{Findings, Means};

/// How long the server is not asked again after it failed.
const FAILURE_HOLD: Duration = Duration::from_secs(2);

/// Where the proxy gets its tokens for one upstream.
#[derive(Debug)]
pub(super) struct OAuth {
    upstream: Name,
    url: ServiceUrl,
    tls: Arc<ClientConfig>,
    fetches: CredentialFetches,
    client_id: String,
    client_secret: SecretFile<Secret>,
    form: Bytes,
    token: ArcSwapOption<Token>,
    /// Held while the server is asked; when it last failed.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

impl OAuth {
    pub(super) fn new(client: &OAuthClient, upstream: &Name, means: &Means) -> Self {
        Self {
            upstream: upstream.clone(),
            url: client.token_url.clone(),
            tls: means.trust.client(),
            fetches: means.fetches.clone(),
            client_id: client.client_id.to_string(),
            client_secret: SecretFile::new(&client.client_secret, secret, &means.vault),
            form: form("client_credentials", client)
                .as_bytes()
                .to_vec()
                .into(),
            token: ArcSwapOption::empty(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The token at hand, if it is good.
    pub(super) fn ready(&self) -> Option<HeaderValue> {
        self.token.load().as_ref()?.ready()
    }

    /// A token that is waited for; `None` where the server has none to give.
    pub(super) async fn fetched(&self) -> Option<HeaderValue> {
        let mut failed = self.asking.lock().await;
        if let Some(value) = self.ready() {
            return Some(value);
        }
        self.ask(&mut failed).await;
        self.ready()
    }

    /// Fetches a token anew that nears its end: the one at hand is used until then.
    pub(super) async fn renew(&self) {
        let is_due = |token: &Arc<Token>| Instant::now() >= token.renewal;
        if self.token.load().as_ref().is_some_and(is_due) {
            let mut failed = self.asking.lock().await;
            self.ask(&mut failed).await;
        }
    }

    /// Notes what is wrong with its secret.
    pub(super) fn report(&self, findings: &mut Findings) {
        self.client_secret.report(findings);
    }

    /// Reads the secret again. Another one gets another token; the one at hand is used until that came.
    pub(super) fn refresh(&self) {
        if self.client_secret.refresh()
            && let Some(token) = self.token.load_full()
        {
            self.token.store(Some(Arc::new(token.due())));
        }
    }

    async fn ask(&self, failed: &mut Option<Instant>) {
        let began = Instant::now();
        if failed.is_some_and(|failed| began.duration_since(failed) < FAILURE_HOLD) {
            return;
        }
        let fetch = self.fetch(began).await;
        self.fetches.count(&self.upstream, fetch.is_ok());
        match fetch {
            Ok(token) => {
                *failed = None;
                self.token.store(Some(Arc::new(token)));
            }
            Err(fault) => {
                *failed = Some(Instant::now());
                let (upstream, token_url) = (&self.upstream, &self.url);
                let is_served = self.ready().is_some();
                tracing::warn!(%upstream, %token_url, cause = %fault, is_served, "no token for an upstream");
            }
        }
    }

    async fn fetch(&self, began: Instant) -> Result<Token, Fault> {
        let secret = self.client_secret.value();
        let authorization = authorization(&self.client_id, secret.as_deref())?;
        let question = Question::form(self.form.clone(), Some(authorization));
        let answer = question.ask(&self.url, &self.tls).await?;
        Token::read(&answer.body, began)
    }
}

/// Who the proxy is to a server (RFC 6749, section 2.3.1).
pub(super) fn authorization(
    client_id: &str,
    secret: Option<&Secret>,
) -> Result<HeaderValue, Fault> {
    let secret = secret.ok_or("the client's secret could not be read")?;
    let (id, secret) = (encoded(client_id), encoded(secret.expose()));
    Ok(basic(&id, &secret).ok_or("the client's secret is no text")?)
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
