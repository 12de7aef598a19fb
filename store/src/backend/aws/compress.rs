//! Documents as compressed text: DEFLATE (RFC 1951) in Base64.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// The most bytes that a shard's documents may have before they are compressed. What pretends to be more is a bomb.
pub(super) const INFLATED_BYTES_MAX: usize = 1 << 20;

/// The text, compressed.
pub(super) fn deflate(text: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // A list in memory takes everything.
    let _ = encoder.write_all(text.as_bytes());
    STANDARD_NO_PAD.encode(encoder.finish().unwrap_or_default())
}

/// The text that [`deflate`] compressed; the error says what is wrong.
pub(super) fn inflate(packed: &str) -> Result<String, String> {
    let bytes = STANDARD_NO_PAD
        .decode(packed)
        .map_err(|error| format!("its documents are not Base64: {error}"))?;
    let most = u64::try_from(INFLATED_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    DeflateDecoder::new(bytes.as_slice())
        .take(most.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|error| format!("its documents can't be decompressed: {error}"))?;
    if text.len() > INFLATED_BYTES_MAX {
        return Err(format!(
            "its documents have more than {INFLATED_BYTES_MAX} bytes once decompressed"
        ));
    }
    String::from_utf8(text).map_err(|_| "its documents are not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_reads_back() {
        for text in ["", "[]", &"tollgate ".repeat(10_000)] {
            assert_eq!(inflate(&deflate(text)).as_deref(), Ok(text));
        }
        assert!(deflate(&"tollgate ".repeat(10_000)).len() < 1000);
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = deflate(&" ".repeat(INFLATED_BYTES_MAX + 1));

        assert!(inflate(&bomb).unwrap_err().contains("more than"));
        assert!(inflate(&deflate(&" ".repeat(INFLATED_BYTES_MAX))).is_ok());
    }

    #[test]
    fn what_was_not_compressed_is_refused() {
        assert!(inflate("*").unwrap_err().contains("Base64"));
        assert!(inflate("AAAA").unwrap_err().contains("decompressed"));
    }
}
