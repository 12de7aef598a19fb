//! `tollgate_quota`.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    Across, BURST_MAX, CONCURRENT_MAX, Each, Kind, LIMITS_MAX, OVERRIDES_MAX, OnCounterFailure,
    REQUESTS_MAX, Window,
};
use tollgate_store::{Name, Per, TimeZone};

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
        let exception = [Attribute::required("limits", Shape::list(limit()))
            .at_most(LIMITS_MAX)
            .describe("1 to 8 limits, in place of all of the quota's own.")];
        Schema {
            description: "Limits on requests. A request must be within all of them, and counts against all of them; one \
                          that is refused counts against none.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("limits", Shape::list(limit()))
                    .at_most(LIMITS_MAX)
                    .describe("1 to 8 limits, each over another time or of another kind."),
                Attribute::optional("each", Type::String)
                    .check(parse_each)
                    .default("principal")
                    .describe(
                        "What has a count of its own: every `principal` (a key that stands alone is its own), `key`, \
                         client `address` (IPv6: every /64), `route`, or the whole `proxy`.",
                    ),
                Attribute::optional("across", Type::String)
                    .check(parse_across)
                    .default("fleet")
                    .describe(
                        "Over how many processes the limits hold: over all that serve the `tollgate_proxy` (`fleet`), which \
                         count together by the proxy's `counters` or else enforce their share of its `fleet` each, or over \
                         each by itself (`process`).",
                    ),
                Attribute::optional("on_counter_failure", Type::String)
                    .check(parse_on_counter_failure)
                    .describe(
                        "What becomes of its requests while the proxy's `counters` can't be asked. `share`: each process \
                         enforces its share, as without counters. `allow`: they are let through. `deny`: they are answered \
                         503. `share` where left out.",
                    ),
                Attribute::optional("time_zone", Type::String)
                    .check(TimeZone::parse)
                    .describe(
                        "Where days, weeks and months of the calendar begin, by its IANA name, like `Europe/Berlin`. UTC \
                         where left out.",
                    ),
                Attribute::optional("shadow", Type::Bool)
                    .default(false)
                    .describe(
                        "Whether it only measures: it refuses nothing, and what it would have refused stands in the \
                         proxies' logs (`quota_shadow`) and metrics (`tollgate_quota_refusals_total`).",
                    ),
                Attribute::optional("overrides", Shape::map(exception))
                    .check_keys(|text| Name::parse(text).map(drop))
                    .at_most(OVERRIDES_MAX)
                    .describe(
                        "The limits of single principals, by their names: 1 to 1,000. They need `each` to be `principal` \
                         or `key`. Write the names as they are: a principal refers to its quotas already.",
                    ),
                force_destroy(),
            ],
        }
    }
}

fn limit() -> [Attribute; 5] {
    [
        Attribute::optional("requests", Type::Number)
            .bounds(1..=REQUESTS_MAX)
            .describe("How many requests, 1 to 1,000,000,000, beside `per`."),
        Attribute::optional("per", Type::String)
            .check_meaning(Per::parse, Per::span)
            .describe(
                "Over what time: any window of a length, `1s` to `31d`, like `10s`, `1m`, `24h` or `30d`, wherever it \
                 begins; or the calendar's `day`, `week` (from Monday) or `month`.",
            ),
        Attribute::optional("window", Type::String)
            .check(parse_window)
            .describe(
                "How a window is kept. `strict`: none of the length ever holds more requests, wherever it begins. \
                 `smooth`: requests are spread evenly, and `burst` of them may come at once. `strict` where left out.",
            ),
        Attribute::optional("burst", Type::Number)
            .bounds(1..=BURST_MAX)
            .describe("How many requests may come at once where the window is smooth, 1 to 1,000,000,000."),
        Attribute::optional("concurrent", Type::Number)
            .bounds(1..=CONCURRENT_MAX)
            .describe(
                "How many requests may be under way at the same time, 1 to 1,000,000, each until the last byte of its \
                 answer: a limit of its own, without `requests` and `per`.",
            ),
    ]
}

fn parse_each(text: &str) -> Result<Each, String> {
    parse(text).ok_or_else(|| {
        format!(
            "{text:?} can't have a count of its own: it must be \"principal\", \"key\", \"address\", \"route\" or \
             \"proxy\""
        )
    })
}

fn parse_across(text: &str) -> Result<Across, String> {
    parse(text).ok_or_else(|| {
        format!("{text:?} is nothing to count across: it must be \"fleet\" or \"process\"")
    })
}

fn parse_on_counter_failure(text: &str) -> Result<OnCounterFailure, String> {
    parse(text).ok_or_else(|| format!("{text:?} is none of \"share\", \"allow\" and \"deny\""))
}

fn parse_window(text: &str) -> Result<Window, String> {
    parse(text).ok_or_else(|| format!("{text:?} is no window: it must be \"strict\" or \"smooth\""))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(deserializer).ok()
}
