//! What a client's certificate says of its holder, as a document declares it.

use crate::{is_host, text};

/// The most bytes of a URI, which is also the most of a SPIFFE ID.
pub const CERTIFICATE_URI_BYTES_MAX: usize = 2_048;
/// The most bytes of a distinguished name as text.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 1_024;
const SPIFFE: &str = "spiffe://";
const SHA256_DIGITS: usize = 64;

/// A URI of a certificate's alternative names (RFC 5280, section 4.2.1.6), compared to the letter.
///
/// A SPIFFE ID must be one: a trust domain in lower case and a path without empty or dot segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateUri {
    text: String,
}
text!(CertificateUri);

impl CertificateUri {
    /// Reads a URI; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write it as the certificate has it, like \"spiffe://example.com/orders\"";
        let is_long = text.len() > CERTIFICATE_URI_BYTES_MAX;
        if is_long || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "it must be at most {CERTIFICATE_URI_BYTES_MAX} visible ASCII characters: {example}"
            ));
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        if !scheme.is_some_and(is_scheme) {
            return Err(format!("{text:?} has no scheme: {example}"));
        }
        let is_spiffe = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe"));
        if is_spiffe && !text.strip_prefix(SPIFFE).is_some_and(is_spiffe_id) {
            return Err(format!(
                "{text:?} is no SPIFFE ID: a trust domain of lower-case letters, digits, \".\", \"-\" and \"_\", and a \
                 path of such and upper-case letters without empty or dot segments; {example}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// What follows `spiffe://` (SPIFFE ID, sections 2.1 and 2.2).
fn is_spiffe_id(rest: &str) -> bool {
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    let is_mark = |byte: u8| b".-_".contains(&byte);
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || is_mark(byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || is_mark(byte);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_path);
    (1..=255).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path.is_none_or(|path| path.split('/').all(is_segment))
}

/// A host's name among a certificate's alternative names, in lower case: no wildcard, which would be nobody's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateHost {
    text: String,
}
text!(CertificateHost);

impl CertificateHost {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        if !is_host(text) || text.starts_with('[') || is_address {
            return Err(format!(
                "{text:?} is not a host's name: write it in lower case, without a port or a wildcard, like \
                 \"orders.internal\""
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// A certificate's subject as text (RFC 4514): the last of its names first, with commas between them and no spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateName {
    text: String,
}
text!(CertificateName);

impl CertificateName {
    /// Reads a subject; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write it as `openssl x509 -noout -subject -nameopt RFC2253` prints it, like \
                       \"CN=orders,O=Example,C=DE\"";
        let is_printable = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if text.len() > CERTIFICATE_NAME_BYTES_MAX || !is_printable {
            return Err(format!(
                "it must be at most {CERTIFICATE_NAME_BYTES_MAX} printable ASCII characters: {example}"
            ));
        }
        if !names(text).iter().all(|name| is_name(name)) {
            return Err(format!(
                "{text:?} is not a certificate's subject: {example}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// The parts between the commas and pluses that nothing escapes.
fn names(text: &str) -> Vec<&str> {
    let mut is_escaped = false;
    let separates = |c: char| {
        let is_separator = !is_escaped && (c == ',' || c == '+');
        is_escaped = !is_escaped && c == '\\';
        is_separator
    };
    text.split(separates).collect()
}

/// `CN=orders`, or `1.2.3=#0c01`.
fn is_name(name: &str) -> bool {
    let Some((kind, value)) = name.split_once('=') else {
        return false;
    };
    let is_word = kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_number = kind.starts_with(|c: char| c.is_ascii_digit())
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_word || is_number) && !value.is_empty() && !value.starts_with(' ')
}

/// SHA-256 of a certificate's public key (its `SubjectPublicKeyInfo`), as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKeySha256 {
    text: String,
}
text!(PublicKeySha256);

impl PublicKeySha256 {
    /// Reads a digest; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != SHA256_DIGITS || !text.bytes().all(is_digit) {
            return Err(format!(
                "it must be the SHA-256 of the public key as {SHA256_DIGITS} lower-case hexadecimal digits, as \
                 `openssl x509 -noout -pubkey -in FILE | openssl pkey -pubin -outform DER | sha256sum` prints it"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_a_scheme_and_a_spiffe_id_is_one() {
        for text in [
            "spiffe://example.com/orders",
            "spiffe://example.com",
            "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "https://orders.example.com/",
        ] {
            assert!(CertificateUri::parse(text).is_ok(), "{text:?}");
        }
        let long = format!("urn:{}", "x".repeat(CERTIFICATE_URI_BYTES_MAX));
        for text in [
            "",
            "orders",
            "://x",
            "spiffe:example.com",
            "SPIFFE://example.com/orders",
            "spiffe://Example.com/orders",
            "spiffe://example.com/",
            "spiffe://example.com//orders",
            "spiffe://example.com/../orders",
            "spiffe://example.com/orders?x",
            "spiffe://example.com:443/orders",
            "spiffe:///orders",
            "urn:a b",
            "urn:a\0",
            "urn:\u{e4}",
            &long,
        ] {
            assert!(CertificateUri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_without_a_wildcard() {
        assert!(CertificateHost::parse("orders.internal").is_ok());
        for text in [
            "",
            "*.internal",
            "Orders.internal",
            "10.0.0.1",
            "[::1]",
            "orders.internal:443",
            "orders\0.internal",
        ] {
            assert!(CertificateHost::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_subject_is_written_as_rfc_2253_has_it() {
        for text in [
            "CN=orders",
            "CN=orders,O=Example,C=DE",
            "CN=a+UID=b,O=x",
            "CN=a\\,b\\+c,O=Example\\, Inc.",
            "CN=M\\C3\\BCller",
            "1.2.3.4=#0C0161,CN=a",
        ] {
            assert!(CertificateName::parse(text).is_ok(), "{text:?}");
        }
        for text in [
            "",
            "orders",
            "/C=DE/CN=orders,",
            "CN=orders, O=Example",
            "CN = orders",
            "CN=",
            "CN=a,,O=b",
            "CN=M\u{fc}ller",
            "CN=a\0b",
        ] {
            assert!(CertificateName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_digest_is_64_digits_in_lower_case() {
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(PublicKeySha256::parse(digest).is_ok());
        for text in ["", "ba78", &digest.to_uppercase(), &format!("{digest}0")] {
            assert!(PublicKeySha256::parse(text).is_err(), "{text:?}");
        }
    }
}
