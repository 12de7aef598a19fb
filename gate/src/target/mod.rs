//! What a request asks for: method, host and path, read once.

mod host;
mod path;

use std::borrow::Cow;

use http::uri::PathAndQuery;
use http::{Method, Uri};

use crate::{Malformed, Refusal, credential};
pub use path::PATH_BYTES_MAX;

/// What a request asks for, in the one spelling that is authorised, matched and forwarded.
///
/// Whatever two servers could read differently is refused, not repaired (RFC 3986, sections 6.2.2 and 7.3).
#[derive(Debug, Clone)]
pub struct Target {
    method: Method,
    host: String,
    path_and_query: PathAndQuery,
}

impl Target {
    /// Reads a request's head. `authority` is what the request is addressed to: `:authority`, the authority of an
    /// absolute target, or else the one `Host` header.
    ///
    /// `http::Uri` has dropped a fragment by now: what is authorised and forwarded ends before its `#`.
    pub fn parse(method: &Method, authority: Option<&str>, uri: &Uri) -> Result<Self, Refusal> {
        if matches!(*method, Method::CONNECT | Method::TRACE) {
            return Err(Malformed::MethodRefused.into());
        }
        check_credentials(uri)?;
        let authority = authority.ok_or(Malformed::HostMissing)?;
        if uri.authority().is_some_and(|other| other != authority) {
            return Err(Malformed::HostAmbiguous.into());
        }
        Ok(Self {
            method: method.clone(),
            host: host::canonical(authority)?,
            path_and_query: canonical_path_and_query(uri)?,
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The host in lower case, without port, trailing dot or the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The canonical path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.path()
    }

    /// The canonical path and the query as it came: what is forwarded.
    #[must_use]
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
}

/// Nobody may send a credential where logs on the way would keep it (RFC 6750, section 2.3).
fn check_credentials(uri: &Uri) -> Result<(), Malformed> {
    let query = uri.query().unwrap_or_default();
    let is_there = [uri.path(), query]
        .iter()
        .any(|text| credential::is_in(text.as_bytes()));
    if is_there || credential::is_named_in(query) {
        return Err(Malformed::CredentialInTarget);
    }
    Ok(())
}

fn canonical_path_and_query(uri: &Uri) -> Result<PathAndQuery, Malformed> {
    let path = path::canonical(uri.path())?;
    let query = uri.query();
    if query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Malformed::QueryCharacter);
    }
    if let (Cow::Borrowed(_), Some(as_it_came)) = (&path, uri.path_and_query())
        && as_it_came.as_str().starts_with('/')
    {
        return Ok(as_it_came.clone());
    }
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    // Every byte was checked above.
    PathAndQuery::try_from(text).map_err(|_| Malformed::PathCharacter)
}
