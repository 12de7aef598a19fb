//! `tollgate_principal`.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    Kind, PRINCIPAL_QUOTAS_MAX, PRINCIPAL_ROLES_MAX, PRINCIPAL_SUBJECTS_MAX, PrincipalKind,
};
use tollgate_store::{ClaimName, ClaimValue, Name};

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
                        "Whose tokens are its, 1 to 32 subjects, each of this principal alone. None where left out.",
                    ),
                priority().describe(
                    "How soon its requests are shed where an upstream has a `throttle`, whatever their routes say: \
                     `critical` last, `batch` first, `default` between them. As the routes say where left out.",
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

fn subject() -> [Attribute; 3] {
    [
        Attribute::required("issuer", Type::String)
            .check(Name::parse)
            .describe("The name of the `tollgate_issuer`."),
        Attribute::optional("claim", Type::String)
            .check(ClaimName::parse)
            .describe(
                "The claim that tells, like `client_id`. The issuer's `subject_claim` where left out.",
            ),
        Attribute::required("value", Type::String)
            .check(ClaimValue::parse)
            .describe("What the claim says, to the letter: at most 255 characters."),
    ]
}

fn parse_kind(text: &str) -> Result<PrincipalKind, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    PrincipalKind::deserialize(deserializer)
        .map_err(|_| format!("{text:?} is no kind of principal: it must be \"user\" or \"system\""))
}
