//! Where certificates, keys and lists of revoked certificates are: never what they are.

use std::path::{Path, PathBuf};

use crate::text;

const CHARS_MAX: usize = 1_024;
const FILE_EXAMPLE: &str = "give a file, like \"file:/etc/tollgate/ca.pem\"";
const EXAMPLE: &str = "write \"file:\" and an absolute path, like \"file:/etc/tollgate/edge.pem\", or the ARN of a secret";

/// Where a proxy reads PEM (RFC 7468): `file:` and an absolute path, or the ARN of a secret of AWS Secrets Manager. What
/// stands there is in no document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaterialReference {
    text: String,
    place: MaterialPlace,
}
text!(MaterialReference);

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaterialPlace {
    /// A file, by its absolute path.
    File(PathBuf),
    /// A secret, whose ARN is the reference's text.
    Secret {
        /// The region that it is in.
        region: String,
    },
}

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
        let file = text.strip_prefix("file:").filter(|path| is_path(path));
        let file = file.map(|path| MaterialPlace::File(PathBuf::from(path)));
        let place = file.or_else(|| secret(text));
        let place =
            place.ok_or_else(|| format!("{text:?} is no place to read PEM from: {EXAMPLE}"))?;
        Ok(Self {
            text: text.to_owned(),
            place,
        })
    }

    /// What it stands for.
    #[must_use]
    pub fn place(&self) -> &MaterialPlace {
        &self.place
    }

    /// The file that it stands for, where nothing else can be read; the error says what would be right.
    pub fn file(&self) -> Result<&Path, String> {
        match &self.place {
            MaterialPlace::File(path) => Ok(path),
            MaterialPlace::Secret { .. } => {
                Err(format!("a secret can't be read here: {FILE_EXAMPLE}"))
            }
        }
    }
}

/// `arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf`; also in other partitions, like `aws-cn`.
fn secret(text: &str) -> Option<MaterialPlace> {
    let parts: Vec<_> = text.split(':').collect();
    let [
        "arn",
        partition,
        "secretsmanager",
        region,
        account,
        "secret",
        name,
    ] = parts.as_slice()
    else {
        return None;
    };
    let is_word = |text: &str| {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !text.is_empty() && text.chars().all(is_part)
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_secret = partition.starts_with("aws")
        && is_word(partition)
        && is_word(region)
        && is_account
        && !name.is_empty()
        && name.chars().all(is_name);
    is_secret.then(|| MaterialPlace::Secret {
        region: (*region).to_owned(),
    })
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

        let path = PathBuf::from("/etc/tollgate/edge.pem");
        assert_eq!(*reference.place(), MaterialPlace::File(path));
        assert_eq!(reference.as_str(), "file:/etc/tollgate/edge.pem");
    }

    #[test]
    fn a_secret_is_named_by_its_arn_which_tells_its_region() {
        for (arn, region) in [
            (
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tls/edge-AbCdEf",
                "eu-west-1",
            ),
            (
                "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:e-AbCdEf",
                "cn-north-1",
            ),
        ] {
            let reference = MaterialReference::parse(arn).unwrap();
            let region = region.to_owned();
            assert_eq!(*reference.place(), MaterialPlace::Secret { region });
        }
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
            "tls/edge",
            "arn:aws:acm:eu-west-1:123456789012:certificate/1",
            "arn:aws:secretsmanager::123456789012:secret:edge",
            "arn:aws:secretsmanager:eu-west-1:12345:secret:edge",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge:key",
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
