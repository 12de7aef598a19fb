//! Pages that a proxy answers by itself, to whoever asks.

use http::Method;
use tollgate_store::document::Proxy;

use crate::{Snapshot, Target};

/// A page that a proxy answers by itself, to whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnPage {
    /// The public keys that verify what upstreams are told (RFC 7517).
    Jwks,
    /// Who hands out tokens for what the proxy protects (RFC 9728).
    ResourceMetadata,
}

impl OwnPage {
    /// What it holds, for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwks => "its public keys (RFC 7517)",
            Self::ResourceMetadata => "who hands out tokens for it (RFC 9728)",
        }
    }

    /// Every page that a proxy declares, with its path.
    pub(crate) fn all(proxy: Option<&Proxy>) -> Box<[(String, Self)]> {
        let jwks = proxy.and_then(|proxy| proxy.jwks_path.as_ref());
        let jwks = jwks.map(|path| (path.to_string(), Self::Jwks));
        let metadata = proxy.and_then(|proxy| proxy.resource_metadata.as_ref());
        let metadata = metadata.map(|metadata| (metadata.path(), Self::ResourceMetadata));
        jwks.into_iter().chain(metadata).collect()
    }
}

impl Snapshot {
    /// The page that is asked for, if it is one that the proxy answers by itself: before anything else is decided.
    #[must_use]
    pub fn own_page(&self, target: &Target) -> Option<OwnPage> {
        if !matches!(*target.method(), Method::GET | Method::HEAD) {
            return None;
        }
        // Mostly there are none.
        let mut pages = self.own_pages.iter();
        let found = pages.find(|(path, _)| path == target.path())?;
        Some(found.1)
    }
}
