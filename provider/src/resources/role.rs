//! `tollgate_role`.

use tollgate_store::Name;
use tollgate_store::document::{Kind, ROLE_SCOPES_MAX};

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
                force_destroy(),
            ],
        }
    }
}
