//! Pages that the proxy answers by itself, to whoever asks.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde::Serialize;
use serde_json::json;
use tollgate_store::document::{Proxy, ResourceMetadata};
use tollgate_store::{Name, ServiceUrl};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A new key is signed with at once.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// RFC 7517, section 8.5.2.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// What a proxy says of itself, and where.
#[derive(Debug, Default)]
pub struct WellKnown {
    /// Where the metadata of the protected resource is (RFC 9728): what refusals name.
    url: Option<String>,
    metadata: Bytes,
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
    /// What a proxy says.
    #[must_use]
    pub fn of(proxy: Option<&Proxy>) -> Self {
        let metadata = proxy.and_then(|proxy| proxy.resource_metadata.as_ref());
        let Some(metadata) = metadata else {
            return Self::default();
        };
        let (origin, path) = (metadata.resource.origin(), metadata.path());
        Self {
            url: Some(format!("{origin}{path}")),
            metadata: json!(Metadata::of(metadata)).to_string().into(),
        }
    }

    /// The metadata of the protected resource.
    #[must_use]
    pub fn resource(&self) -> Response<Bytes> {
        answer(self.metadata.clone(), (JSON, CACHE))
    }

    /// The URL of that metadata, which refusals name.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// A set of public keys, as it is now.
#[must_use]
pub fn jwks(keys: &serde_json::Value) -> Response<Bytes> {
    answer(keys.to_string().into(), (JWK_SET, REVALIDATE))
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
