//! How others' services are asked, like issuers and servers that hand out tokens: each time by a connection of its own,
//! in time, within bounds, and nowhere else than declared.
//!
//! None of this is on the way of most requests, so that a connection is kept for nobody.

mod error_code;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tollgate_store::{ServiceUrl, is_link_local};
use zeroize::Zeroizing;

use error_code::ErrorCode;

/// How long an answer may take, from the name to the last byte.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The most that an answer may hold.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long one of a name's addresses may take to be reached; of several, each has its share.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_millis(250);
/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
const AGENT: HeaderValue = HeaderValue::from_static("tollgate-proxy");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Why there is no answer. It holds nothing of what was asked or answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceFault {
    #[error("no answer within {} s", .0.as_secs_f32())]
    TooLate(Duration),
    #[error("the name leads nowhere: {0}")]
    Name(io::Error),
    #[error(
        "the name leads to a link-local address, or from \"http\" to another machine, where nothing is asked"
    )]
    Forbidden,
    #[error("it can't be reached: {0}")]
    Connect(io::Error),
    #[error("it is spoken to in vain: {}", root_cause(.0))]
    Http(hyper::Error),
    #[error("the answer is {0}; it must be 200, and redirects are not followed")]
    Status(StatusCode),
    #[error("the answer is {0} with the error \"{1}\"; it must be 200")]
    Refused(StatusCode, ErrorCode),
    #[error("the answer breaks off, or is longer than 1 MiB")]
    Body,
}

/// What a service is asked.
#[derive(Debug)]
pub(crate) struct Question {
    method: Method,
    form: Bytes,
    authorization: Option<HeaderValue>,
    answer_max: Duration,
}

/// What it answers: always with 200.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Question {
    /// Asks for what there is.
    pub(crate) fn get() -> Self {
        Self {
            method: Method::GET,
            form: Bytes::new(),
            authorization: None,
            answer_max: ANSWER_MAX,
        }
    }

    /// Sends a form, percent-encoded, and what the proxy proves itself by.
    pub(crate) fn form(form: Bytes, authorization: Option<HeaderValue>) -> Self {
        Self {
            method: Method::POST,
            form,
            authorization,
            answer_max: ANSWER_MAX,
        }
    }

    /// With an answer that may take no longer than that.
    pub(crate) fn within(self, answer_max: Duration) -> Self {
        Self { answer_max, ..self }
    }

    /// Asks a service.
    pub(crate) async fn ask(
        self,
        url: &ServiceUrl,
        tls: &Arc<ClientConfig>,
    ) -> Result<Answer, ServiceFault> {
        let answer_max = self.answer_max;
        let answer = tokio::time::timeout(answer_max, exchange(url, tls, self.request(url))).await;
        answer.map_err(|_| ServiceFault::TooLate(answer_max))?
    }

    fn request(self, url: &ServiceUrl) -> Request<Full<Bytes>> {
        let has_form = self.method == Method::POST;
        let mut request = Request::new(Full::new(self.form));
        *request.method_mut() = self.method;
        // A URL that was read holds nothing that these could not.
        if let Ok(path) = url.path_and_query().parse() {
            *request.uri_mut() = path;
        }
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::try_from(url.authority()) {
            headers.insert(HOST, host);
        }
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        if has_form {
            headers.insert(CONTENT_TYPE, FORM);
        }
        if let Some(authorization) = self.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        request
    }
}

async fn exchange(
    url: &ServiceUrl,
    tls: &Arc<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ServiceFault> {
    // Only forms are answered by RFC 6749.
    let has_form = request.method() == Method::POST;
    let stream = connect(url, tls).await?;
    let mut builder = http1::Builder::new();
    builder
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(ServiceFault::Http)?;
    let exchange = async {
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(ServiceFault::Http)?.into_parts();
        if head.status != StatusCode::OK {
            let code = if has_form {
                ErrorCode::of(body).await
            } else {
                None
            };
            let status = head.status;
            let refused = |code| ServiceFault::Refused(status, code);
            return Err(code.map_or(ServiceFault::Status(status), refused));
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| ServiceFault::Body)?.to_bytes();
        Ok(Answer {
            headers: head.headers,
            body,
        })
    };
    // The connection ends with the exchange, whatever becomes of that.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(ServiceFault::Http)?;
            exchange.await
        }
    }
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

async fn connect(url: &ServiceUrl, tls: &Arc<ClientConfig>) -> Result<Stream, ServiceFault> {
    let origin = url.origin();
    let host = origin
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let found = tokio::net::lookup_host((host.as_str(), origin.port())).await;
    let addresses = allowed(found.map_err(ServiceFault::Name)?, origin.encrypted());
    let tcp = reach(&addresses).await?;
    if !origin.encrypted() {
        return Ok(Either::Left(tcp));
    }
    let name = ServerName::try_from(host);
    let name = name.map_err(|error| ServiceFault::Connect(io::Error::other(error)))?;
    let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
    Ok(Either::Right(Box::new(tls.map_err(ServiceFault::Connect)?)))
}

/// Where a service may be, of where its name leads: whoever has the name may let it lead anywhere.
fn allowed(found: impl Iterator<Item = SocketAddr>, is_encrypted: bool) -> Vec<SocketAddr> {
    let is_here = |address: IpAddr| address.to_canonical().is_loopback();
    let may_be = |address: &SocketAddr| {
        !is_link_local(address.ip()) && (is_encrypted || is_here(address.ip()))
    };
    found.filter(may_be).take(ADDRESSES_MAX).collect()
}

/// Tries one address after the other, so that one that is dead does not take the service away.
async fn reach(addresses: &[SocketAddr]) -> Result<TcpStream, ServiceFault> {
    let share = CONNECT_MAX / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let share = share.max(ADDRESS_TIMEOUT_MIN);
    let mut fault = ServiceFault::Forbidden;
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = ServiceFault::Connect(error),
            Err(_) => fault = ServiceFault::Connect(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(fault)
}

/// A value as it stands in a form.
pub(crate) fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())
}

/// The deepest cause of an error, in words.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_metadata_service_and_without_tls_nowhere_else_than_here() {
        let found = || {
            let texts = [
                "169.254.169.254:443",
                "[fe80::1]:443",
                "[fd00:ec2::254]:443",
                "[::ffff:169.254.169.254]:443",
                "0.0.0.0:443",
                "192.0.2.1:443",
                "127.0.0.1:443",
            ];
            texts.into_iter().map(|text| text.parse().unwrap())
        };
        let texts = |addresses: Vec<SocketAddr>| -> Vec<_> {
            addresses.iter().map(ToString::to_string).collect()
        };

        assert_eq!(
            texts(allowed(found(), true)),
            ["192.0.2.1:443", "127.0.0.1:443"]
        );
        assert_eq!(texts(allowed(found(), false)), ["127.0.0.1:443"]);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_forbidden_addresses_alone_is_not_connected_to() {
        let fault = reach(&[]).await.unwrap_err();

        assert!(matches!(fault, ServiceFault::Forbidden), "{fault}");
    }
}
