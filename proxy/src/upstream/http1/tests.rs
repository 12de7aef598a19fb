//! What is written and read, beside what hyper reads of the same.

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

/// An answer up to its end.
#[derive(Debug, PartialEq)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    is_last: bool,
    rest: Vec<u8>,
}

/// Reads what comes in `pieces`, after which the connection ends.
fn read<'a>(method: &Method, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Seen, Fault> {
    let mut reader = AnswerReader::new(method);
    let (mut buffer, mut head, mut body, mut trailers) = (BytesMut::new(), None, vec![], None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if head.is_none() {
            head = reader.head(&mut buffer)?;
        }
        while head.is_some()
            && let Some(frame) = reader.frame(&mut buffer)?
        {
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
    }
    let head = head.ok_or(Fault::Closed)?.into_parts().0;
    let is_last = reader.is_last();
    reader.close()?;
    Ok(Seen {
        status: head.status,
        headers: head.headers,
        body,
        trailers,
        is_last,
        rest: buffer.to_vec(),
    })
}

fn get(answer: &str) -> Result<Seen, Fault> {
    read(&Method::GET, [answer.as_bytes()])
}

#[test]
fn a_body_is_as_long_as_it_is_said_to_be() {
    for (answer, body, is_last, rest) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
            "hi",
            false,
            "!",
        ),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", false, ""),
        ("HTTP/1.1 200 OK\r\n\r\nall\r\n", "all\r\n", true, ""),
        ("HTTP/1.1 204 OK\r\n\r\nHTTP", "", false, "HTTP"),
        (
            "HTTP/1.1 304 OK\r\nContent-Length: 9\r\n\r\n",
            "",
            false,
            "",
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
            "a",
            true,
            "",
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\na",
            "a",
            false,
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n\r\na",
            "a",
            true,
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\nA \r\n0123456789\r\n0\r\n\r\n-",
            "ab0123456789",
            false,
            "-",
        ),
    ] {
        let seen = get(answer).unwrap();
        assert_eq!(seen.body, body.as_bytes(), "{answer}");
        assert_eq!(
            (seen.is_last, seen.rest.as_slice()),
            (is_last, rest.as_bytes()),
            "{answer}"
        );
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let seen = read(&Method::HEAD, [head.as_bytes()]).unwrap();
    assert_eq!((seen.body.len(), seen.headers.len()), (0, 1));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n0\r\n\r\n");
        assert!(matches!(get(&answer), Err(Fault::Ambiguous)), "{fields}");
    }
    for answer in [
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\n\r\n",
    ] {
        assert!(matches!(get(answer), Err(Fault::Ambiguous)), "{answer:?}");
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(matches!(get(old), Err(Fault::Ambiguous)));
}

#[test]
fn chunks_that_are_none_are_refused() {
    for body in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
        "1 1\r\n",
        "1;\r=\r\na\r\n",
        "10000000000000000\r\n",
        "1,\r\na\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert!(matches!(get(&answer), Err(Fault::Chunk)), "{body:?}");
    }
    let endless = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
        "a".repeat(5_000)
    );
    assert!(matches!(get(&endless), Err(Fault::Chunk)));
}

#[test]
fn what_breaks_off_has_no_end() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        assert!(matches!(get(answer), Err(Fault::Closed)), "{answer:?}");
    }
}

#[test]
fn a_head_and_trailers_have_bounds() {
    let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
    let long = format!("a: {}\r\n", "b".repeat(HEAD_BYTES_MAX));
    let unending = "a".repeat(HEAD_BYTES_MAX + 1);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for fields in [&many, &long, &unending] {
        for start in ["HTTP/1.1 200 OK\r\n", chunked] {
            let answer = get(&format!("{start}{fields}\r\n"));
            let is_unreadable = matches!(answer, Err(Fault::Head(_))) && *fields == unending;
            assert!(matches!(answer, Err(Fault::HeadTooLarge)) || is_unreadable);
        }
    }
    let seen = get(&format!("{chunked}a: b\r\nA: c\r\n\r\n")).unwrap();
    assert_eq!(seen.trailers.unwrap().get_all("a").iter().count(), 2);
}

#[test]
fn answers_that_announce_another_are_passed_over_up_to_a_bound() {
    let announced = |count| {
        let early = "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n".repeat(count);
        get(&format!("{early}HTTP/1.1 204 Done\r\n\r\n"))
    };
    assert_eq!(announced(INFORMATIONAL_MAX).unwrap().headers.len(), 0);
    assert!(matches!(
        announced(INFORMATIONAL_MAX + 1),
        Err(Fault::Informational)
    ));

    let switched = get("HTTP/1.1 101 Now\r\nUpgrade: x\r\n\r\nearly").unwrap();
    assert_eq!(
        (switched.status.as_u16(), switched.rest.as_slice()),
        (101, b"early".as_slice())
    );
}

#[tokio::test]
async fn a_request_says_how_long_its_body_is_whatever_its_fields_say() {
    let with = |method: &str, fields: &[(&str, &str)], body: RequestBody| {
        let mut request = Request::new(body);
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = "/a?b".parse().unwrap();
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    };
    let hi = || RequestBody::of(Bytes::from_static(b"hi"));
    for (request, expected) in [
        (
            with("GET", &[("host", "a")], RequestBody::empty()),
            "GET /a?b HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            with("POST", &[("content-length", "0")], RequestBody::empty()),
            "POST /a?b HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            with(
                "PUT",
                &[
                    ("content-length", "7"),
                    ("transfer-encoding", "chunked"),
                    ("x", "1"),
                    ("x", "2"),
                ],
                hi(),
            ),
            "PUT /a?b HTTP/1.1\r\nx: 1\r\nx: 2\r\ncontent-length: 2\r\n\r\nhi",
        ),
    ] {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(near);
        wire.begin(Box::new(request));
        std::future::poll_fn(|context| wire.poll_send(context))
            .await
            .unwrap();
        assert!(wire.has_sent());
        drop(wire);
        let mut written = String::new();
        far.read_to_string(&mut written).await.unwrap();
        assert_eq!(written, expected);
    }
}

#[tokio::test]
async fn a_connection_carries_another_request_only_where_nothing_is_left_of_the_last() {
    for (answer, is_reusable) in [
        ("HTTP/1.1 204 OK\r\n\r\n", true),
        ("HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n", false),
    ] {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(near);
        wire.begin(Box::new(Request::new(RequestBody::empty())));
        far.write_all(answer.as_bytes()).await.unwrap();
        let head = std::future::poll_fn(|context| wire.poll_head(context)).await;
        assert_eq!(head.unwrap().status(), 204);
        assert_eq!(wire.is_reusable(), is_reusable, "{answer}");
    }
}

#[tokio::test]
async fn no_piece_of_a_body_is_larger_than_who_reads_it_wants() {
    const BODY_BYTES: usize = 300_000;
    let (near, mut far) = tokio::io::duplex(2 * BODY_BYTES);
    let mut wire = Wire::new(near);
    // What is left of an earlier answer's buffer has room for more.
    wire.read_at_most(BODY_BYTES);
    for most in [BODY_BYTES, 20_000] {
        wire.begin(Box::new(Request::new(RequestBody::empty())));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
        far.write_all(head.as_bytes()).await.unwrap();
        std::future::poll_fn(|context| wire.poll_head(context))
            .await
            .unwrap();
        wire.read_at_most(most);
        far.write_all(&vec![7; BODY_BYTES]).await.unwrap();
        let mut came = 0;
        while let Some(frame) = std::future::poll_fn(|context| wire.poll_frame(context)).await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= most, "{} of {most}", piece.len());
            came += piece.len();
        }
        assert_eq!(came, BODY_BYTES);
    }
}

#[tokio::test]
async fn what_comes_unasked_is_told_from_a_connection_that_closed() {
    let (near, mut far) = tokio::io::duplex(1024);
    let mut wire = Wire::new(near);
    assert!(wire.check().is_ok());
    far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    assert!(matches!(wire.check(), Err(Fault::Unasked)));

    let (near, far) = tokio::io::duplex(1024);
    let mut wire = Wire::new(near);
    drop(far);
    assert!(matches!(wire.check(), Err(Fault::Closed)));
}

#[tokio::test]
async fn an_answer_counts_although_its_request_could_not_be_sent() {
    let (near, mut far): (DuplexStream, DuplexStream) = tokio::io::duplex(64);
    far.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    drop(far);
    let mut wire = Wire::new(near);
    let body = RequestBody::of(vec![0; 1_000].into());
    wire.begin(Box::new(Request::new(body)));
    let head = std::future::poll_fn(|context| wire.poll_head(context)).await;
    assert_eq!(head.unwrap().status(), 413);
    assert!(!wire.is_reusable());
}

/// What hyper reads of the same.
async fn by_hyper(method: Method, answer: &[u8]) -> Option<(StatusCode, HeaderMap, Vec<u8>)> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    let asked = sender.send_request(request);
    let answered = async {
        // What comes before the request is another matter.
        let mut head = [0; 1024];
        assert!(far.read(&mut head).await.unwrap() > 0);
        far.write_all(answer).await.unwrap();
        drop(far);
    };
    let (response, ()) = tokio::join!(asked, answered);
    let (head, body) = response.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some((head.status, head.headers, body.to_vec()))
}

/// Answers that are nearly right.
fn answers() -> impl Strategy<Value = String> {
    let status = prop_oneof![
        6 => Just("HTTP/1.1 200 OK\r\n"),
        1 => Just("HTTP/1.0 200 OK\r\n"),
        1 => Just("HTTP/1.1 204 \r\n"),
        1 => Just("HTTP/1.1 304 Same\r\n"),
        1 => Just("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n"),
        1 => Just("HTTP/1.1 200 OK\n"),
    ];
    let field = prop_oneof![
        4 => Just("Content-Length: 5\r\n"),
        4 => Just("Transfer-Encoding: chunked\r\n"),
        1 => Just("transfer-encoding: Chunked \r\n"),
        1 => Just("Content-Length: 05\r\n"),
        1 => Just("Content-Length : 5\r\n"),
        1 => Just("Content-Length: 5\n"),
        1 => Just("X: a\r\n b\r\n"),
        1 => Just("X: \u{e9}\r\n"),
        1 => Just("Connection: close\r\n"),
        1 => Just("Content-Length: 3\r\n"),
    ];
    let piece = prop_oneof![
        Just("5\r\nhello\r\n"),
        Just("5;x=\"y\"\r\nhello\r\n"),
        Just("005 \r\nhello\r\n"),
        Just("0\r\n\r\n"),
        Just("0\r\nX-Sum: 1\r\n\r\n"),
        Just("hello"),
        Just("\r\n"),
        Just("\n"),
        Just("1\r\n"),
        Just("f"),
    ];
    let fields = prop::collection::vec(field, 0..3);
    let pieces = prop::collection::vec(piece, 0..5);
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    (status, fields, end, pieces).prop_map(|(status, fields, end, pieces)| {
        format!("{status}{}{end}{}", fields.concat(), pieces.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_taken_is_read_as_hyper_reads_it(answer in answers(), is_head in any::<bool>()) {
        let method = if is_head { Method::HEAD } else { Method::GET };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let theirs = runtime.block_on(by_hyper(method.clone(), answer.as_bytes()));
        let ours = read(&method, [answer.as_bytes()]).ok();
        let ours = ours.map(|seen| (seen.status, seen.headers, seen.body));
        if ours.is_some() {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn however_it_is_cut_the_same_is_read(answer in answers(), size in 1_usize..9) {
        let whole = get(&answer).ok();
        let cut = read(&Method::GET, answer.as_bytes().chunks(size)).ok();
        prop_assert_eq!(whole, cut);
    }
}
