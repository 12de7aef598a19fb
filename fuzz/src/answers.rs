//! Answers of HTTP/1.1 as an upstream sends them.

use http::Method;
use tollgate_proxy::upstream::http1::AnswerReader;

/// What is read does not hang on how the bytes are cut. The first byte says into what pieces, and whether the request
/// was one for a head alone.
///
/// # Panics
///
/// Where that does not hold.
pub fn answers(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let is_head = first & 1 == 1;
    let size = usize::from(first >> 1).max(1);
    let whole = read(is_head, [bytes]);
    let cut = read(is_head, bytes.chunks(size));
    assert_eq!(cut, whole);
}

/// Everything that is read, and what is left; `None`: it is refused, or has no whole head, of which the former may be
/// found out late.
fn read<'a>(is_head: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let method = if is_head { Method::HEAD } else { Method::GET };
    let mut reader = AnswerReader::new(&method);
    let (mut buffer, mut head) = (bytes::BytesMut::new(), None);
    let (mut body, mut trailers) = (Vec::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if head.is_none() {
            head = reader.head(&mut buffer).ok()?;
        }
        while head.is_some()
            && let Some(frame) = reader.frame(&mut buffer).ok()?
        {
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
    }
    let head = head?;
    let ends = (reader.is_done(), reader.is_last());
    Some(format!(
        "{head:?} {body:?} {trailers:?} {ends:?} {buffer:?}"
    ))
}
