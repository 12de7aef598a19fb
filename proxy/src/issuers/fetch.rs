//! How an issuer's metadata and keys are fetched: by a connection of their own, in time, and from nowhere else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tollgate_gate::JsonWebKeys;
use tollgate_store::{SecureUrl, is_link_local};

/// How long one document may take, from the name to the last byte.
pub(super) const FETCH_MAX: Duration = Duration::from_secs(5);
/// The most that a document may hold.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static("tollgate-proxy (keys of an issuer)");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Where metadata is: below the issuer (`OpenID` Connect Discovery 1.0, section 4), or between its host and its path
/// (RFC 8414, section 3).
const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFault {
    #[error("{url} did not answer within {} s", FETCH_MAX.as_secs())]
    TooLate { url: SecureUrl },
    #[error("{0} leads nowhere: {1}")]
    Name(SecureUrl, io::Error),
    #[error(
        "{0} leads to a link-local address, or from \"http\" to another machine, where no keys are taken from"
    )]
    Forbidden(SecureUrl),
    #[error("{0} can't be reached: {1}")]
    Connect(SecureUrl, io::Error),
    #[error("{0} is spoken to in vain: {1}")]
    Http(SecureUrl, hyper::Error),
    #[error("{0} answers {1}; it must be 200, and redirects are not followed")]
    Status(SecureUrl, StatusCode),
    #[error("the answer of {0} breaks off, or is longer than 1 MiB")]
    Body(SecureUrl),
    #[error("the answer of {0} is no metadata of an issuer: {1}")]
    Metadata(SecureUrl, String),
    #[error("the answer of {0} is of no use: {1}")]
    Keys(SecureUrl, String),
}

/// What an issuer says of itself, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// An issuer's keys, and for how long they may be taken for current, where that is said.
pub(super) async fn keys(
    issuer: &SecureUrl,
    jwks_url: Option<&SecureUrl>,
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

/// Where an issuer's metadata says that its keys are.
async fn discovered(issuer: &SecureUrl, tls: &Arc<ClientConfig>) -> Result<SecureUrl, FetchFault> {
    let [openid, oauth] = metadata_urls(issuer);
    let (url, body) = match get(&openid, tls).await {
        Ok((_, body)) => (openid, body),
        Err(FetchFault::Status(..)) => {
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
    SecureUrl::parse(&metadata.jwks_uri).map_err(|why| unfit(format!("jwks_uri: {why}")))
}

fn metadata_urls(issuer: &SecureUrl) -> [SecureUrl; 2] {
    let path = issuer.path().trim_end_matches('/');
    [
        issuer.with_path(&format!("{path}{OPENID}")),
        issuer.with_path(&format!("{OAUTH}{path}")),
    ]
}

async fn get(url: &SecureUrl, tls: &Arc<ClientConfig>) -> Result<(HeaderMap, Bytes), FetchFault> {
    let answer = tokio::time::timeout(FETCH_MAX, exchange(url, tls)).await;
    answer.map_err(|_| FetchFault::TooLate { url: url.clone() })?
}

async fn exchange(
    url: &SecureUrl,
    tls: &Arc<ClientConfig>,
) -> Result<(HeaderMap, Bytes), FetchFault> {
    let stream = connect(url, tls).await?;
    let failed = |error| FetchFault::Http(url.clone(), error);
    let mut builder = http1::Builder::new();
    builder
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let exchange = async {
        let answer = sender.send_request(request(url)).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchFault::Status(url.clone(), head.status));
        }
        let body = Limited::new(body, DOCUMENT_BYTES_MAX).collect().await;
        let body = body.map_err(|_| FetchFault::Body(url.clone()))?;
        Ok((head.headers, body.to_bytes()))
    };
    // The connection ends with the exchange, whatever becomes of that.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(failed)?;
            exchange.await
        }
    }
}

fn request(url: &SecureUrl) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    // A URL that was read holds nothing that these could not.
    if let Ok(path) = url.path().parse() {
        *request.uri_mut() = path;
    }
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::try_from(url.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, JSON);
    request
}

type Stream = Either<TcpStream, Box<tokio_rustls::client::TlsStream<TcpStream>>>;

async fn connect(url: &SecureUrl, tls: &Arc<ClientConfig>) -> Result<Stream, FetchFault> {
    let failed = |error| FetchFault::Connect(url.clone(), error);
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let addresses = tokio::net::lookup_host((host, url.port())).await;
    let addresses = addresses.map_err(|error| FetchFault::Name(url.clone(), error))?;
    // Whoever has the name may let it lead anywhere.
    let may_be = |address: &SocketAddr| {
        !is_link_local(address.ip()) && (url.is_encrypted() || address.ip().is_loopback())
    };
    let addresses: Vec<_> = addresses.filter(may_be).collect();
    if addresses.is_empty() {
        return Err(FetchFault::Forbidden(url.clone()));
    }
    let tcp = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(failed)?;
    if !url.is_encrypted() {
        return Ok(Either::Left(tcp));
    }
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| failed(io::Error::other(error)))?;
    let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
    Ok(Either::Right(Box::new(tls.map_err(failed)?)))
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
    use super::*;

    #[test]
    fn metadata_is_below_the_issuer_or_before_its_path() {
        let urls = |issuer: &str| {
            let urls = metadata_urls(&SecureUrl::parse(issuer).unwrap());
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
