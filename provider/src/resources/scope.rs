//! `tollgate_scope`.

use tollgate_store::PathPattern;
use tollgate_store::document::{GRANTS_MAX, Kind};

use super::{description, force_destroy, hosts, methods, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// What a credential may be given.
#[derive(Debug)]
pub(super) struct Scope;

impl Resource for Scope {
    fn kind(&self) -> Kind {
        Kind::Scope
    }

    fn schema(&self) -> Schema {
        let grant = [
            methods(),
            hosts(),
            Attribute::required("path", Type::String)
                .check(PathPattern::parse)
                .describe(
                    "The paths: literal segments, `*` for any one segment, and `**` at the end for whatever follows, \
                     like `/v1/orders/**`.",
                ),
        ];
        Schema {
            description: "A named permission: the requests that a key which holds it may make.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("grants", Shape::list(grant))
                    .at_most(GRANTS_MAX)
                    .describe(
                        "What it allows, 1 to 100 grants. A request is allowed where the method, the host and the path \
                         all fit one of them.",
                    ),
                force_destroy(),
            ],
        }
    }
}
