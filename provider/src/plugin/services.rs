//! The services that go-plugin expects beside the provider's own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tollgate_proto::plugin::grpc_broker_server::GrpcBroker;
use tollgate_proto::plugin::grpc_controller_server::GrpcController;
use tollgate_proto::plugin::grpc_stdio_server::GrpcStdio;
use tollgate_proto::plugin::{ConnInfo, Empty, StdioData};
use tonic::{Request, Response, Status, Streaming};

/// How long the last work before the end may take.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// The last work before the end.
pub(crate) type Finish = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Ends the process when Terraform asks for it.
pub(crate) struct Controller {
    shutdown: CancellationToken,
    finish: Finish,
}

impl Controller {
    pub(crate) fn new(shutdown: CancellationToken, finish: Finish) -> Self {
        Self { shutdown, finish }
    }
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        if tokio::time::timeout(FINISH_MAX, (self.finish)())
            .await
            .is_err()
        {
            tracing::warn!("the process ends before its last work is done");
        }
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

/// Would carry standard output and error; Terraform reads both from the process itself.
#[derive(Debug)]
pub(crate) struct Stdio {
    shutdown: CancellationToken,
}

impl Stdio {
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown }
    }
}

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = Silence<StdioData>;

    async fn stream_stdio(
        &self,
        _request: Request<()>,
    ) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(Silence::until(&self.shutdown)))
    }
}

/// Would open further connections; Terraform never asks for one.
#[derive(Debug)]
pub(crate) struct Broker {
    shutdown: CancellationToken,
}

impl Broker {
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown }
    }
}

#[tonic::async_trait]
impl GrpcBroker for Broker {
    type StartStreamStream = Silence<ConnInfo>;

    async fn start_stream(
        &self,
        _request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        Ok(Response::new(Silence::until(&self.shutdown)))
    }
}

/// A stream that stays open and sends nothing, until the process ends.
pub(crate) struct Silence<T> {
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T> Silence<T> {
    fn until(shutdown: &CancellationToken) -> Self {
        Self {
            end: Box::pin(shutdown.clone().cancelled_owned()),
            item: std::marker::PhantomData,
        }
    }
}

impl<T> Stream for Silence<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.end.as_mut().poll(context).map(|()| None)
    }
}
