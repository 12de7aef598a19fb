//! What several resources say of throttling.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::ThrottleWait;
use tollgate_store::document::{Priority, THROTTLE_LIMIT_BOUNDS, THROTTLE_PERCENTILE_BOUNDS};

use crate::schema::{Attribute, Shape};
use crate::value::Type;

/// How many requests at once an upstream is given.
pub(super) fn throttle() -> Attribute {
    Attribute::optional("throttle", Shape::single(parts())).describe(
        "How many requests at once each proxy sends to it: a limit that each finds out by itself, from how long answers \
         take and how many fail. Who finds no room waits a little, and is then answered 503; `batch` requests from 75 % of \
         the limit on, the usual ones from 90 %. Any number where left out; `{}` for a throttle with nothing to say.",
    )
}

/// Who goes first.
pub(super) fn priority() -> Attribute {
    Attribute::optional("priority", Type::String).check(parse_priority)
}

fn parts() -> [Attribute; 5] {
    let limits = |name| Attribute::optional(name, Type::Number).bounds(THROTTLE_LIMIT_BOUNDS);
    [
        limits("limit_min")
            .describe("The least that the limit falls to, 5 to 100,000. 5 where left out."),
        limits("limit_max").describe(
            "The most that the limit rises to, 5 to 100,000, and not below `limit_min`. 1,000 where left out.",
        ),
        Attribute::optional("wait", Type::String)
            .check_meaning(ThrottleWait::parse, ThrottleWait::length)
            .describe(
                "How long a request that finds no room may wait for it, `0ms` to `5s`. 10 ms where left out.",
            ),
        Attribute::optional("percentile", Type::Number)
            .bounds(THROTTLE_PERCENTILE_BOUNDS)
            .describe(
                "Which percentile of latencies, to the first byte of an answer, the limit follows: 50 to 95. 50 where \
                 left out.",
            ),
        Attribute::optional("shadow", Type::Bool).describe(
            "Whether nothing is refused, but counted in `tollgate_throttle_shed_total` as if it were. Not where left out.",
        ),
    ]
}

fn parse_priority(text: &str) -> Result<Priority, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    Priority::deserialize(deserializer).map_err(|_| {
        format!("{text:?} is no priority: it must be \"critical\", \"default\" or \"batch\"")
    })
}
