#![cfg(target_os = "linux")]

use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// An upstream's socket and a client's, the other ends of both, and what is between them.
struct Way {
    upstream: TcpStream,
    source: TcpStream,
    conduit: Conduit,
    sink: TcpStream,
    client: TcpStream,
}

impl Way {
    async fn new() -> Self {
        let (upstream, source) = pair().await;
        let (client, sink) = pair().await;
        let conduit = Conduit::default();
        Self {
            upstream,
            source,
            conduit,
            sink,
            client,
        }
    }

    async fn fill(&self, most: u64) -> Option<Bytes> {
        let piece = poll_fn(|context| self.conduit.poll_fill(context, &self.source, most)).await;
        piece.unwrap()
    }

    async fn drain(&self, most: usize) -> io::Result<usize> {
        poll_fn(|context| self.conduit.poll_drain(context, &self.sink, most)).await
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

#[tokio::test]
async fn what_goes_in_comes_out_as_it_was_and_in_its_order() {
    let mut way = Way::new().await;
    way.upstream.write_all(b"abcdefgh").await.unwrap();

    assert_eq!(way.fill(5).await.unwrap().len(), 5);
    assert!(way.conduit.is_filled());
    assert_eq!(way.drain(2).await.unwrap(), 2);
    assert!(way.conduit.is_filled());
    assert_eq!(way.drain(100).await.unwrap(), 3);
    assert!(!way.conduit.is_filled());
    assert_eq!(way.fill(100).await.unwrap().len(), 3);
    assert_eq!(way.drain(100).await.unwrap(), 3);

    let mut came = [0; 8];
    way.client.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"abcdefgh");
}

#[tokio::test]
async fn what_comes_while_it_is_filled_is_to_be_read() {
    let mut way = Way::new().await;
    way.upstream.write_all(b"abcd").await.unwrap();
    assert_eq!(way.fill(2).await.unwrap().len(), 2);

    assert_eq!(way.fill(2).await, None);
    let mut rest = [0; 2];
    way.source.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"cd");
}

#[tokio::test]
async fn at_the_end_nothing_stands_for_nothing() {
    let mut way = Way::new().await;
    way.upstream.shutdown().await.unwrap();

    assert_eq!(way.fill(2).await.unwrap().len(), 0);
    assert!(!way.conduit.is_filled());
    assert!(way.drain(2).await.is_err());
}

#[tokio::test]
async fn a_connection_that_broke_is_no_end_of_what_comes() {
    let way = Way::new().await;
    way.upstream.set_zero_linger().unwrap();
    drop(way.upstream);
    way.source.readable().await.unwrap();

    let piece = poll_fn(|context| way.conduit.poll_fill(context, &way.source, 5)).await;
    let error = piece.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(!way.conduit.is_filled());
}

#[test]
fn a_system_that_refuses_is_told_from_a_connection_that_broke() {
    // ENOSYS, EPERM and EINVAL of Linux; then ECONNRESET and EPIPE.
    for (number, expected) in [(38, true), (1, true), (22, true), (104, false), (32, false)] {
        let error = io::Error::from_raw_os_error(number);
        assert_eq!(is_refusal(&error), expected, "{error}");
    }
}

#[tokio::test]
async fn a_pipe_with_something_in_it_is_never_another_ones() {
    let mut way = Way::new().await;
    way.upstream.write_all(b"of the one").await.unwrap();
    assert_eq!(way.fill(100).await.unwrap().len(), 10);
    drop(way);

    let mut way = Way::new().await;
    way.upstream.write_all(b"other").await.unwrap();
    assert_eq!(way.fill(100).await.unwrap().len(), 5);
    assert_eq!(way.drain(100).await.unwrap(), 5);
    let mut came = [0; 5];
    way.client.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"other");
}

#[test]
fn what_is_before_a_stand_in_is_written_first_and_a_copy_of_one_is_lost() {
    let copy = STAND_IN[..3].to_vec();
    let slices = |parts: &[&'static [u8]]| -> Vec<IoSlice<'static>> {
        parts.iter().map(|part| IoSlice::new(part)).collect()
    };

    for (parts, expected) in [
        (&[b"head", &STAND_IN[..3]][..], Next::Slices(1)),
        (&[b"head", b"body", &STAND_IN[5..9]], Next::Slices(2)),
        (&[&STAND_IN[1..3], b"next"], Next::Piped(2)),
        (&[b"", &STAND_IN[PIECE_BYTES_MAX - 1..]], Next::Piped(1)),
        (&[b"head", &STAND_IN[..0]], Next::Lost),
        (&[], Next::Lost),
    ] {
        assert_eq!(next(&slices(parts)), expected, "{parts:?}");
    }
    assert_eq!(next(&[IoSlice::new(&copy)]), Next::Lost);
}
