//! Requests of HTTP/1.1 as they are followed through a connection.

use tollgate_proxy::pace::Requests;

/// What is seen does not hang on how the bytes are cut. The first byte says into what pieces.
///
/// # Panics
///
/// Where that does not hold.
pub fn heads(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let mut whole = Requests::default();
    let expected = whole.follow(bytes);
    let mut cut = Requests::default();
    let mut pieces = bytes.chunks(usize::from(*size).max(1));
    let found = pieces.find_map(|piece| cut.follow(piece));
    assert_eq!(found, expected);
    if found.is_none() {
        assert_eq!(cut.is_between(), whole.is_between());
    }
}
