//! Headers of the PROXY protocol.

use tollgate_proxy::proxy_protocol::{HEADER_BYTES_MAX, Step, parse};

/// What is known of a header never changes with what follows, and no more is asked for than a header has.
///
/// # Panics
///
/// Where that does not hold.
pub fn proxy_protocol(bytes: &[u8]) {
    let mut length = 0;
    // As from a stream: never a byte more than is asked for.
    while length <= bytes.len() {
        match parse(&bytes[..length]) {
            Ok(Step::More(more)) => {
                assert!(more > 0, "it asks for something");
                length += more;
                assert!(length <= HEADER_BYTES_MAX, "a header is bounded");
            }
            Ok(Step::Done(_)) | Err(_) => return,
        }
    }
}
