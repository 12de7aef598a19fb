//! `tollgate_principal`.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    Kind, PRINCIPAL_CIDRS_MAX, PRINCIPAL_QUOTAS_MAX, PRINCIPAL_ROLES_MAX, PRINCIPAL_SUBJECTS_MAX,
    PrincipalKind,
};
use tollgate_store::{
    CertificateHost, CertificateName, CertificateUri, Cidr, ClaimName, ClaimValue, Name,
    PublicKeySha256,
};

use super::throttle::priority;
use super::{description, force_destroy, metadata, name, names};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// A user or a system that calls.
#[derive(Debug)]
pub(super) struct Principal;

impl Resource for Principal {
    fn kind(&self) -> Kind {
        Kind::Principal
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "A user or a system that may have many credentials, and shares its quotas over all of them.",
            attributes: vec![
                name(),
                description(),
                Attribute::optional("kind", Type::String)
                    .check(parse_kind)
                    .default("system")
                    .describe("What it is: a `user` or a `system`."),
                names("roles", PRINCIPAL_ROLES_MAX).describe(
                    "The names of its roles, 1 to 32. Without any, its credentials open nothing.",
                ),
                names("quotas", PRINCIPAL_QUOTAS_MAX).describe(
                    "The names of the quotas that count all its credentials together, 1 to 8. None where left out.",
                ),
                Attribute::optional("subjects", Shape::list(subject()))
                    .at_most(PRINCIPAL_SUBJECTS_MAX)
                    .describe(
                        "By what callers without a key are it, 1 to 32 subjects, each of this principal alone: of a \
                         token, `issuer` and `value`, and perhaps `claim`; of a client's certificate, one of \
                         `san_uri`, `san_dns`, `subject` and `public_key_sha256`. None where left out. A certificate \
                         counts where a request bears no token. Every authority that any listener of the proxy trusts \
                         for clients can make out a certificate with any URI, host or subject: trust none that may \
                         not speak for every principal, or use `public_key_sha256`.",
                    ),
                priority().describe(
                    "How soon its requests are shed where an upstream has a `throttle`, whatever their routes say: \
                     `critical` last, `batch` first, `default` between them. As the routes say where left out.",
                ),
                Attribute::optional("allowed_cidrs", Type::set_of_strings())
                    .check(Cidr::parse)
                    .at_most(PRINCIPAL_CIDRS_MAX)
                    .describe(
                        "The client addresses that its credentials may be used from, 1 to 32 blocks like `10.0.0.0/8`, \
                         beside those of a key itself. Every address where left out.",
                    ),
                Attribute::optional("enabled", Type::Bool)
                    .default(true)
                    .describe("Whether any of its credentials opens anything."),
                metadata(),
                force_destroy(),
            ],
        }
    }
}

/// A subject of a token, which the document's parser tells from one of a certificate.
fn subject() -> [Attribute; 7] {
    let [uri, host, name, key] = certificate_subject();
    [
        Attribute::optional("issuer", Type::String)
            .check(Name::parse)
            .describe("Of a token: the name of the `tollgate_issuer`."),
        Attribute::optional("claim", Type::String)
            .check(ClaimName::parse)
            .describe(
                "The claim that tells, like `client_id`. The issuer's `subject_claim` where left out.",
            ),
        Attribute::optional("value", Type::String)
            .check(ClaimValue::parse)
            .describe("What the claim says, to the letter: at most 255 characters."),
        uri,
        host,
        name,
        key,
    ]
}

/// What a certificate says of its holder, one of four.
pub(crate) fn certificate_subject() -> [Attribute; 4] {
    let text = |name| Attribute::optional(name, Type::String);
    [
        text("san_uri").check(CertificateUri::parse).describe(
            "Of a client's certificate: a URI among its alternative names, to the letter, like the SPIFFE ID \
             `spiffe://example.com/orders`.",
        ),
        text("san_dns").check(CertificateHost::parse).describe(
            "Of a client's certificate: a host's name among its alternative names, in lower case, like \
             `orders.internal`.",
        ),
        text("subject").check(CertificateName::parse).describe(
            "Of a client's certificate: its subject, to the letter, as `openssl x509 -noout -subject -nameopt \
             RFC2253` prints it, like `CN=orders,O=Example`.",
        ),
        text("public_key_sha256")
            .check(PublicKeySha256::parse)
            .describe(
                "Of a client's certificate: the SHA-256 of its public key (`SubjectPublicKeyInfo`), as 64 lower-case \
                 hexadecimal digits.",
            ),
    ]
}

fn parse_kind(text: &str) -> Result<PrincipalKind, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    PrincipalKind::deserialize(deserializer)
        .map_err(|_| format!("{text:?} is no kind of principal: it must be \"user\" or \"system\""))
}
