//! `tollgate_upstream`.

mod shown;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    ATTEMPTS_MAX, Balance, CHECK_STATUS_BOUNDS, CHECKS_MAX, CONNECTIONS_MAX, Kind, Protocol,
    RETRY_CAUSES_MAX, RetryCause, TARGET_WEIGHT_MAX, TARGETS_MAX,
};
use tollgate_store::{
    Authorities, CheckInterval, CheckPath, MaterialReference, ServerName, TargetUrl, Timeout,
};

use super::throttle::throttle;
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
        Schema {
            description: "Servers that answer the same requests.",
            attributes: [name(), description()]
                .into_iter()
                .chain(targets())
                .chain([
                Attribute::optional("protocol", Type::String)
                    .check(parse_protocol)
                    .describe(
                        "How it is spoken to: `http/1.1`, or `h2` (HTTP/2, which gRPC needs; without TLS by prior \
                         knowledge). Where left out, HTTP/1.1 without TLS, and with TLS what both sides agree on.",
                    ),
                Attribute::optional("tls", Shape::single(tls()))
                    .describe(
                        "How it and the proxy prove who they are, where targets are `https`. A target's certificate is \
                         always verified; by what the proxy's system trusts, where left out.",
                    ),
                Attribute::optional("balance", Type::String)
                    .check(parse_balance)
                    .describe(
                        "Which target gets a request: `round_robin` (where left out), one after the other; \
                         `least_requests`, the one with the fewest requests of this proxy in flight; `two_choices`, the \
                         better of two by chance; `hash`, the same one for all requests of a principal (or of a key \
                         without one), as long as it has at most a quarter more to do than the others.",
                    ),
                Attribute::optional("health", Shape::single(health()))
                    .describe(
                        "How each proxy asks every target whether it is well. One that is not gets no requests, unless \
                         none is. With or without it, a target that fails five requests in a row gets none for 5 \
                         seconds, and longer each time; at most half of the targets at once.",
                    ),
                Attribute::optional("slow_start", Type::String)
                    .check_meaning(Timeout::parse, Timeout::length)
                    .describe(
                        "Over what time a target that is well again gets its full share of requests, `10ms` to `1h`, \
                         like `30s`. At once where left out.",
                    ),
                Attribute::optional("timeouts", Shape::single(timeouts()))
                    .describe("How long a proxy waits for it, 10 ms to 1 h each."),
                Attribute::optional("retries", Shape::single(retries()))
                    .describe(
                        "What is sent again, to another target where there is one: requests without a body by `GET`, \
                         `HEAD`, `OPTIONS`, `PUT` or `DELETE` that failed before an answer came. At most a fifth of \
                         the requests of ten seconds are, and ten of them in any case. Nothing where left out; a request that no connection \
                         could be made for is always tried with two other targets.",
                    ),
                throttle(),
            ])
            .chain(shown::attributes())
            .chain([force_destroy()])
            .collect(),
        }
    }
}

fn targets() -> [Attribute; 3] {
    [
                Attribute::required("targets", Type::list_of_strings())
                    .check_meaning(TargetUrl::parse, |target| {
                        (target.encrypted(), target.host().to_owned(), target.port())
                    })
                    .at_most(TARGETS_MAX)
                    .describe(
                        "Where it answers, 1 to 64 targets: a scheme, a host and a port, like \
                         `https://orders.internal:8443`.",
                    ),
                Attribute::optional("target_weights", Type::Map(Box::new(Type::Number)))
                    .check_keys(|url| TargetUrl::parse(url).map(drop))
                    .bounds(1..=TARGET_WEIGHT_MAX)
                    .at_most(TARGETS_MAX)
                    .describe(
                        "How many requests targets get in proportion to others, by their URLs, 1 to 100 each, like \
                         `{ \"https://orders.internal:8443\" = 3 }`. A target that is left out weighs 1.",
                    ),
                Attribute::optional("connections_max", Type::Number)
                    .bounds(1..=CONNECTIONS_MAX)
                    .describe(
                        "The most connections that each proxy has open to each target, 1 to 100,000; health checks \
                         come on top. Where all targets have that many, a request waits for one for as long as for a \
                         connection (`timeouts.connect`), and is answered 503 then. Any number where left out.",
                    ),
    ]
}

fn tls() -> [Attribute; 3] {
    [
        Attribute::optional("ca", Type::String)
            .check(Authorities::parse)
            .describe(
                "The authorities that its certificate must be signed by, in place of those that the proxy's system \
                 trusts: their certificates as PEM, like `file(\"ca.pem\")`, at most 16,384 characters, or a file \
                 that each proxy reads, like `file:/etc/tollgate/ca.pem`, or the ARN of a secret.",
            ),
        Attribute::optional("server_name", Type::String)
            .check(ServerName::parse)
            .describe(
                "Whom its certificate must be made out to, like `orders.internal`. Where left out, each target's host.",
            ),
        Attribute::optional("certificate", Type::String)
            .check(MaterialReference::parse)
            .describe(
                "Where each proxy reads its own certificate, what that is signed by, and its key, as PEM: `file:` and an \
                 absolute path, like `file:/etc/tollgate/client.pem`, or the ARN of a secret. A file is read again \
                 within a second once it changed, a secret with the next poll; what can't be used leaves what was \
                 there before. The proxy shows none where left out.",
            ),
    ]
}

fn timeouts() -> [Attribute; 4] {
    [
            timeout("connect")
                .describe("For a connection, like `500ms` or `2s`. 2 s where left out."),
            timeout("response").describe(
                "For the head of a response, once the request was sent. 30 s where left out.",
            ),
            timeout("idle").describe(
                "For the next bytes of a body, in either direction, or of a connection that was upgraded. 60 s where \
                 left out.",
            ),
            timeout("request").describe(
                "For everything, from the request's head to the last byte of its answer; not for a connection that was \
                 upgraded. Without end where left out.",
            ),
        ]
}

fn health() -> [Attribute; 6] {
    let checks = |name| Attribute::optional(name, Type::Number).bounds(1..=CHECKS_MAX);
    [
        Attribute::required("path", Type::String)
            .check(CheckPath::parse)
            .describe("What is asked for by `GET`, like `/healthz`."),
        Attribute::optional("interval", Type::String)
            .check_meaning(CheckInterval::parse, CheckInterval::length)
            .describe("The pause between two checks, `100ms` to `1h`. 5 s where left out."),
        timeout("timeout").describe("For an answer, `10ms` to `1h`. 2 s where left out."),
        checks("healthy_after").describe(
            "After how many good answers a target is well again, 1 to 10. 2 where left out.",
        ),
        checks("unhealthy_after").describe(
            "After how many checks without a good answer a target is not well, 1 to 10. 3 where left out.",
        ),
        Attribute::optional("status", Type::Number)
            .bounds(CHECK_STATUS_BOUNDS)
            .describe("The status of a good answer, 200 to 599. Any from 200 to 299 where left out."),
    ]
}

fn retries() -> [Attribute; 3] {
    [
        Attribute::optional("attempts", Type::Number)
            .bounds(1..=ATTEMPTS_MAX)
            .describe("How many more times a request is sent, 1 to 5. Once where left out."),
        timeout("per_try_timeout").describe(
            "How long each try waits for the head of a response, in place of `timeouts.response`; `on` must name \
             `timeout` then.",
        ),
        Attribute::optional("on", Type::set_of_strings())
            .check(parse_retry_cause)
            .at_most(RETRY_CAUSES_MAX)
            .describe(
                "After which failures: `reset` (the connection was cut before an answer came), `timeout`, and the \
                 statuses `502`, `503` and `504`. `reset` where left out.",
            ),
    ]
}

fn parse_retry_cause(text: &str) -> Result<RetryCause, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    RetryCause::deserialize(deserializer).map_err(|_| {
        format!(
            "{text:?} is nothing to send a request again after: it must be \"reset\", \"timeout\", \"502\", \"503\" or \
             \"504\""
        )
    })
}

fn parse_balance(text: &str) -> Result<Balance, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    Balance::deserialize(deserializer).map_err(|_| {
        format!(
            "{text:?} is no way to choose a target: it must be \"round_robin\", \"least_requests\", \"two_choices\" or \
             \"hash\""
        )
    })
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    Protocol::deserialize(deserializer).map_err(|_| {
        format!("{text:?} is no protocol of an upstream: it must be \"http/1.1\" or \"h2\"")
    })
}

fn timeout(name: &'static str) -> Attribute {
    Attribute::optional(name, Type::String).check_meaning(Timeout::parse, Timeout::length)
}

pub(super) fn check_authorities(text: &str) -> Result<(), String> {
    let authorities = Authorities::parse(text)?;
    let file = authorities.reference().map(MaterialReference::file);
    file.transpose().map(drop)
}
