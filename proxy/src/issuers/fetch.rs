//! How an issuer's metadata and keys are fetched, and read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use rustls::ClientConfig;
use serde::Deserialize;
use tollgate_gate::JsonWebKeys;
use tollgate_store::ServiceUrl;

use crate::service::{self, Question, ServiceFault};
use crate::upstream::Security;

/// How long one document may take, from the name to the last byte.
pub(super) const FETCH_MAX: Duration = service::ANSWER_MAX;
/// Where metadata is: below the issuer (`OpenID` Connect Discovery 1.0, section 4), or between its host and its path
/// (RFC 8414, section 3).
const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFault {
    #[error("{0}")]
    Trust(String),
    #[error("{0}: {1}")]
    Service(ServiceUrl, ServiceFault),
    #[error("the answer of {0} is no metadata of an issuer: {1}")]
    Metadata(ServiceUrl, String),
    #[error("the answer of {0} is of no use: {1}")]
    Keys(ServiceUrl, String),
}

/// What an issuer says of itself, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// What TLS with an issuer takes, read anew if it is in a file that changed; the error says what is wrong with it.
pub(super) async fn trusted(security: &Arc<Security>) -> Result<Arc<ClientConfig>, String> {
    let file = Arc::clone(security);
    // It takes as long as the file system does.
    let _ = tokio::task::spawn_blocking(move || file.refresh()).await;
    let configs = security.configs().map_err(|fault| fault.to_string())?;
    Ok(Arc::clone(&configs.http11))
}

/// An issuer's keys, and for how long they may be taken for current, where that is said.
pub(super) async fn keys(
    issuer: &ServiceUrl,
    jwks_url: Option<&ServiceUrl>,
    tls: &Arc<ClientConfig>,
) -> Result<(JsonWebKeys, Option<Duration>), FetchFault> {
    let url = match jwks_url {
        Some(url) => url.clone(),
        None => discovered(issuer, tls).await?,
    };
    let (headers, body) = get(&url, tls).await?;
    let keys = JsonWebKeys::parse(&body).map_err(|why| FetchFault::Keys(url, why))?;
    Ok((keys, lifetime(&headers)))
}

/// Where an issuer's metadata says that its keys are, which may be on another host.
async fn discovered(
    issuer: &ServiceUrl,
    tls: &Arc<ClientConfig>,
) -> Result<ServiceUrl, FetchFault> {
    let [openid, oauth] = metadata_urls(issuer);
    let (url, body) = match get(&openid, tls).await {
        Ok((_, body)) => (openid, body),
        Err(FetchFault::Service(_, ServiceFault::Status(_))) => {
            let (_, body) = get(&oauth, tls).await?;
            (oauth, body)
        }
        Err(fault) => return Err(fault),
    };
    let unfit = |why: String| FetchFault::Metadata(url.clone(), why);
    let metadata: Metadata =
        serde_json::from_slice(&body).map_err(|error| unfit(error.to_string()))?;
    if metadata.issuer != issuer.as_str() {
        return Err(unfit(format!(
            "its issuer is {:?}, which must be {:?}",
            metadata.issuer,
            issuer.as_str()
        )));
    }
    let keys = ServiceUrl::parse(&metadata.jwks_uri);
    keys.map_err(|why| unfit(format!("jwks_uri: {why}")))
}

fn metadata_urls(issuer: &ServiceUrl) -> [ServiceUrl; 2] {
    let path = issuer.path_and_query().trim_end_matches('/');
    [
        issuer.with_path(&format!("{path}{OPENID}")),
        issuer.with_path(&format!("{OAUTH}{path}")),
    ]
}

async fn get(url: &ServiceUrl, tls: &Arc<ClientConfig>) -> Result<(HeaderMap, Bytes), FetchFault> {
    let answer = Question::get().ask(url, tls).await;
    let answer = answer.map_err(|fault| FetchFault::Service(url.clone(), fault))?;
    Ok((answer.headers, answer.body))
}

/// For how long an answer says that it is current (RFC 9111, section 5.2.2.1).
fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        let seconds = value.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age").then_some(seconds)
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn metadata_is_below_the_issuer_or_before_its_path() {
        let urls = |issuer: &str| {
            let urls = metadata_urls(&ServiceUrl::parse(issuer).unwrap());
            urls.map(|url| url.to_string())
        };

        assert_eq!(
            urls("https://login.example.com/"),
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            urls("https://login.example.com:8443/a/b"),
            [
                "https://login.example.com:8443/a/b/.well-known/openid-configuration",
                "https://login.example.com:8443/.well-known/oauth-authorization-server/a/b",
            ]
        );
    }

    #[test]
    fn a_lifetime_is_what_max_age_says() {
        for (line, seconds) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"7\", must-revalidate", Some(7)),
            ("no-store", None),
            ("max-age=-1", None),
            ("s-maxage=9", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(line));
            assert_eq!(
                lifetime(&headers),
                seconds.map(Duration::from_secs),
                "{line}"
            );
        }
    }
}
