//! Subjects: by what callers without a key are known as a principal.

use serde::{Deserialize, Serialize};

use crate::{
    CertificateHost, CertificateName, CertificateUri, ClaimName, ClaimValue, Name, PublicKeySha256,
};

/// By what a caller is a principal: an issuer's token, or a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Subject {
    /// The tokens of one issuer in which a claim says one thing.
    Token(TokenSubject),
    /// The certificates that say one thing.
    Certificate(CertificateSubject),
}

/// The tokens of one issuer in which a claim says one thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenSubject {
    /// The issuer.
    pub issuer: Name,
    /// The claim: the issuer's own [`subject_claim`](super::Issuer::subject_claim) where left out.
    pub claim: Option<ClaimName>,
    /// What it says.
    pub value: ClaimValue,
}

/// What a certificate says of its holder: one of its alternative names, its subject, or its public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateSubject {
    /// A URI among its alternative names, like a SPIFFE ID.
    Uri(CertificateUri),
    /// A host's name among its alternative names.
    Host(CertificateHost),
    /// Its subject.
    Name(CertificateName),
    /// SHA-256 of its public key.
    PublicKey(PublicKeySha256),
}

impl CertificateSubject {
    /// The field of a document that holds it, and what stands there.
    #[must_use]
    pub fn field(&self) -> (&'static str, &str) {
        match self {
            Self::Uri(uri) => ("san_uri", uri.as_str()),
            Self::Host(host) => ("san_dns", host.as_str()),
            Self::Name(name) => ("subject", name.as_str()),
            Self::PublicKey(digest) => ("public_key_sha256", digest.as_str()),
        }
    }
}

/// A subject as it is written: the fields of either kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<ClaimName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<ClaimValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    san_uri: Option<CertificateUri>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    san_dns: Option<CertificateHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<CertificateName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key_sha256: Option<PublicKeySha256>,
}

impl TryFrom<Fields> for Subject {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields {
            issuer,
            claim,
            value,
            san_uri,
            san_dns,
            subject,
            public_key_sha256,
        } = fields;
        let certificate = [
            san_uri.map(CertificateSubject::Uri),
            san_dns.map(CertificateSubject::Host),
            subject.map(CertificateSubject::Name),
            public_key_sha256.map(CertificateSubject::PublicKey),
        ];
        let mut certificate = certificate.into_iter().flatten();
        match (issuer, claim, value, certificate.next(), certificate.next()) {
            (Some(issuer), claim, Some(value), None, None) => Ok(Self::Token(TokenSubject {
                issuer,
                claim,
                value,
            })),
            (None, None, None, Some(subject), None) => Ok(Self::Certificate(subject)),
            _ => Err(
                "it must be of a token, with issuer and value and perhaps a claim, or of a certificate, with one of \
                 san_uri, san_dns, subject and public_key_sha256: give a subject of its own to each"
                    .to_owned(),
            ),
        }
    }
}

impl From<Subject> for Fields {
    fn from(subject: Subject) -> Self {
        let none = Self::default();
        match subject {
            Subject::Token(TokenSubject {
                issuer,
                claim,
                value,
            }) => Self {
                issuer: Some(issuer),
                claim,
                value: Some(value),
                ..none
            },
            Subject::Certificate(CertificateSubject::Uri(uri)) => Self {
                san_uri: Some(uri),
                ..none
            },
            Subject::Certificate(CertificateSubject::Host(host)) => Self {
                san_dns: Some(host),
                ..none
            },
            Subject::Certificate(CertificateSubject::Name(name)) => Self {
                subject: Some(name),
                ..none
            },
            Subject::Certificate(CertificateSubject::PublicKey(digest)) => Self {
                public_key_sha256: Some(digest),
                ..none
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Result<Subject, serde_json::Error> {
        serde_json::from_value(json.clone())
    }

    #[test]
    fn a_subject_is_written_as_it_was_read() {
        for json in [
            json!({"issuer": "login", "value": "acme"}),
            json!({"issuer": "login", "claim": "client_id", "value": "acme"}),
            json!({"san_uri": "spiffe://example.com/orders"}),
            json!({"san_dns": "orders.internal"}),
            json!({"subject": "CN=orders,O=Example"}),
            json!({"public_key_sha256": "0".repeat(64)}),
        ] {
            let subject = read(&json).unwrap();
            assert_eq!(serde_json::to_value(subject).unwrap(), json);
        }
    }

    #[test]
    fn a_subject_that_is_none_or_two_is_refused() {
        for json in [
            json!({}),
            json!({"issuer": "login"}),
            json!({"value": "acme"}),
            json!({"claim": "client_id", "value": "acme"}),
            json!({"san_uri": "urn:a", "san_dns": "a"}),
            json!({"issuer": "login", "value": "acme", "san_dns": "a"}),
            json!({"claim": "sub", "san_dns": "a"}),
            json!({"san_email": "a@example.com"}),
        ] {
            assert!(read(&json).is_err(), "{json}");
        }
    }
}
