//! `tollgate_upstream`.

use tollgate_store::document::{Kind, TARGETS_MAX};
use tollgate_store::{TargetUrl, Timeout};

use super::{description, force_destroy, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// The servers behind the proxies.
#[derive(Debug)]
pub(super) struct Upstream;

impl Resource for Upstream {
    fn kind(&self) -> Kind {
        Kind::Upstream
    }

    fn schema(&self) -> Schema {
        let timeouts = [
            timeout("connect")
                .describe("For a connection, like `500ms` or `2s`. 2 s where left out."),
            timeout("response").describe(
                "For the head of a response, once the request was sent. 30 s where left out.",
            ),
        ];
        Schema {
            description: "Servers that answer the same requests.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("targets", Type::list_of_strings())
                    .check_meaning(TargetUrl::parse, |target| {
                        (target.encrypted(), target.host().to_owned(), target.port())
                    })
                    .at_most(TARGETS_MAX)
                    .describe(
                        "Where it answers, 1 to 64 targets that are taken in turn: a scheme, a host and a port, like \
                         `https://orders.internal:8443`.",
                    ),
                Attribute::optional("timeouts", Shape::single(timeouts))
                    .describe("How long a proxy waits for it, 10 ms to 1 h each."),
                force_destroy(),
            ],
        }
    }
}

fn timeout(name: &'static str) -> Attribute {
    Attribute::optional(name, Type::String).check_meaning(Timeout::parse, Timeout::length)
}
