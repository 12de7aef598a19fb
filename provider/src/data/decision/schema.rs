//! The attributes of a question and its answer.

use tollgate_gate::SIMULATED_REQUESTS_MAX;
use tollgate_store::{KeyId, Method, Name, Timestamp};

use super::checks::{check_claims, check_host, check_key, check_path, parse_address};
use super::conditions;
use crate::resources::certificate_subject;
use crate::schema::{Attribute, Shape};
use crate::value::Type;

/// The request.
pub(super) fn request() -> [Attribute; 14] {
    let text = |name| Attribute::optional(name, Type::String);
    [
        Attribute::required("proxy", Type::String)
            .check(Name::parse)
            .describe("The deployment whose routes apply: the name of a `tollgate_proxy`."),
        Attribute::required("method", Type::String)
            .check(Method::parse)
            .describe("The method, like `GET`."),
        Attribute::required("host", Type::String)
            .check(check_host)
            .describe("The host that it is addressed to, like `api.example.com`, with or without a port."),
        Attribute::required("path", Type::String)
            .check(check_path)
            .describe("The path, like `/v1/orders/1`. A query may follow."),
        text("key").check(check_key).describe(
            "The name of the key whose token it bears; of a key of a key set, `SET/NAME`. At most one of `key`, \
             `key_id`, `principal`, `claims` and `certificate`; without them it bears no credential.",
        ),
        text("key_id")
            .check(KeyId::parse)
            .describe("The public id of that key, as logs show it."),
        text("principal")
            .check(Name::parse)
            .describe("The principal that it is made as, by a key that narrows nothing."),
        Attribute::optional("certificate", Shape::single(certificate_subject())).describe(
            "What the certificate says that the client shows, where it bears no token. It is taken to be a good one.",
        ),
        text("issuer")
            .check(Name::parse)
            .describe("The `tollgate_issuer` whose token it bears, with `claims`."),
        text("claims").check(check_claims).describe(
            "What that token says, as JSON, like `jsonencode({ aud = \"orders\", sub = \"alice\", scope = \"read\" })`. It \
             is taken for signed; `iss` and `exp` may be left out. A token itself has no place here: it would be in the \
             state.",
        ),
        text("address")
            .check(parse_address)
            .default("127.0.0.1")
            .describe("The client's address, which keys, principals and quotas may look at."),
        conditions::headers_attribute(),
        text("at").check(Timestamp::parse).describe(
            "When it is made, in RFC 3339 with an offset, like `2027-01-01T00:00:00Z`. Now where left out.",
        ),
        Attribute::optional("requests", Type::Number)
            .bounds(1..=SIMULATED_REQUESTS_MAX)
            .default(1)
            .describe(
                "How many such requests are made at that moment, after none before: 1 to 10000. The decision is about \
                 the last of them.",
            ),
    ]
}

/// The decision.
pub(super) fn decision() -> [Attribute; 13] {
    let text = |name| Attribute::computed(name, Type::String);
    [
        Attribute::computed("allowed", Type::Bool).describe(
            "Whether it would be sent on, or be answered by the proxy itself with a page that is everybody's (its public \
             keys, and the metadata of RFC 9728).",
        ),
        text("code").describe(
            "The reason as one stable word: `allowed`, or what the proxies' logs have, like `scope_insufficient`.",
        ),
        text("reason").describe("The reason as a sentence."),
        text("key_name").describe(
            "The key that it would be taken to come from; of a key of a key set, `SET/NAME`.",
        ),
        text("principal_name").describe("The principal that it would be made as."),
        text("scope").describe(
            "The scope that allows it; null where none does and the route is open to everybody.",
        ),
        conditions::conditions_attribute(),
        text("route").describe("The route that carries it."),
        text("upstream").describe("The upstream that would answer it."),
        Attribute::computed("quotas", Type::list_of_strings())
            .describe("The quotas that count it, in the order of their names."),
        text("quota").describe("The quota that refuses it."),
        text("limit").describe("The limit of that quota that does, like `10 requests in 60 seconds`."),
        Attribute::computed("retry_after_seconds", Type::Number)
            .describe("After how many seconds that quota has room for one more."),
    ]
}
