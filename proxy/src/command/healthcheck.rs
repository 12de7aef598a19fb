//! `tollgate-proxy healthcheck`: what a container's health check runs, as the image holds no other client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::admin_address;
use crate::failure::Failure;

/// The longest that the proxy may take: container schedulers usually wait five seconds.
const ANSWER_MAX: Duration = Duration::from_secs(4);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What `healthcheck` is told, as it is written.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Where operators connect to the proxy that is asked [default: 127.0.0.1:9900].
    #[arg(long, env = "TOLLGATE_ADMIN", value_name = "ADDRESS:PORT")]
    admin: Option<String>,
    /// Ask whether it can serve requests (/readyz), and not only whether it is alive (/healthz).
    #[arg(long)]
    ready: bool,
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let address = reachable(admin_address(arguments.admin.clone())?);
    let path = if arguments.ready {
        "/readyz"
    } else {
        "/healthz"
    };
    let asked = async {
        tokio::time::timeout(ANSWER_MAX, ask(address, path))
            .await
            .map_err(|_| format!("no answer within {} s", ANSWER_MAX.as_secs()).into())
            .flatten()
    };
    let answer: Result<(StatusCode, String), Problem> = super::in_one_thread(asked)?;
    match answer {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, text)) => Err(Failure::Unhealthy(format!(
            "http://{address}{path} answered {}: {}",
            status.as_u16(),
            text.trim_end()
        ))),
        Err(problem) => Err(Failure::Unhealthy(format!(
            "http://{address}{path}: {problem}"
        ))),
    }
}

/// Who listens on every address is reached on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, String), Problem> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok((head.status, text))
    };
    tokio::select! {
        answer = answer => answer,
        // It ends by itself only where nothing more can come.
        ended = connection => Err(match ended {
            Ok(()) => "the connection was closed without an answer".into(),
            Err(error) => error.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:9900", "127.0.0.1:9900"),
            ("[::]:9900", "[::1]:9900"),
            ("10.0.0.7:1", "10.0.0.7:1"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
