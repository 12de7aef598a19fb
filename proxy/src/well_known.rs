//! Pages that the proxy answers by itself, to whoever asks.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use serde::Serialize;
use serde_json::json;
use tollgate_gate::Target;
use tollgate_store::document::{Proxy, ResourceMetadata};
use tollgate_store::{Name, ServiceUrl};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A new key is signed with at once.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// RFC 7517, section 8.5.2.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Pages that the proxy answers by itself.
#[derive(Debug, Default)]
pub struct WellKnown {
    pages: Vec<Page>,
    /// Where the metadata of the protected resource is (RFC 9728).
    resource_metadata: Option<String>,
    /// Where the public keys are that verify what upstreams are told (RFC 7517).
    jwks_path: Option<String>,
}

#[derive(Debug)]
struct Page {
    path: String,
    body: Bytes,
}

#[derive(Serialize)]
struct Metadata<'a> {
    resource: &'a str,
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
}

impl WellKnown {
    /// The pages of a proxy.
    #[must_use]
    pub fn of(proxy: Option<&Proxy>) -> Self {
        let jwks_path = proxy.and_then(|proxy| proxy.jwks_path.as_ref());
        let mut known = Self {
            jwks_path: jwks_path.map(ToString::to_string),
            ..Self::default()
        };
        let metadata = proxy.and_then(|proxy| proxy.resource_metadata.as_ref());
        if let Some(metadata) = metadata {
            let path = metadata.path();
            known.resource_metadata = Some(format!("{}{path}", metadata.resource.origin()));
            let body = json!(Metadata::of(metadata)).to_string().into();
            known.pages.push(Page { path, body });
        }
        known
    }

    /// The page that is asked for, if it is one of them; `jwks` makes the set of public keys as it is now.
    #[must_use]
    pub fn find(
        &self,
        target: &Target,
        jwks: impl FnOnce() -> serde_json::Value,
    ) -> Option<Response<Bytes>> {
        if !matches!(*target.method(), Method::GET | Method::HEAD) {
            return None;
        }
        if self.jwks_path.as_deref() == Some(target.path()) {
            return Some(answer(jwks().to_string().into(), (JWK_SET, REVALIDATE)));
        }
        // Mostly there are none.
        let page = self.pages.iter().find(|page| page.path == target.path())?;
        Some(answer(page.body.clone(), (JSON, CACHE)))
    }

    /// The URL of the resource's metadata, which refusals name.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.resource_metadata.as_deref()
    }
}

fn answer(
    body: Bytes,
    (content_type, cache_control): (HeaderValue, HeaderValue),
) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, cache_control);
    response
}

impl<'a> Metadata<'a> {
    fn of(metadata: &'a ResourceMetadata) -> Self {
        let servers = metadata.authorization_servers.iter();
        let scopes = metadata.scopes.iter().flatten();
        Self {
            resource: metadata.resource.as_str(),
            authorization_servers: servers.map(ServiceUrl::as_str).collect(),
            scopes_supported: scopes.map(Name::as_str).collect(),
            bearer_methods_supported: ["header"],
        }
    }
}
