//! The transport between Terraform and the provider: go-plugin's handshake, mutual TLS over a unix socket, and the
//! services that go-plugin expects beside the provider's own.

mod connection;
mod handshake;
pub(crate) mod log;
mod services;
mod socket;
mod tls;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollgate_proto::plugin::grpc_broker_server::GrpcBrokerServer;
use tollgate_proto::plugin::grpc_controller_server::GrpcControllerServer;
use tollgate_proto::plugin::grpc_stdio_server::GrpcStdioServer;
use tollgate_proto::tfplugin6::provider_server::{Provider, ProviderServer};
use tonic::transport::Server;

pub(crate) use handshake::Handshake;
pub(crate) use services::Finish;
use services::{Broker, Controller, Stdio};
use socket::Socket;

/// What Go's plugin servers allow; a schema alone may have 64 MiB.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// After a shutdown was asked for: how long open calls may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_millis(500);
const PARENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Who started the process, and who ends it.
#[derive(Debug)]
pub(crate) enum Mode {
    /// Terraform, which speaks mutual TLS and ends it.
    Managed(Handshake),
    /// A person with a debugger; Terraform attaches and leaves again.
    Debug,
}

/// Why the provider can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the socket for Terraform can't be made: {0}")]
    Socket(#[from] socket::SocketError),
    #[error("the connection to Terraform can't be secured: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("standard output can't be written, where Terraform reads the address: {0}")]
    Output(#[from] std::io::Error),
    #[error("serving ended early: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Serves `provider` until Terraform (or, for debugging, a person) ends it. `finish` is done before, where Terraform asks
/// for the end.
pub(crate) async fn serve<P: Provider>(
    provider: Arc<P>,
    finish: Finish,
    mode: Mode,
) -> Result<(), ServeError> {
    let shutdown = CancellationToken::new();
    end_on_signals(&mode, shutdown.clone())?;
    // Dropped last: takes the socket and its folder away.
    let (socket, connections) = match &mode {
        Mode::Managed(handshake) => {
            let identity = tls::Identity::generate()?;
            let acceptor = identity.acceptor(handshake.client_certificate())?;
            let socket = Socket::bind(handshake.socket_placement())?;
            let connections =
                connection::accept(socket.listener()?, Some(acceptor), shutdown.clone());
            print_line(&handshake.answer(socket.path(), identity.certificate()))?;
            end_with_parent(shutdown.clone());
            (socket, connections)
        }
        Mode::Debug => {
            let socket = Socket::bind(socket::Placement::default())?;
            let connections = connection::accept(socket.listener()?, None, shutdown.clone());
            print_line(&handshake::reattach(socket.path()))?;
            (socket, connections)
        }
    };
    let connections = ReceiverStream::new(connections);
    let served = run(provider, finish, connections, shutdown).await;
    drop(socket);
    served
}

async fn run<P: Provider>(
    provider: Arc<P>,
    finish: Finish,
    connections: ReceiverStream<std::io::Result<connection::Connection>>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_service_status("plugin", tonic_health::ServingStatus::Serving)
        .await;
    let provider = ProviderServer::from_arc(provider)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let controller = Controller::new(shutdown.clone(), finish);
    let server = Server::builder()
        .add_service(provider)
        .add_service(health)
        .add_service(GrpcControllerServer::new(controller))
        .add_service(GrpcStdioServer::new(Stdio::new(shutdown.clone())))
        .add_service(GrpcBrokerServer::new(Broker::new(shutdown.clone())))
        .serve_with_incoming_shutdown(connections, shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_MAX).await;
    };
    tokio::select! {
        ended = server => ended?,
        () = overdue => tracing::debug!("calls were still open when the process ended"),
    }
    Ok(())
}

/// The one place that writes to standard output: Terraform reads the first line as the plugin's address.
fn print_line(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Ctrl-C reaches every process of the terminal: Terraform then tells the provider itself when to stop.
fn end_on_signals(mode: &Mode, shutdown: CancellationToken) -> std::io::Result<()> {
    let is_managed = matches!(mode, Mode::Managed(_));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => {
                    if !is_managed {
                        break;
                    }
                }
            }
        }
        shutdown.cancel();
    });
    Ok(())
}

/// A Terraform that was killed can't say so: without this, its providers would stay.
fn end_with_parent(shutdown: CancellationToken) {
    let parent = std::os::unix::process::parent_id();
    tokio::spawn(async move {
        while std::os::unix::process::parent_id() == parent {
            tokio::time::sleep(PARENT_CHECK_INTERVAL).await;
        }
        shutdown.cancel();
    });
}
