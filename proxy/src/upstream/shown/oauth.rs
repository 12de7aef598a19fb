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
use tokio::time::Instant;
use tollgate_store::Name;
use tollgate_store::document::OAuthClient;

use super::bearer::Token;
use super::token_endpoint::{TokenEndpoint, form};
use crate::upstream::{Findings, Means};

/// How long the server is not asked again after it failed.
const FAILURE_HOLD: Duration = Duration::from_secs(2);

/// Where the proxy gets its tokens for one upstream.
#[derive(Debug)]
pub(super) struct OAuth {
    endpoint: TokenEndpoint,
    form: Bytes,
    token: ArcSwapOption<Token>,
    /// Held while the server is asked; when it last failed.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

impl OAuth {
    pub(super) fn new(client: &OAuthClient, upstream: &Name, means: &Means) -> Self {
        Self {
            endpoint: TokenEndpoint::new(client, upstream, means),
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
        self.endpoint.report(findings);
    }

    /// Reads the secret again. Another one gets another token; the one at hand is used until that came.
    pub(super) fn refresh(&self) {
        if self.endpoint.refresh()
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
        let fetch = self.endpoint.ask(self.form.clone()).await;
        self.endpoint.count(fetch.is_ok());
        match fetch {
            Ok(token) => {
                *failed = None;
                self.token.store(Some(Arc::new(token)));
            }
            Err(fault) => {
                *failed = Some(Instant::now());
                let (upstream, token_url) = (&self.endpoint.upstream, &self.endpoint.url);
                let is_served = self.ready().is_some();
                tracing::warn!(%upstream, %token_url, cause = %fault, is_served, "no token for an upstream");
            }
        }
    }
}
