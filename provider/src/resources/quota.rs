//! `tollgate_quota`.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::Period;
use tollgate_store::document::{Each, Kind, LIMITS_MAX, REQUESTS_MAX};

use super::{description, force_destroy, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// How many requests over what time.
#[derive(Debug)]
pub(super) struct Quota;

impl Resource for Quota {
    fn kind(&self) -> Kind {
        Kind::Quota
    }

    fn schema(&self) -> Schema {
        let limit = [
            Attribute::required("requests", Type::Number)
                .bounds(1..=REQUESTS_MAX)
                .describe("How many requests, 1 to 1,000,000,000."),
            Attribute::required("per", Type::String)
                .check_meaning(Period::parse, Period::length)
                .describe(
                    "The length of the window, `1s` to `31d`, like `10s`, `1m`, `24h` or `30d`.",
                ),
        ];
        Schema {
            description: "Limits on requests over time. A request must be within all of them, and counts against all of \
                          them. No window of the given length ever holds more requests, wherever it begins.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("limits", Shape::list(limit))
                    .at_most(LIMITS_MAX)
                    .describe("1 to 8 limits, each with a period of its own."),
                Attribute::optional("each", Type::String)
                    .check(parse_each)
                    .default("principal")
                    .describe(
                        "What has a count of its own: every `principal` (a key that stands alone is its own), `key`, \
                         client `address` (IPv6: every /64), `route`, or the whole `proxy`.",
                    ),
                force_destroy(),
            ],
        }
    }
}

fn parse_each(text: &str) -> Result<Each, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    Each::deserialize(deserializer).map_err(|_| {
        format!(
            "{text:?} can't have a count of its own: it must be \"principal\", \"key\", \"address\", \"route\" or \
             \"proxy\""
        )
    })
}
