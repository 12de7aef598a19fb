//! What an upstream is told of who asks, and shown of the proxy itself. Most upstreams declare nothing of it.

mod aws_identity;
mod bearer;
mod credential;
mod exchange;
mod file;
mod identity;
mod jwt;
mod oauth;
mod signed;
mod sigv4;
mod token_endpoint;

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use tollgate_gate::{Grant, UpstreamRule};
use tollgate_store::document::UpstreamIdentity;

use super::{Findings, Means};
use crate::refusal::UpstreamFault;
pub use aws_identity::AwsIdentity;
pub(crate) use credential::{basic, secret};
pub(crate) use file::SecretFile;

use credential::Credential;
use identity::{Caller, IdentityHeaders};
use jwt::Signer;
pub(super) use sigv4::{SigV4, Signing, Unsigned};

/// What an upstream is told and shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// The headers that it is told and shown by, which no client may write.
    names: Vec<HeaderName>,
    identity: Option<IdentityHeaders>,
    signer: Option<Signer>,
    credential: Option<Credential>,
}

impl Shown {
    /// `None` where nothing is declared.
    pub(super) fn new(rule: &UpstreamRule, means: &Means) -> Option<Self> {
        let declared = &rule.upstream;
        if declared.identity.is_none() && declared.credential.is_none() {
            return None;
        }
        let told = declared.identity.as_deref();
        let jwt = told.and_then(|told| told.jwt.as_ref());
        let credential = declared.credential.as_deref();
        let credential = credential.and_then(|it| Credential::new(it, &rule.name, means));
        let fields = told.into_iter().flat_map(UpstreamIdentity::names);
        let names = fields.filter_map(|(_, name)| HeaderName::try_from(name.as_str()).ok());
        let shown = credential.iter().flat_map(Credential::names);
        Some(Self {
            names: names.chain(shown).collect(),
            identity: told.map(IdentityHeaders::new),
            signer: jwt.and_then(|jwt| Signer::new(jwt, &means.vault)),
            credential,
        })
    }

    /// Writes it all into a request. Without what is declared, the request must not be sent.
    pub(super) async fn dress(
        &self,
        headers: &mut HeaderMap,
        (grant, subject): (&Grant<'_>, Option<&str>),
        now: jiff::Timestamp,
    ) -> Result<(), UpstreamFault> {
        self.strip(headers);
        if let Some(identity) = &self.identity {
            let caller = Caller::of(grant);
            identity.write(&caller, headers)?;
            if let Some(signer) = &self.signer {
                let token = signer.token(&caller, now).ok_or(UpstreamFault::Identity)?;
                headers.insert(&signer.header, token);
            }
        }
        if let Some(credential) = &self.credential {
            let value = credential.value(subject, now).await?;
            if let Some(value) = value {
                headers.insert(credential.name(), value);
            }
        }
        Ok(())
    }

    /// Takes away what a client wrote there, also where `_` stands for `-`, which many servers take for the same.
    fn strip(&self, headers: &mut HeaderMap) {
        let is_signed = matches!(self.credential, Some(Credential::Signature(_)));
        let is_ours = |name: &HeaderName| {
            let respelled = name.as_str().replace('_', "-");
            let is_named = self.names.iter().any(|ours| ours.as_str() == respelled);
            is_named || is_signed && respelled.starts_with(sigv4::PREFIX)
        };
        let forged: Vec<_> = headers
            .keys()
            .filter(|name| is_ours(name))
            .cloned()
            .collect();
        for name in forged {
            headers.remove(name);
        }
    }

    /// Reads files that changed; it takes as long as the file system does.
    pub(super) fn refresh(&self) {
        if let Some(signer) = &self.signer {
            signer.refresh();
        }
        if let Some(credential) = &self.credential {
            credential.refresh();
        }
    }

    /// Notes what is wrong with its secrets.
    pub(super) fn report(&self, findings: &mut Findings) {
        if let Some(signer) = &self.signer {
            signer.report(findings);
        }
        if let Some(credential) = &self.credential {
            credential.report(findings);
        }
    }

    /// Fetches anew what nears its end.
    pub(super) async fn renew(&self) {
        if let Some(credential) = &self.credential {
            credential.renew().await;
        }
    }

    /// What signs requests, where they are signed.
    pub(super) fn signer(&self) -> Option<&Arc<SigV4>> {
        match &self.credential {
            Some(Credential::Signature(signer)) => Some(signer),
            _ => None,
        }
    }

    /// The public keys that its tokens are verified by (RFC 7517).
    pub(super) fn jwks(&self) -> Vec<Value> {
        self.signer.as_ref().map(Signer::jwks).unwrap_or_default()
    }
}
