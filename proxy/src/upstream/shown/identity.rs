//! Who asks, in headers that an upstream declares.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_gate::{Grant, Principal};
use tollgate_store::document::UpstreamIdentity;
use tollgate_store::{IdentityFieldName, Name};

use crate::refusal::UpstreamFault;

/// The most bytes of the scopes that an upstream is told: those beyond are left out, each as a whole.
const SCOPES_BYTES_MAX: usize = 4 * 1024;

/// Who asks.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    /// What kind of caller it is, and its name: no two have the same one.
    pub(super) subject: String,
    pub(super) principal: Option<&'a str>,
    /// Where a key proved it.
    pub(super) key: Option<&'a str>,
    pub(super) key_id: Option<String>,
    /// Where an issuer's token proved it: the issuer's name, and whom the token is about.
    pub(super) token: Option<(&'a str, &'a str)>,
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
            subject: subject(principal),
            principal: principal.name().map(Name::as_str),
            key: principal.key_name(),
            key_id: principal.key_id().map(|id| id.to_string()),
            token: principal
                .issuer()
                .map(|(issuer, subject)| (issuer.as_str(), subject)),
            scopes,
        }
    }
}

/// The kind stands before the name, so that a key that is called like a principal is not taken for it.
fn subject(principal: &Principal<'_>) -> String {
    if let Some(name) = principal.name() {
        return format!("principal:{name}");
    }
    if let Some(name) = principal.key_name() {
        return format!("key:{name}");
    }
    if let Some((issuer, subject)) = principal.issuer() {
        // The name of an issuer holds no colon.
        return format!("issuer:{issuer}:{subject}");
    }
    if let Some(certificate) = principal.certificate() {
        let (field, value) = certificate.field();
        return format!("certificate:{field}:{value}");
    }
    "anonymous".to_owned()
}

/// The headers that say it.
#[derive(Debug)]
pub(super) struct IdentityHeaders {
    principal: Option<HeaderName>,
    key: Option<HeaderName>,
    key_id: Option<HeaderName>,
    scopes: Option<HeaderName>,
    subject: Option<HeaderName>,
    issuer: Option<HeaderName>,
}

impl IdentityHeaders {
    pub(super) fn new(identity: &UpstreamIdentity) -> Self {
        let name = |name: Option<&IdentityFieldName>| HeaderName::try_from(name?.as_str()).ok();
        Self {
            principal: name(identity.principal.as_ref()),
            key: name(identity.key.as_ref()),
            key_id: name(identity.key_id.as_ref()),
            scopes: name(identity.scopes.as_ref()),
            subject: name(identity.subject.as_ref()),
            issuer: name(identity.issuer.as_ref()),
        }
    }

    /// Writes it; an error where an upstream could read who asks as somebody else.
    pub(super) fn write(
        &self,
        caller: &Caller<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), UpstreamFault> {
        for (name, text) in [
            (&self.principal, caller.principal),
            (&self.key, caller.key),
            (&self.key_id, caller.key_id.as_deref()),
            (&self.scopes, Some(&*caller.scopes)),
            (&self.subject, caller.token.map(|(_, subject)| subject)),
            (&self.issuer, caller.token.map(|(issuer, _)| issuer)),
        ] {
            if let (Some(name), Some(text)) = (name, text) {
                headers.insert(name, value(text).ok_or(UpstreamFault::Identity)?);
            }
        }
        Ok(())
    }
}

/// A text as a header can hold it: names always can, and a subject of an issuer's token that is of visible characters of
/// ASCII, with spaces between them. Spaces around it would be lost, and others are read in several ways.
fn value(text: &str) -> Option<HeaderValue> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (is_plain && text.trim() == text)
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_to_the_letter_or_not_at_all() {
        for text in ["alice", "auth0|5f7c", "Alice of Orders", "\"x\", y", ""] {
            assert_eq!(value(text).unwrap(), text);
        }
        for text in [
            "\u{e4}",
            " alice",
            "alice ",
            "a\tb",
            "a\r\nx-user: root",
            "\0",
        ] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }
}
