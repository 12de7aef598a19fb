//! `tollgate_route`.

use tollgate_store::document::Kind;
use tollgate_store::{Name, PathPattern};

use super::{description, hosts, methods, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema};
use crate::value::Type;

/// Which requests go to which upstream.
#[derive(Debug)]
pub(super) struct Route;

impl Resource for Route {
    fn kind(&self) -> Kind {
        Kind::Route
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "Requests of one proxy that go to one upstream. Of several routes that fit a request, the most \
                          specific carries it.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("proxy", Type::String)
                    .check(Name::parse)
                    .describe("The name of the proxy that serves it."),
                hosts(),
                methods(),
                Attribute::required("path", Type::String)
                    .check(PathPattern::parse)
                    .describe(
                        "The paths: literal segments, `*` for any one segment, and `**` at the end for whatever \
                         follows, like `/v1/orders/**`.",
                    ),
                Attribute::required("upstream", Type::String)
                    .check(Name::parse)
                    .describe("The name of the upstream that answers."),
            ],
        }
    }
}
