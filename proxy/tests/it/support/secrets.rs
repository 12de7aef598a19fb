//! A stand-in for Secrets Manager that knows as much of it as reading secrets takes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Secrets by ARN. Reading several at once can be forbidden.
pub(crate) struct Secrets {
    shared: Arc<Mutex<Shared>>,
    /// Where they are.
    pub(crate) endpoint: String,
}

#[derive(Default)]
struct Shared {
    texts: BTreeMap<String, String>,
    is_batch_denied: bool,
}

impl Secrets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::<Mutex<Shared>>::default();
        tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { shared, endpoint }
    }

    pub(crate) fn put(&self, arn: &str, text: &str) {
        let mut shared = self.shared.lock().unwrap();
        shared.texts.insert(arn.to_owned(), text.to_owned());
    }

    pub(crate) fn deny_batch(&self) {
        self.shared.lock().unwrap().is_batch_denied = true;
    }
}

async fn serve(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Mutex<Shared>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers()["x-amz-target"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let shared = shared.lock().unwrap();
    let secret = |arn: &Value| {
        let arn = arn.as_str().unwrap();
        let text = shared.texts.get(arn)?;
        Some(json!({"ARN": arn, "Name": arn, "VersionId": "1", "SecretString": text}))
    };
    let refused = |code: &str| (400, json!({"__type": code, "message": "no"}));
    let (status, answer) = match target.rsplit('.').next().unwrap() {
        "BatchGetSecretValue" if shared.is_batch_denied => refused("AccessDeniedException"),
        "BatchGetSecretValue" => {
            let arns = body["SecretIdList"].as_array().unwrap().iter();
            (
                200,
                json!({"SecretValues": arns.filter_map(secret).collect::<Vec<_>>()}),
            )
        }
        "GetSecretValue" => match secret(&body["SecretId"]) {
            Some(secret) => (200, secret),
            None => refused("ResourceNotFoundException"),
        },
        _ => refused("AccessDeniedException"),
    };
    let mut response = Response::new(Full::from(answer.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
