//! Where a proxy's own secrets are: never what they are.

use std::path::{Path, PathBuf};

use crate::material::is_path;
use crate::text;

const CHARS_MAX: usize = 1_024;

/// Where a proxy reads a secret: `file:` and an absolute path. What stands there is in no document, and what is written
/// in its place by mistake is in no message: it may be the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPlace {
    text: String,
    path: PathBuf,
}
text!(SecretPlace);

impl SecretPlace {
    /// Reads a place; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("file:").filter(|path| is_path(path));
        match path {
            Some(path) if text.chars().count() <= CHARS_MAX => Ok(Self {
                text: text.to_owned(),
                path: PathBuf::from(path),
            }),
            _ => Err(format!(
                "this is no place to read a secret from (it is not repeated, as it may be the secret itself): write \
                 \"file:\" and an absolute path of at most {CHARS_MAX} characters, like \
                 \"file:/etc/tollgate/upstream-key\""
            )),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_its_file_and_never_repeated() {
        let place = SecretPlace::parse("file:/etc/tollgate/key").unwrap();
        assert_eq!(place.path(), Path::new("/etc/tollgate/key"));

        for text in [
            "",
            "hush",
            "file:hush",
            "/hush",
            "file:/hush/../x",
            "Bearer hush",
        ] {
            let error = SecretPlace::parse(text).unwrap_err();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
