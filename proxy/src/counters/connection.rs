//! A connection to a server that a fleet counts in.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, ServerErrorKind, TlsCertificates, Value,
};
use tollgate_gate::{Answer, Demand, GiveBack};

use super::material::{self, Material};
use super::script::{self, Names, Run, SCRIPT};

/// How long a connection may take to be made.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The most requests that wait for their turn on a connection.
const WAITING_MAX: usize = 4_096;

/// Why there is no answer; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CounterFault {
    /// A file or a secret can't be used.
    #[error("{place} {reason}")]
    Material { place: String, reason: String },
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// There is no connection to the server that has the key.
    #[error("no server that answers has the key")]
    Nowhere,
    /// The server says that it does not do it.
    #[error("it refuses: {0}")]
    Refused(String),
    /// Another server of a cluster has the key; `for_now`: that is about to change.
    #[error(
        "{address} has the key: set cluster = true where it is a cluster and that is not declared"
    )]
    Elsewhere { address: String, for_now: bool },
    /// A request has several keys, of which a server of a cluster has some and another one has the rest, for as long as
    /// they are being moved.
    #[error("the keys are being moved to another server")]
    Moving,
    /// It says what no script of ours says.
    #[error("it answers what is no answer: another program may own its keys")]
    Unreadable,
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TooLate(Duration),
}

impl From<redis::RedisError> for CounterFault {
    fn from(error: redis::RedisError) -> Self {
        let kind = error.kind();
        if let Some((address, _)) = error.redirect_node() {
            return Self::Elsewhere {
                address: address.to_owned(),
                for_now: kind == ErrorKind::Server(ServerErrorKind::Ask),
            };
        }
        match kind {
            ErrorKind::Server(ServerErrorKind::TryAgain) => Self::Moving,
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl Place {
    /// Where a server of a cluster says that another one is; nothing where it does not know.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = port.parse().ok()?;
        (!host.is_empty() && host != "?").then_some(Self { host, port })
    }
}

/// A connection that any number of requests share.
#[derive(Clone)]
pub(super) struct Connection {
    link: MultiplexedConnection,
    digest: String,
    /// No other connection of the process has it.
    pub(super) number: u32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection {}", self.number)
    }
}

impl Connection {
    /// Connects, and brings the script along.
    pub(super) async fn open(
        place: &Place,
        material: &Material,
        number: u32,
    ) -> Result<Self, CounterFault> {
        let open = async {
            let mut link = connect(place, material).await?;
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(SCRIPT);
            let digest = match call(&mut link, &load).await? {
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

    /// Asks everything that is counted in one place. `is_asking`: another server of the cluster sent it here.
    pub(super) async fn ask(
        &self,
        names: &Names,
        demands: &[Demand],
        is_asking: bool,
    ) -> Result<Answer, CounterFault> {
        let command = |run: Run<'_>| script::command(run, names, demands);
        let value = self.run(&command, is_asking).await?;
        script::read(&value, demands).ok_or(CounterFault::Unreadable)
    }

    /// Gives back what was not spent, of one place.
    pub(super) async fn give_back(
        &self,
        names: &Names,
        given: &[GiveBack],
    ) -> Result<(), CounterFault> {
        let command = |run: Run<'_>| script::give_back(run, names, given);
        self.run(&command, false).await?;
        Ok(())
    }

    /// Whether it counts: by the script, as a server may answer and yet refuse to write. A server that is none of a
    /// cluster has keys of all tags. One that has none yet, as slots are being moved to it, can't be tried.
    pub(super) async fn probe(&self, names: &Names, tags: &[String]) -> Result<(), CounterFault> {
        if tags.is_empty() {
            return Ok(());
        }
        let command = |run: Run<'_>| script::probe(run, names, tags);
        match self.run(&command, false).await? {
            Value::Array(_) => Ok(()),
            _ => Err(CounterFault::Unreadable),
        }
    }

    /// Which servers of a cluster have which slots, as this one says it.
    pub(super) async fn slots(&self) -> Result<Value, CounterFault> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        Ok(call(&mut self.link.clone(), &command).await?)
    }

    /// Runs the script. A server that lost it is given it again.
    async fn run(
        &self,
        command: &(dyn Fn(Run<'_>) -> Cmd + Sync),
        is_asking: bool,
    ) -> redis::RedisResult<Value> {
        let mut link = self.link.clone();
        let by_digest = command(Run::ByDigest(&self.digest));
        if is_asking {
            let mut both = redis::pipe();
            both.cmd("ASKING").add_command(command(Run::Whole));
            let values = link.req_packed_commands(&both, 1, 1).await?;
            return values
                .into_iter()
                .next()
                .unwrap_or(Value::Nil)
                .extract_error();
        }
        match call(&mut link, &by_digest).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call(&mut link, &command(Run::Whole)).await
            }
            other => other,
        }
    }
}

async fn call(link: &mut MultiplexedConnection, command: &Cmd) -> redis::RedisResult<Value> {
    link.req_packed_command(command).await?.extract_error()
}

async fn connect(
    place: &Place,
    material: &Material,
) -> Result<MultiplexedConnection, CounterFault> {
    let declared = &material.declared;
    let (host, port) = (place.host.clone(), place.port);
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
        settings = settings.set_password(material::password(place, &material.vault)?.as_str());
    }
    let info = address.into_connection_info()?.set_redis_settings(settings);
    let client = if declared.url.is_tls() {
        let authorities = declared.ca.as_ref();
        let root_cert = authorities.map(|ca| material::authorities(ca, &material.vault));
        let trust = TlsCertificates {
            client_tls: None,
            root_cert: root_cert.transpose()?,
        };
        Client::build_with_tls(info, trust)?
    } else {
        Client::open(info)?
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_MAX))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING_MAX);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    Ok(connection.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_of_a_cluster_says_is_told_from_what_it_refuses() {
        let fault = |said: &str| {
            let value = redis::parse_redis_value(format!("-{said}\r\n").as_bytes()).unwrap();
            CounterFault::from(value.extract_error().unwrap_err())
        };
        for (said, for_now_wanted) in [("MOVED 7 10.0.0.1:1", false), ("ASK 7 10.0.0.1:1", true)] {
            let CounterFault::Elsewhere { address, for_now } = fault(said) else {
                panic!("{said}");
            };
            assert_eq!((address.as_str(), for_now), ("10.0.0.1:1", for_now_wanted));
        }
        let moving = fault("TRYAGAIN Multiple keys request during rehashing of slot");
        assert!(matches!(moving, CounterFault::Moving));
        for said in [
            "OOM command not allowed",
            "CLUSTERDOWN The cluster is down",
            "ERR no",
        ] {
            assert!(matches!(fault(said), CounterFault::Refused(_)), "{said}");
        }
    }
}
