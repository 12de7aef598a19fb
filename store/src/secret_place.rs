//! Where a proxy's own secrets are: never what they are.

use crate::{MaterialReference, text};

/// Where a proxy reads a secret: `file:` and an absolute path, or the ARN of a secret of AWS Secrets Manager. What stands
/// there is in no document, and what is written in its place by mistake is in no message: it may be the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPlace {
    text: String,
    reference: MaterialReference,
}
text!(SecretPlace);

impl SecretPlace {
    /// Reads a place; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let reference = MaterialReference::parse(text);
        let reference = reference.map_err(|_| {
            "this is no place to read a secret from (it is not repeated, as it may be the secret itself): write \
             \"file:\" and an absolute path of at most 1,024 characters in all, like \
             \"file:/etc/tollgate/upstream-key\", or the ARN of a secret of AWS Secrets Manager"
                .to_owned()
        })?;
        Ok(Self {
            text: text.to_owned(),
            reference,
        })
    }

    /// The file, or the secret.
    #[must_use]
    pub fn reference(&self) -> &MaterialReference {
        &self.reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_its_place_and_never_repeated() {
        for text in [
            "file:/etc/tollgate/key",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf",
        ] {
            let place = SecretPlace::parse(text).unwrap();
            assert_eq!(place.reference().as_str(), text);
        }

        for text in [
            "",
            "hush",
            "file:hush",
            "/hush",
            "file:/hush/../x",
            "Bearer hush",
            "arn:aws:s3:::hush",
        ] {
            let error = SecretPlace::parse(text).unwrap_err();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
