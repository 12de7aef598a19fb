//! Pages that the proxy answers by itself, to whoever asks.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use serde::Serialize;
use serde_json::json;
use tollgate_gate::Target;
use tollgate_store::document::{Proxy, ResourceMetadata};
use tollgate_store::{Name, ServiceUrl};

const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Pages that the proxy answers by itself.
#[derive(Debug, Default)]
pub struct WellKnown {
    pages: Vec<Page>,
    /// Where the metadata of the protected resource is (RFC 9728).
    resource_metadata: Option<String>,
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
        let mut known = Self::default();
        let metadata = proxy.and_then(|proxy| proxy.resource_metadata.as_ref());
        if let Some(metadata) = metadata {
            let path = metadata_path(metadata);
            known.resource_metadata = Some(format!("{}{path}", metadata.resource.origin()));
            let body = json!(Metadata::of(metadata)).to_string().into();
            known.pages.push(Page { path, body });
        }
        known
    }

    /// The page that is asked for, if it is one of them.
    #[must_use]
    pub fn find(&self, target: &Target) -> Option<Response<Bytes>> {
        // Mostly there are none.
        let page = self.pages.iter().find(|page| page.path == target.path())?;
        if !matches!(*target.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let mut response = Response::new(page.body.clone());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response.headers_mut().insert(CACHE_CONTROL, CACHE);
        Some(response)
    }

    /// The URL of the resource's metadata, which refusals name.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.resource_metadata.as_deref()
    }
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

/// The resource's own path follows the well-known one (RFC 9728, section 3.1).
fn metadata_path(metadata: &ResourceMetadata) -> String {
    let path = metadata.resource.path_and_query().trim_end_matches('/');
    format!("{RESOURCE_METADATA}{path}")
}
