//! Between a client and LocalStack: what stands there sees every call.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::LocalStack;

pub(crate) type Answer = Response<Full<Bytes>>;
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

const OPERATION_HEADER: &str = "x-amz-target";
const SERVICE_PREFIX: &str = "secretsmanager.";
/// Requests and answers hold at most one secret's value, or twenty: 65,536 bytes each, escaped.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Less than LocalStack's own, so that no call is sent on a connection that is about to be closed.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// What becomes of a call.
pub(crate) trait Station: Send + Sync + 'static {
    /// Answers a call; an error closes the connection without an answer.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Answer, Problem>> + Send;
}

/// Serves every connection until it is dropped.
pub(crate) async fn serve(listener: TcpListener, station: Arc<impl Station>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, Arc::clone(&station)));
    }
}

async fn serve_connection(stream: TcpStream, station: Arc<impl Station>) {
    // Where the system refuses, calls are slower, not wrong.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let station = Arc::clone(&station);
        async move { station.answer(request).await.map_err(io::Error::other) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that leaves early is the client's business.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

/// The way to LocalStack.
pub(crate) struct Relay {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Relay {
    pub(crate) fn to(localstack: &LocalStack) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Self {
            endpoint: format!("http://{}", localstack.address()),
            client,
        }
    }

    /// Passes a call on once it is whole, and its answer back the same way.
    pub(crate) async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("{}{path}", self.endpoint))?;
        let request = Request::from_parts(head, whole(body).await?);
        let (head, body) = self.client.request(request).await?.into_parts();
        Ok(Response::from_parts(head, whole(body).await?))
    }
}

async fn whole(body: Incoming) -> Result<Full<Bytes>, Problem> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?;
    Ok(Full::new(body.to_bytes()))
}

/// What a call asks Secrets Manager for, like `GetSecretValue`; `None` where it asks something else.
pub(crate) fn operation<B>(request: &Request<B>) -> Option<&str> {
    let target = request.headers().get(OPERATION_HEADER)?;
    target.to_str().ok()?.strip_prefix(SERVICE_PREFIX)
}
