//! Certificate authorities, which are no secret and may stand in a document.

use crate::{MaterialReference, text};

const CHARS_MAX: usize = 16 * 1_024;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Certificate authorities: their certificates as PEM (RFC 7468), or where a proxy reads that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authorities {
    text: String,
    reference: Option<MaterialReference>,
}
text!(Authorities);

impl Authorities {
    /// Reads PEM, or a reference to it; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("PRIVATE KEY-----") {
            // Whoever pastes a key here must not find it in a message.
            return Err(
                "it holds a private key, which must not stand in a document: give the certificates alone"
                    .to_owned(),
            );
        }
        if text.chars().count() > CHARS_MAX {
            return Err(format!(
                "it is too long: at most {CHARS_MAX} characters are allowed"
            ));
        }
        let reference = if text.contains("-----BEGIN") {
            check_pem(text)?;
            None
        } else {
            Some(MaterialReference::parse(text).map_err(|error| {
                format!(
                    "{error}; or give the PEM of the certificates itself, like file(\"ca.pem\")"
                )
            })?)
        };
        Ok(Self {
            text: text.to_owned(),
            reference,
        })
    }

    /// Where the PEM is; `None` where it is the text itself.
    #[must_use]
    pub fn reference(&self) -> Option<&MaterialReference> {
        self.reference.as_ref()
    }
}

/// What the certificates hold is looked at where they are used.
fn check_pem(text: &str) -> Result<(), String> {
    let labels = text.matches("-----BEGIN").count();
    let count = text.matches(BEGIN).count();
    if count > 0 && labels == count && text.matches(END).count() == count {
        return Ok(());
    }
    Err(format!(
        "this is no PEM of certificates: each begins with \"{BEGIN}\" and ends with \"{END}\", and nothing else does"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_pem_or_a_file() {
        let pem = format!("# ours\n{BEGIN}\nMIIB\n{END}\n");
        assert_eq!(Authorities::parse(&pem).unwrap().reference(), None);
        let file = Authorities::parse("file:/etc/tollgate/ca.pem").unwrap();
        assert!(file.reference().is_some());
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for text in [
            "",
            "ca.pem",
            "-----BEGIN CERTIFICATE-----\nMIIB\n",
            "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
            &format!("{BEGIN}\n{}\n{END}\n", "x".repeat(CHARS_MAX)),
        ] {
            assert!(Authorities::parse(text).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn a_key_among_them_is_refused_and_not_repeated() {
        let error = Authorities::parse("-----BEGIN EC PRIVATE KEY-----\nMHcC").unwrap_err();

        assert!(!error.contains("MHcC"), "{error}");
    }
}
