//! Where a request bears its token.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{CredentialFault, text};

static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const BEARER: &str = "bearer";
const DPOP: &str = "dpop";

/// Where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// `Authorization: DPoP` (RFC 9449).
    Dpop,
    /// `X-API-Key`.
    ApiKey,
}

/// The one token of a request, and where it stands.
///
/// A second credential of any kind is a fault: the upstream, or a proxy on the way, might believe the other one.
pub(super) fn token(headers: &HeaderMap) -> Result<(&str, Place), CredentialFault> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all(&API_KEY).iter();
    let token = match (bearers.next(), keys.next()) {
        (None, None) => return Err(CredentialFault::Missing),
        (Some(_), Some(_)) => return Err(CredentialFault::Several),
        (Some(authorization), None) => schemed(authorization),
        (None, Some(key)) => key.to_str().ok().map(|token| (token, Place::ApiKey)),
    };
    if bearers.next().is_some() || keys.next().is_some() {
        return Err(CredentialFault::Several);
    }
    token.ok_or(CredentialFault::Malformed)
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1) or of `DPoP <token>` (RFC 9449, section 7.1).
fn schemed(authorization: &HeaderValue) -> Option<(&str, Place)> {
    let (scheme, token) = text::split_once(authorization.to_str().ok()?, b' ')?;
    let place = if scheme.eq_ignore_ascii_case(BEARER) {
        Place::Bearer
    } else if scheme.eq_ignore_ascii_case(DPOP) {
        Place::Dpop
    } else {
        return None;
    };
    Some((token.trim_start_matches(' '), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&'static str, &str)]) -> Result<String, CredentialFault> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        token(&map).map(|(token, _)| token.to_owned())
    }

    #[test]
    fn a_token_stands_in_either_header() {
        for headers in [
            [("authorization", "Bearer abc")],
            [("authorization", "bEARER  abc")],
            [("authorization", "DPoP abc")],
            [("x-api-key", "abc")],
        ] {
            assert_eq!(found(&headers).as_deref(), Ok("abc"), "{headers:?}");
        }
    }

    #[test]
    fn no_credential_is_missing() {
        assert_eq!(found(&[]), Err(CredentialFault::Missing));
    }

    #[test]
    fn two_credentials_are_refused_whatever_they_say() {
        for headers in [
            [("authorization", "Bearer abc"), ("x-api-key", "abc")],
            [("authorization", "Basic abc"), ("x-api-key", "abc")],
            [
                ("authorization", "Bearer abc"),
                ("authorization", "Bearer abc"),
            ],
            [
                ("authorization", "Basic abc"),
                ("authorization", "Bearer abc"),
            ],
            [("x-api-key", "abc"), ("x-api-key", "abc")],
        ] {
            assert_eq!(
                found(&headers),
                Err(CredentialFault::Several),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn another_scheme_is_malformed() {
        for value in ["Basic abc", "Bearer", "abc", "", "Bearer\tabc"] {
            assert_eq!(
                found(&[("authorization", value)]),
                Err(CredentialFault::Malformed),
                "{value:?}"
            );
        }
    }
}
