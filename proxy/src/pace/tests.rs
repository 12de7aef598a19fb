use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Duration, sleep, timeout};

use super::*;
use crate::connection::Protocol;

const BUFFER_BYTES: usize = 1_024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection between a client and its paced stream.
struct Line {
    client: DuplexStream,
    stream: Paced<DuplexStream>,
    pace: Arc<Pace>,
}

impl Line {
    fn new(protocol: Protocol) -> Self {
        let (client, stream) = duplex(BUFFER_BYTES);
        let pace = Arc::new(Pace::new(Cuts::default()));
        Self {
            client,
            stream: Paced::new(stream, protocol, Arc::clone(&pace)),
            pace,
        }
    }

    async fn read(&mut self) -> std::io::Result<usize> {
        self.stream.read(&mut [0; BUFFER_BYTES]).await
    }

    async fn takes(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
        assert_eq!(self.read().await.unwrap(), bytes.len());
    }

    /// Reads nothing for so long; whether the stream still waits.
    async fn stays(&mut self, seconds: u64) -> bool {
        timeout(Duration::from_secs(seconds), self.read())
            .await
            .is_err()
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_to_its_end_is_answered_408_and_cut() {
    for protocol in [Protocol::Either, Protocol::Http1] {
        let mut line = Line::new(protocol);
        line.takes(b"GET / HTTP/1.1\r\n").await;
        let drip = async {
            sleep(Duration::from_secs(6)).await;
            line.client.write_all(b"x: y\r\n").await.unwrap();
        };
        let mut buffer = [0; BUFFER_BYTES];
        let (result, ()) = tokio::join!(line.stream.read(&mut buffer), drip);
        assert_eq!(result.unwrap(), 6);

        // The first byte counts, not the last.
        let error = timeout(Duration::from_secs(5), line.read())
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.to_string(), "head_timeout");
        drop(line.stream);
        let mut answer = String::new();
        line.client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_tired_after_a_while_and_not_before() {
    for (protocol, first) in [(Protocol::Http1, &b""[..]), (Protocol::Either, PREFACE)] {
        let mut line = Line::new(protocol);
        if !first.is_empty() {
            line.takes(first).await;
        }
        assert!(line.stays(70).await);
        drop(line.pace.begin());
        assert!(line.stays(70).await);
        assert!(!line.pace.is_tired());
        assert!(line.stays(10).await);
        assert!(line.pace.is_tired());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_and_a_tunnel_may_take_as_long_as_they_want() {
    let mut line = Line::new(Protocol::Http1);
    let (in_flight, _) = line.pace.begin();
    line.takes(b"a body").await;
    assert!(line.stays(1_000).await);
    line.pace.become_tunnel();
    drop(in_flight);
    line.takes(b"a frame").await;
    assert!(line.stays(1_000).await);
    assert!(!line.pace.is_tired());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_and_one_that_reads_slowly_is_not() {
    let mut line = Line::new(Protocol::Http1);
    let (_in_flight, _) = line.pace.begin();
    let bytes = [0; 4 * BUFFER_BYTES];
    let read = async {
        for _ in 0..4 {
            sleep(Duration::from_secs(50)).await;
            line.client
                .read_exact(&mut [0; BUFFER_BYTES / 2])
                .await
                .unwrap();
        }
        std::future::pending::<()>().await;
    };
    let begun = tokio::time::Instant::now();
    let error = tokio::select! {
        result = line.stream.write_all(&bytes) => result.unwrap_err(),
        () = read => unreachable!(),
    };

    assert_eq!(error.to_string(), "write_timeout");
    assert_eq!(begun.elapsed().as_secs(), 4 * 50 + 60);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_http_2_has_no_room_for_is_cut_too() {
    let mut line = Line::new(Protocol::Http2);
    line.takes(PREFACE).await;
    let body = http_body_util::Full::from("text");
    let mut answer = Answer::new(body, line.pace.begin().0, true);
    assert!(line.stays(1_000).await, "the upstream is waited for");
    let mut part = async || {
        poll_fn(|context| http_body::Body::poll_frame(std::pin::Pin::new(&mut answer), context))
            .await
    };
    part().await.unwrap().unwrap();

    let error = timeout(Duration::from_secs(61), line.read())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.to_string(), "write_timeout");
    part().await;
    assert!(line.stays(1_000).await, "it was asked for more");
}

#[tokio::test(start_paused = true)]
async fn a_preface_in_pieces_is_one_and_no_slow_head() {
    let mut line = Line::new(Protocol::Either);
    for piece in PREFACE.chunks(5) {
        line.takes(piece).await;
    }
    assert!(line.stays(60).await);
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut seen = 0;
    let error = loop {
        line.client.write_all(&ping).await.unwrap();
        seen += 1;
        if let Err(error) = line.read().await {
            break error;
        }
    };
    assert_eq!((error.to_string().as_str(), seen), ("frame_flood", 2_000));
    let mut goodbye = [0; 17];
    line.client.read_exact(&mut goodbye).await.unwrap();
    assert_eq!(goodbye[3], 7, "GOAWAY");
    assert_eq!(goodbye[13..], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_more_is_waited_for_until_it_is_answered() {
    let mut line = Line::new(Protocol::Http1);
    line.takes(b"GET / HTTP/1.1\r\n\r\n").await;
    let (in_flight, _) = line.pace.begin();
    assert!(line.stays(0).await);
    line.client.shutdown().await.unwrap();
    assert!(line.stays(9).await);

    drop(in_flight);
    let end = timeout(Duration::from_millis(1), line.read()).await;
    assert_eq!(end.unwrap().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_more_is_given_up_when_it_got_nothing_for_a_while() {
    let mut line = Line::new(Protocol::Http1);
    line.takes(b"GET / HTTP/1.1\r\n\r\n").await;
    let _in_flight = line.pace.begin();
    line.client.shutdown().await.unwrap();
    for _ in 0..3 {
        assert!(line.stays(8).await);
        line.stream.write_all(b"a part").await.unwrap();
        line.stream.flush().await.unwrap();
    }

    let begun = tokio::time::Instant::now();
    assert_eq!(line.read().await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_half_after_it_waited_has_gone() {
    let mut line = Line::new(Protocol::Http1);
    line.takes(b"GET / HTTP/1.1\r\n\r\n").await;
    let _in_flight = line.pace.begin();
    assert!(line.stays(1).await);
    line.client.shutdown().await.unwrap();

    let begun = tokio::time::Instant::now();
    assert_eq!(line.read().await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_within_a_body_is_given_up_at_once() {
    let mut line = Line::new(Protocol::Http1);
    line.takes(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    let _in_flight = line.pace.begin();
    line.client.shutdown().await.unwrap();

    let begun = tokio::time::Instant::now();
    assert_eq!(line.read().await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_stops_behind_another_request_is_a_slow_one() {
    let mut line = Line::new(Protocol::Http1);
    line.takes(b"GET / HTTP/1.1\r\n\r\n").await;
    let (in_flight, _) = line.pace.begin();
    line.takes(b"GET /b HTTP/1.1\r\n").await;
    assert!(line.stays(100).await);
    drop(in_flight);

    let error = timeout(Duration::from_secs(11), line.read()).await;
    assert_eq!(error.unwrap().unwrap_err().to_string(), "head_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_head_of_http_2_that_does_not_come_to_its_end_is_cut() {
    let mut line = Line::new(Protocol::Http2);
    line.takes(PREFACE).await;
    line.takes(&[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]).await;

    let error = timeout(Duration::from_secs(11), line.read()).await;
    assert_eq!(error.unwrap().unwrap_err().to_string(), "head_timeout");
    let mut goodbye = [0; 17];
    line.client.read_exact(&mut goodbye).await.unwrap();
    assert_eq!((goodbye[3], goodbye[12]), (7, 1), "GOAWAY of stream 1");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_stands_for_a_pipes_bytes_reaches_no_client_once_it_was_copied() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pair = async || {
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    };
    let ((mut upstream, source), (mut client, sink)) = (pair().await, pair().await);
    let pace = Arc::new(Pace::of::<TcpStream>(Cuts::default()));
    let mut stream = Paced::new(sink, Protocol::Http1, Arc::clone(&pace));
    upstream.write_all(b"body").await.unwrap();
    let conduit = pace.conduit().unwrap();
    let piece = poll_fn(|context| conduit.poll_fill(context, &source, 4)).await;
    let piece = piece.unwrap().unwrap();

    let copy = piece.to_vec();
    assert_eq!(stream.write(&piece[..1]).await.unwrap(), 1);
    assert!(stream.write(&copy).await.is_err());
    assert_eq!(stream.write(&piece[1..]).await.unwrap(), 3);
    assert_eq!(stream.write(b"more").await.unwrap(), 4);
    let mut came = [0; 8];
    client.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"bodymore");
}

#[test]
fn only_what_is_a_socket_itself_has_a_conduit() {
    assert!(
        Pace::of::<DuplexStream>(Cuts::default())
            .conduit()
            .is_none()
    );
    assert!(Pace::of::<TcpStream>(Cuts::default()).conduit().is_some());
}
