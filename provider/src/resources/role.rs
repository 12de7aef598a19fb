//! `tollgate_role`.

use tollgate_conditions::Cedar;
use tollgate_gate::ConditionLanguage;
use tollgate_store::document::{Kind, ROLE_SCOPES_MAX};
use tollgate_store::{Condition, Name, TimeZone};

use super::{description, force_destroy, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema};
use crate::value::Type;

/// Scopes that belong together.
#[derive(Debug)]
pub(super) struct Role;

impl Resource for Role {
    fn kind(&self) -> Kind {
        Kind::Role
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "Scopes under one name, for principals and for keys that stand alone.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("scopes", Type::set_of_strings())
                    .check(Name::parse)
                    .at_most(ROLE_SCOPES_MAX)
                    .describe("The names of the scopes that it gives, 1 to 100."),
                Attribute::optional("condition", Type::String)
                    .check(check_condition)
                    .describe(
                        "What must hold of a request for the role to give anything to it: an expression in Cedar, as it \
                         stands within `when { … }`, about `context`, like `context.hour >= 9 && context.hour < 17`. At most \
                         4096 bytes. [What there is](../guides/conditions.md). A condition that can't be told is not met. \
                         Where left out, the role gives its scopes always.",
                    ),
                Attribute::optional("time_zone", Type::String)
                    .check(TimeZone::parse)
                    .describe(
                        "What the condition's `context.hour`, `context.minute` and `context.weekday` go by: the IANA name of \
                         a time zone, like `Europe/Berlin`. UTC where left out.",
                    ),
                force_destroy(),
            ],
        }
    }
}

/// Read as the proxies read it.
fn check_condition(text: &str) -> Result<(), String> {
    Cedar.read(&Condition::parse(text)?, None).map(drop)
}
