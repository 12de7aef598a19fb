//! `tollgate_route`.

use tollgate_store::document::{COST_MAX, CredentialKind, Kind, ROUTE_QUOTAS_MAX, UPGRADES_MAX};
use tollgate_store::{Name, PathPattern, UpgradeProtocol};

use super::throttle::priority;
use super::{description, hosts, methods, name, names};
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
                Attribute::optional("upgrades", Type::set_of_strings())
                    .check(UpgradeProtocol::parse)
                    .at_most(UPGRADES_MAX)
                    .describe(
                        "What a client's connection may turn into by HTTP/1.1's `Upgrade`, like `websocket`: at most 8. \
                         Nothing where left out: `Upgrade` does not reach the upstream then, nor where that is spoken \
                         to by `h2` only.",
                    ),
                Attribute::optional("cost", Type::Number)
                    .bounds(1..=COST_MAX)
                    .describe(
                        "How many requests each of its requests counts for in quotas, 1 to 1000: 1 where left out. One \
                         that counts for more than a limit admits takes all of it.",
                    ),
                priority().describe(
                    "How soon its requests are shed where its upstream has a `throttle`, unless their principal says so: \
                     `critical` last, `batch` first, `default` (where left out) between them.",
                ),
                Attribute::optional("anonymous", Type::Bool).describe(
                    "Whether everybody may send its requests, without a scope and without a credential. A bad \
                     credential is refused here, too. Only who holds a scope may where left out.",
                ),
                names("anonymous_quotas", ROUTE_QUOTAS_MAX).describe(
                    "The names of the quotas that count callers without a credential, 1 to 8: those of each \
                     `principal` or `key` count them by their addresses. None where left out.",
                ),
                Attribute::optional("credentials", Type::set_of_strings())
                    .check(CredentialKind::parse)
                    .at_most(CredentialKind::ALL.len())
                    .describe(
                        "Which credentials it takes: any of `key`, `token` (of an issuer) and `certificate`. Every \
                         kind where left out.",
                    ),
                Attribute::optional("body_bytes_max", Type::Number)
                    .bounds(1..=u32::MAX)
                    .describe(
                        "The most bytes that the body of one of its requests may have, 1 to 4294967295; a request with \
                         more is answered 413, at once where it says how many it has. Bodies pass as they come and are \
                         held nowhere: there is no bound where left out.",
                    ),
            ],
        }
    }
}
