//! How a connection to a target is made: in time, by TCP or by TLS, for HTTP/1.1 or HTTP/2.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tollgate_store::document::Protocol;

use super::address::Addresses;
use super::connection::{Connection, Http2, Origin, Streams};
use super::connections::Room;
use super::http1::{HEAD_BYTES_MAX, Http1};
use super::request_body::RequestBody;
use super::security::MaterialFault;

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// The most of one answer, and of all answers of one connection, that is kept for clients that read slowly.
const STREAM_BYTES_MAX: u32 = 1024 * 1024;
const CONNECTION_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// How long, and how often, a connection by HTTP/2 is waited for to be agreed on.
const SETTLE_INTERVAL: Duration = Duration::from_millis(1);
const SETTLE_LOOKS_MAX: usize = 100;
/// The least that one of several addresses gets of the time for a connection.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_millis(250);

pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectFault {
    #[error("the name leads nowhere: {0}")]
    Name(#[source] io::Error),
    #[error(transparent)]
    Refused(#[from] io::Error),
    #[error("no connection within {0:?}")]
    TooLate(Duration),
    #[error("there are as many connections as may be, and none was free within {0:?}")]
    Full(Duration),
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    #[error(transparent)]
    Material(#[from] MaterialFault),
    #[error("it speaks no {0}")]
    Protocol(&'static str),
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

/// How a target is spoken to by one connection.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// TLS, and whom the certificate must be made out to.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// What must be spoken; with `None`, what both agree on, or else HTTP/1.1.
    pub(super) protocol: Option<Protocol>,
}

/// A stream to one of the addresses, and what is spoken on it. It takes as long as it takes: bound it.
pub(super) async fn open(
    addresses: &Addresses,
    manner: &Manner,
    limit: Duration,
) -> Result<(Stream, SocketAddr, Protocol), ConnectFault> {
    let (tcp, address) = reach(addresses, limit).await?;
    let Some((config, name)) = &manner.tls else {
        let protocol = manner.protocol.unwrap_or(Protocol::Http11);
        return Ok((Either::Left(tcp), address, protocol));
    };
    let connector = TlsConnector::from(Arc::clone(config));
    let tls = connector.connect(name.clone(), tcp).await;
    let tls = tls.map_err(ConnectFault::Tls)?;
    let agreed = match tls.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        // Who knows no ALPN speaks HTTP/1.1.
        _ => Protocol::Http11,
    };
    match manner.protocol {
        Some(Protocol::Http2) if agreed != Protocol::Http2 => Err(ConnectFault::Protocol("HTTP/2")),
        _ => Ok((Either::Right(Box::new(tls)), address, agreed)),
    }
}

/// Tries one address after the other, so that one that is dead does not take the target down.
async fn reach(
    addresses: &Addresses,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectFault> {
    let all = addresses.all().await.map_err(ConnectFault::Name)?;
    let share = limit / u32::try_from(all.len().max(1)).unwrap_or(u32::MAX);
    let share = share.max(ADDRESS_TIMEOUT_MIN).min(limit);
    let mut fault = ConnectFault::TooLate(limit);
    for address in all {
        let attempt = tokio::time::timeout(share, TcpStream::connect(address)).await;
        addresses.note(address, matches!(attempt, Ok(Ok(_))));
        match attempt {
            Ok(Ok(stream)) => {
                prepare(&stream);
                return Ok((stream, address));
            }
            Ok(Err(error)) => fault = error.into(),
            Err(_) => fault = ConnectFault::TooLate(limit),
        }
    }
    Err(fault)
}

/// Without these a connection works, only less well.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keep_alive = TcpKeepalive::new().with_time(Duration::from_mins(1));
    let _ = SockRef::from(stream).set_tcp_keepalive(&keep_alive);
}

/// Begins HTTP on a stream. What drives the connection runs on this thread until it ends.
pub(super) async fn begin(
    stream: Stream,
    protocol: Protocol,
    (origin, room): (Origin, Option<Room>),
) -> Result<Connection, ConnectFault> {
    match protocol {
        Protocol::Http11 => Ok(Connection::Http1(Http1::new(stream, (origin, room)))),
        Protocol::Http2 => {
            let stream = TokioIo::new(stream);
            let (sender, mut driver) = http2_builder().handshake::<_, RequestBody>(stream).await?;
            settle(&mut driver).await?;
            let streams = Arc::new(Streams::default());
            let known = Arc::clone(&streams);
            known.allow(driver.current_max_send_streams());
            let driver = poll_fn(move |context| {
                known.allow(driver.current_max_send_streams());
                Pin::new(&mut driver).poll(context)
            });
            tokio::spawn(holding(room, driver));
            let connection = Http2 {
                sender,
                streams,
                origin,
            };
            Ok(connection.lend())
        }
    }
}

/// Drives a connection, and gives its room back when it has ended.
async fn holding<T>(room: Option<Room>, driver: impl Future<Output = T>) {
    driver.await;
    drop(room);
}

/// Waits until the other side has said how many requests it takes at once: before that, it takes none. hyper tells
/// nobody when it has, so that it is looked at; who takes longer is taken for one that allows what we do.
async fn settle(
    driver: &mut http2::Connection<TokioIo<Stream>, RequestBody, TokioExecutor>,
) -> Result<(), ConnectFault> {
    let mut look = tokio::time::interval(SETTLE_INTERVAL);
    for _ in 0..SETTLE_LOOKS_MAX {
        tokio::select! {
            ended = &mut *driver => {
                ended?;
                return Err(ConnectFault::Protocol("HTTP/2"));
            }
            _ = look.tick() => {}
        }
        if driver.current_max_send_streams() > 0 {
            break;
        }
    }
    Ok(())
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_BYTES_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_INTERVAL);
    builder
}

/// The deepest cause of an error, in words.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
