//! What a client's certificate says of its holder.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tollgate_gate::ClientCertificate;
use tollgate_store::document::CertificateSubject;
use tollgate_store::{CertificateHost, CertificateName, CertificateUri, PublicKeySha256};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::hexadecimal::hexadecimal;

/// The most alternative names of one certificate.
const NAMES_MAX: usize = 100;
/// What the parts of a subject are called (RFC 4514, section 3, and OpenSSL's names).
const KINDS: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Reads a certificate. `None` where it can't be read in one way only: a name that holds other than visible ASCII, like
/// a NUL, or more than 100 of them.
///
/// What no document could declare, like a wildcard, is passed over.
pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut subjects = alternative_names(&certificate)?;
    let name = subject(certificate.subject()).and_then(|text| CertificateName::parse(&text).ok());
    subjects.extend(name.map(CertificateSubject::Name));
    let digest = hexadecimal(&Sha256::digest(certificate.public_key().raw));
    let digest = PublicKeySha256::parse(&digest).ok();
    subjects.extend(digest.map(CertificateSubject::PublicKey));
    Some(ClientCertificate::new(subjects))
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<CertificateSubject>> {
    let extension = certificate.subject_alternative_name().ok()?;
    let names = extension.map_or(&[][..], |names| &names.value.general_names);
    if names.len() > NAMES_MAX {
        return None;
    }
    let mut subjects = Vec::new();
    for name in names {
        let subject = match name {
            GeneralName::URI(text) => {
                let uri = CertificateUri::parse(plain(text)?);
                uri.ok().map(CertificateSubject::Uri)
            }
            GeneralName::DNSName(text) => {
                let host = CertificateHost::parse(&plain(text)?.to_ascii_lowercase());
                host.ok().map(CertificateSubject::Host)
            }
            GeneralName::RFC822Name(text) => plain(text).map(|_| None)?,
            GeneralName::Invalid(..) => return None,
            _ => None,
        };
        subjects.extend(subject);
    }
    Some(subjects)
}

fn plain(text: &str) -> Option<&str> {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some(text)
}

/// A subject as text (RFC 4514, section 2): the last part first, what is special escaped. `None` where a part has an
/// unusual kind or encoding.
fn subject(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let sets: Vec<_> = name.iter_rdn().collect();
    for set in sets.into_iter().rev() {
        let parts: Vec<_> = set.iter().collect();
        for (place, part) in parts.into_iter().rev().enumerate() {
            if !text.is_empty() {
                text.push(if place == 0 { ',' } else { '+' });
            }
            let id = part.attr_type().to_id_string();
            let (_, kind) = KINDS.iter().find(|(known, _)| *known == id)?;
            text.push_str(kind);
            text.push('=');
            escape(value(part.attr_value())?, &mut text);
        }
    }
    Some(text)
}

/// The bytes of a text whose encoding leaves no doubt.
fn value<'a>(value: &Any<'a>) -> Option<&'a str> {
    let is_usual = [
        Tag::Utf8String,
        Tag::PrintableString,
        Tag::Ia5String,
        Tag::NumericString,
    ]
    .contains(&value.tag());
    let text = std::str::from_utf8(value.data).ok()?;
    let is_ascii = text.is_ascii() || value.tag() == Tag::Utf8String;
    (is_usual && is_ascii).then_some(text)
}

fn escape(value: &str, text: &mut String) {
    let last = value.len().saturating_sub(1);
    for (place, byte) in value.bytes().enumerate() {
        let is_special = b",+\"\\<>;".contains(&byte)
            || (byte == b' ' && (place == 0 || place == last))
            || (byte == b'#' && place == 0);
        if is_special {
            text.push('\\');
        }
        if byte == b' ' || byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            text.push('\\');
            text.push_str(&hexadecimal(&[byte]).to_ascii_uppercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn certificate(alter: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        alter(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn says(certificate: &CertificateDer<'_>) -> Vec<(&'static str, String)> {
        let read = read(certificate).unwrap();
        let fields = read.subjects().iter().map(CertificateSubject::field);
        fields
            .filter(|(field, _)| *field != "public_key_sha256")
            .map(|(field, value)| (field, value.to_owned()))
            .collect()
    }

    #[test]
    fn a_certificate_says_its_names_and_its_key() {
        let certificate = certificate(|params| {
            params.distinguished_name.push(DnType::CountryName, "DE");
            params.distinguished_name.push(DnType::CommonName, "orders");
            params.subject_alt_names = vec![
                SanType::URI("spiffe://example.com/orders".try_into().unwrap()),
                SanType::DnsName("Orders.internal".try_into().unwrap()),
                SanType::DnsName("*.internal".try_into().unwrap()),
                SanType::Rfc822Name("a@example.com".try_into().unwrap()),
            ];
        });

        let expected = [
            ("san_uri", "spiffe://example.com/orders"),
            ("san_dns", "orders.internal"),
            ("subject", "CN=orders,C=DE"),
        ];
        assert_eq!(
            says(&certificate),
            expected.map(|(field, value)| (field, value.to_owned()))
        );
        let read = read(&certificate).unwrap();
        let key = read.subjects().last().unwrap().field();
        assert!(key.0 == "public_key_sha256" && key.1.len() == 64);
    }

    #[test]
    fn a_subject_is_escaped_so_that_no_other_is_written_alike() {
        for (common_name, expected) in [
            ("a,O=evil", "CN=a\\,O=evil".to_owned()),
            (" #a ", "CN=\\ #a\\ ".to_owned()),
            ("#a", "CN=\\#a".to_owned()),
            ("a\\+\"<>;", "CN=a\\\\\\+\\\"\\<\\>\\;".to_owned()),
            ("M\u{fc}", "CN=M\\C3\\BC".to_owned()),
            ("a\0b", "CN=a\\00b".to_owned()),
        ] {
            let certificate = certificate(|params| {
                let value = DnValue::Utf8String(common_name.to_owned());
                params.distinguished_name.push(DnType::CommonName, value);
            });
            assert_eq!(says(&certificate), [("subject", expected)]);
        }
    }

    #[test]
    fn a_name_that_could_be_read_in_two_ways_spoils_the_certificate() {
        for name in ["a.test\0.evil.test", "a b"] {
            let bad = certificate(|params| {
                params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
            });
            assert_eq!(read(&bad), None, "{name:?}");
        }
        let many = certificate(|params| {
            let name = |number| SanType::DnsName(format!("a{number}").try_into().unwrap());
            params.subject_alt_names = (0..=NAMES_MAX).map(name).collect();
        });
        assert_eq!(read(&many), None);
        assert_eq!(read(&CertificateDer::from(vec![0x30])), None);
    }

    #[test]
    fn a_part_of_an_unusual_kind_or_encoding_leaves_the_subject_out() {
        for (kind, value) in [
            (
                DnType::CustomDnType(vec![1, 2, 3]),
                DnValue::Utf8String("a".to_owned()),
            ),
            (
                DnType::CommonName,
                DnValue::TeletexString("a".try_into().unwrap()),
            ),
        ] {
            let certificate = certificate(|params| {
                params.distinguished_name.push(kind, value);
            });
            assert_eq!(says(&certificate), []);
        }
    }
}
