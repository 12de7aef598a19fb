//! The origin behind every proxy, and a proxy of nothing but hyper: the floor of what is built on hyper.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tollgate_acceptance::Failure;

use super::load::LARGE_PATH;

const BODY_BYTES: usize = 1_024;
const LARGE_BYTES: usize = 1_024 * 1_024;
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Pool = Rc<RefCell<Vec<SendRequest<Empty<Bytes>>>>>;

/// Answers 1 KiB to whatever is asked, or 1 MiB where that is asked for, and reads no more of a request than that and
/// where its head ends.
pub(crate) fn serve(address: &str) -> Result<(), Failure> {
    let answers: Rc<Answers> = Rc::new(Answers {
        usual: answer(BODY_BYTES),
        large: answer(LARGE_BYTES),
        large_start: format!("GET {LARGE_PATH} ").into_bytes(),
    });
    on_one_thread(address, move |stream| {
        answer_all(stream, Rc::clone(&answers))
    })
}

fn answer(bytes: usize) -> Vec<u8> {
    let body = "x".repeat(bytes - 2);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
    );
    format!("{head}\"{body}\"").into_bytes()
}

/// What is answered.
struct Answers {
    usual: Vec<u8>,
    large: Vec<u8>,
    /// How a request for the large one begins.
    large_start: Vec<u8>,
}

/// Passes everything on, by hyper on both sides and a pool of connections.
pub(crate) fn bare(address: &str, origin: &str) -> Result<(), Failure> {
    let (pool, origin): (Pool, Rc<str>) = (Rc::default(), origin.into());
    on_one_thread(address, move |stream| {
        let (pool, origin) = (Rc::clone(&pool), Rc::clone(&origin));
        let service = service_fn(move |request| {
            let (pool, origin) = (Rc::clone(&pool), Rc::clone(&origin));
            async move { pass(request, &pool, &origin).await }
        });
        async move {
            // A client that leaves is no failure.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
}

async fn pass(
    request: Request<Incoming>,
    pool: &Pool,
    origin: &str,
) -> Result<Response<Incoming>, BoxError> {
    let mut connection = loop {
        let idle = pool.borrow_mut().pop();
        match idle {
            Some(connection) if connection.is_closed() => {}
            Some(connection) => break connection,
            None => break connect(origin).await?,
        }
    };
    connection.ready().await?;
    let response = connection
        .send_request(request.map(|_| Empty::new()))
        .await?;
    pool.borrow_mut().push(connection);
    Ok(response)
}

async fn connect(origin: &str) -> Result<SendRequest<Empty<Bytes>>, BoxError> {
    let stream = TcpStream::connect(origin).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn answer_all(mut stream: TcpStream, answers: Rc<Answers>) {
    let mut bytes = Vec::with_capacity(REQUEST_BYTES_MAX);
    while stream
        .read_buf(&mut bytes)
        .await
        .is_ok_and(|count| count > 0)
    {
        if bytes.ends_with(HEAD_END) {
            let is_large = bytes.starts_with(&answers.large_start);
            let answer = if is_large {
                &answers.large
            } else {
                &answers.usual
            };
            bytes.clear();
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
        if bytes.len() >= REQUEST_BYTES_MAX {
            return;
        }
    }
}

fn on_one_thread<F: Future<Output = ()> + 'static>(
    address: &str,
    converse: impl Fn(TcpStream) -> F,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("no runtime"))?;
    let accepting = async {
        // It ends with the process, or by a failure.
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(converse(stream));
        }
    };
    let ended: std::io::Result<()> = LocalSet::new().block_on(&runtime, accepting);
    ended.map_err(Failure::system("the address can't be served"))
}
