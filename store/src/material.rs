//! Where certificates, keys and lists of revoked certificates are: never what they are.

use std::path::{Path, PathBuf};

use crate::text;

const CHARS_MAX: usize = 1_024;
const EXAMPLE: &str = "write \"file:\" and an absolute path, like \"file:/etc/tollgate/edge.pem\"";

/// Where a proxy reads PEM (RFC 7468): `file:` and an absolute path. What stands there is in no document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaterialReference {
    text: String,
    path: PathBuf,
}
text!(MaterialReference);

impl MaterialReference {
    /// Reads a reference; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("-----BEGIN") {
            // Whoever pastes a key here must not find it in a message.
            return Err(format!(
                "this is PEM itself, which must not stand in a document: {EXAMPLE}"
            ));
        }
        if text.chars().count() > CHARS_MAX {
            return Err(format!(
                "it is too long: at most {CHARS_MAX} characters are allowed"
            ));
        }
        let path = text.strip_prefix("file:").filter(|path| is_path(path));
        let path =
            path.ok_or_else(|| format!("{text:?} is no place to read PEM from: {EXAMPLE}"))?;
        Ok(Self {
            text: text.to_owned(),
            path: PathBuf::from(path),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a text is an absolute path of a file, in one spelling only.
pub(crate) fn is_path(text: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_name))
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_absolute_path() {
        let reference = MaterialReference::parse("file:/etc/tollgate/edge.pem").unwrap();

        assert_eq!(reference.path(), Path::new("/etc/tollgate/edge.pem"));
        assert_eq!(reference.as_str(), "file:/etc/tollgate/edge.pem");
    }

    #[test]
    fn what_names_no_file_is_refused_with_what_would_be_right() {
        for text in [
            "",
            "/etc/edge.pem",
            "file:",
            "file:/",
            "file:edge.pem",
            "file:./edge.pem",
            "file:///etc/edge.pem",
            "file:/etc/../edge.pem",
            "file:/etc/",
            "file:/etc/edge\n.pem",
            "s3://bucket/edge.pem",
        ] {
            let error = MaterialReference::parse(text).unwrap_err();
            assert!(error.ends_with(EXAMPLE), "{error}");
        }
        let long = format!("file:/{}", "x".repeat(CHARS_MAX));
        assert!(MaterialReference::parse(&long).is_err());
    }

    #[test]
    fn a_key_that_is_pasted_in_is_not_repeated() {
        let error = MaterialReference::parse("-----BEGIN PRIVATE KEY-----\nMIG").unwrap_err();

        assert!(!error.contains("MIG"), "{error}");
    }
}
