//! A short text that differs where anything that it was made of does.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 over several parts; `("ab", "c")` and `("a", "bc")` differ.
#[derive(Debug, Default)]
pub(super) struct Digest(Sha256);

impl Digest {
    /// Adds one part.
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(part.len().to_be_bytes());
        self.0.update(part);
    }

    /// The digest of the parts, in hexadecimal digits.
    pub(super) fn text(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a text never fails.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
