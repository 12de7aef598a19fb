//! A connection to the store in which a fleet counts.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, ServerErrorKind, TlsCertificates, Value,
};
use tollgate_gate::{Answer, Demand};
use tollgate_store::document::Counters;
use tollgate_store::{Authorities, SecretPlace};
use zeroize::Zeroizing;

use super::script::{self, Run, SCRIPT};
use crate::tls;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The most requests that wait for their turn on a connection.
const WAITING_MAX: usize = 4_096;
/// The most that a file with a password may hold.
const PASSWORD_BYTES_MAX: u64 = 4 * 1_024;
/// The most that a file with authorities may hold.
const AUTHORITIES_BYTES_MAX: u64 = 1_024 * 1_024;

/// Why there is no answer; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CounterFault {
    /// A file can't be used.
    #[error("{place}: {reason}")]
    File { place: String, reason: String },
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// The store says that it does not do it.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It says what no script of ours says.
    #[error("it answers what is no answer: another program may own its keys")]
    Unreadable,
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TooLate(Duration),
}

impl From<redis::RedisError> for CounterFault {
    fn from(error: redis::RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// A connection that any number of requests share.
#[derive(Clone)]
pub(super) struct Connection {
    link: Link,
    digest: String,
    /// Counted from 1.
    pub(super) number: u32,
}

#[derive(Clone)]
enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection {}", self.number)
    }
}

impl Connection {
    /// Connects, and brings the script along.
    pub(super) async fn open(declared: &Counters, number: u32) -> Result<Self, CounterFault> {
        let open = async {
            let mut link = Link::open(declared).await?;
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(SCRIPT);
            let digest = match link.call(&load).await? {
                Value::BulkString(digest) => String::from_utf8(digest).ok(),
                Value::SimpleString(digest) => Some(digest),
                _ => None,
            };
            Ok(Self {
                link,
                digest: digest.ok_or(CounterFault::Unreadable)?,
                number,
            })
        };
        let opened = tokio::time::timeout(CONNECT_MAX, open).await;
        opened.map_err(|_| CounterFault::TooLate(CONNECT_MAX))?
    }

    /// Asks everything that is counted in one place. A store that lost the script is given it again.
    pub(super) async fn ask(
        &self,
        prefix: &str,
        demands: &[Demand],
    ) -> Result<Answer, CounterFault> {
        let mut link = self.link.clone();
        let by_digest = script::command(Run::ByDigest(&self.digest), prefix, demands);
        let value = match link.call(&by_digest).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.call(&script::command(Run::Whole, prefix, demands))
                    .await
            }
            other => other,
        };
        script::read(&value?, demands).ok_or(CounterFault::Unreadable)
    }

    /// Whether keys of different tags may be in different places.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.link, Link::Cluster(_))
    }

    /// Whether it answers.
    pub(super) async fn probe(&self) -> Result<(), CounterFault> {
        let mut link = self.link.clone();
        link.call(&redis::cmd("PING")).await?;
        Ok(())
    }
}

impl Link {
    async fn open(declared: &Counters) -> Result<Self, CounterFault> {
        let (host, port) = (declared.url.host().to_owned(), declared.url.port());
        let address = if declared.url.is_tls() {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default();
        if let Some(username) = &declared.username {
            settings = settings.set_username(username.as_str());
        }
        if let Some(place) = &declared.password {
            settings = settings.set_password(password(place)?.as_str());
        }
        let info = address.into_connection_info()?.set_redis_settings(settings);
        let root_cert = declared.ca.as_ref().map(authorities).transpose()?;
        let trust = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        if declared.cluster {
            let mut builder = ClusterClient::builder([info])
                .connection_timeout(CONNECT_MAX)
                .retries(1);
            if declared.url.is_tls() {
                builder = builder.certs(trust);
            }
            let connection = builder.build()?.get_async_connection().await?;
            return Ok(Self::Cluster(connection));
        }
        let client = if declared.url.is_tls() {
            Client::build_with_tls(info, trust)?
        } else {
            Client::open(info)?
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING_MAX);
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Self::Single(connection))
    }

    async fn call(&mut self, command: &Cmd) -> redis::RedisResult<Value> {
        let value = match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        value?.extract_error()
    }
}

fn password(place: &SecretPlace) -> Result<Zeroizing<String>, CounterFault> {
    let fault = |reason: String| CounterFault::File {
        place: place.to_string(),
        reason,
    };
    let path = place.reference().file().map_err(fault)?;
    let bytes = tls::read_file(path, PASSWORD_BYTES_MAX);
    let bytes = bytes.map_err(|error| fault(error.to_string()))?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| fault("is no text".to_owned()))?;
    let word = text.trim_end_matches(['\r', '\n']);
    if word.is_empty() || word.contains(['\r', '\n']) {
        return Err(fault("must hold a password on one line".to_owned()));
    }
    Ok(Zeroizing::new(word.to_owned()))
}

fn authorities(ca: &Authorities) -> Result<Vec<u8>, CounterFault> {
    let Some(reference) = ca.reference() else {
        return Ok(ca.as_str().as_bytes().to_vec());
    };
    let fault = |reason: String| CounterFault::File {
        place: reference.to_string(),
        reason,
    };
    let bytes = reference.file().map_err(fault).and_then(|path| {
        let bytes = tls::read_file(path, AUTHORITIES_BYTES_MAX);
        bytes.map_err(|error| fault(error.to_string()))
    });
    bytes.map(|bytes| bytes.to_vec())
}
