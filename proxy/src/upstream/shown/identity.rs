//! Who asks, in headers that an upstream declares.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_gate::Grant;
use tollgate_store::document::UpstreamIdentity;
use tollgate_store::{FieldName, Name};

/// The most bytes of the scopes that an upstream is told: those beyond are left out, each as a whole.
const SCOPES_BYTES_MAX: usize = 4 * 1024;

/// Who asks.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    /// The principal, or else what stands alone.
    pub(super) label: &'a str,
    pub(super) principal: Option<&'a str>,
    /// Where a key proved it.
    pub(super) key: Option<&'a str>,
    pub(super) key_id: Option<String>,
    /// With spaces between them.
    pub(super) scopes: String,
}

impl<'a> Caller<'a> {
    pub(super) fn of(grant: &'a Grant<'_>) -> Self {
        let principal = grant.principal();
        let mut scopes = String::new();
        for scope in grant.scopes() {
            if scopes.len() + scope.as_str().len() >= SCOPES_BYTES_MAX {
                break;
            }
            if !scopes.is_empty() {
                scopes.push(' ');
            }
            scopes.push_str(scope.as_str());
        }
        Self {
            label: principal.label(),
            principal: principal.name().map(Name::as_str),
            key: principal.key_name(),
            key_id: principal.key_id().map(|id| id.to_string()),
            scopes,
        }
    }
}

/// The headers that say it.
#[derive(Debug)]
pub(super) struct IdentityHeaders {
    principal: Option<HeaderName>,
    key: Option<HeaderName>,
    key_id: Option<HeaderName>,
    scopes: Option<HeaderName>,
}

impl IdentityHeaders {
    pub(super) fn new(identity: &UpstreamIdentity) -> Self {
        let name = |name: Option<&FieldName>| HeaderName::try_from(name?.as_str()).ok();
        Self {
            principal: name(identity.principal.as_ref()),
            key: name(identity.key.as_ref()),
            key_id: name(identity.key_id.as_ref()),
            scopes: name(identity.scopes.as_ref()),
        }
    }

    pub(super) fn write(&self, caller: &Caller<'_>, headers: &mut HeaderMap) {
        for (name, text) in [
            (&self.principal, caller.principal),
            (&self.key, caller.key),
            (&self.key_id, caller.key_id.as_deref()),
            (&self.scopes, Some(&*caller.scopes)),
        ] {
            // Names hold nothing that a header could not.
            if let (Some(name), Some(Ok(value))) = (name, text.map(HeaderValue::from_str)) {
                headers.insert(name, value);
            }
        }
    }
}
