//! `tollgate_proxy`.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    AUTHORIZATION_SERVERS_MAX, CERTIFICATES_MAX, ClientCertificates, FLEET_SIZE_MAX, Kind,
    LISTEN_MAX, PROXY_PROTOCOL_MAX, RateLimitHeaders, SCOPES_SUPPORTED_MAX, TRUSTED_PROXIES_MAX,
    TlsVersion,
};
use tollgate_store::{
    Cidr, CounterPrefix, CounterTimeout, CounterUrl, Identifier, ListenAddress, MaterialReference,
    Name, PagePath, ProxySender, SecretPlace, ServerName, ServiceUrl,
};

use super::{description, force_destroy, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// Deployments that serve routes.
#[derive(Debug)]
pub(super) struct Proxy;

impl Resource for Proxy {
    fn kind(&self) -> Kind {
        Kind::Proxy
    }

    fn schema(&self) -> Schema {
        let listen = [
            Attribute::required("address", Type::String)
                .check_meaning(ListenAddress::parse, |address| address.place().clone())
                .describe(
                    "The address and port, like `0.0.0.0:8080` or `[::]:8080`, or a Unix socket, like \
                     `unix:/run/tollgate.sock`: its owner and its group may connect, and have no address. A key that is \
                     bound to addresses is refused there.",
                ),
            proxy_protocol(),
            Attribute::optional("tls", Shape::single(tls())).describe(
                "How clients are spoken to by TLS; in the clear where left out. Everything that it names is read by \
                 the proxy again with each poll, and replaced without a restart. What can't be used leaves what was \
                 good before it, and is told in its log, its metrics and `/documents`.",
            ),
        ];
        Schema {
            description: "A deployment of proxies: any number of processes that serve the same routes.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("listen", Shape::list(listen))
                    .at_most(LISTEN_MAX)
                    .describe("Where clients connect, by HTTP/1.1 and HTTP/2: 1 to 16 addresses."),
                Attribute::optional("trusted_proxies", Type::set_of_strings())
                    .check(Cidr::parse)
                    .at_most(TRUSTED_PROXIES_MAX)
                    .describe(
                        "The networks of load balancers whose word about a client is taken: its address \
                         (`X-Forwarded-For` or `Forwarded`, from the right; where they differ, it has none), its \
                         request id and its trace. Nobody's where left out.",
                    ),
                Attribute::optional("fleet", Shape::single(fleet())).describe(
                    "How many processes serve it: each enforces its share of what quotas that count across the fleet \
                     allow, rounded down, and at least 1. One process, which enforces all of it, where left out.",
                ),
                Attribute::optional("counters", Shape::single(counters())).describe(
                    "A Redis or a Valkey, of version 7 or newer, in which all processes count together what quotas \
                     allow across the fleet. Each counts by itself where left out.",
                ),
                Attribute::optional("rate_limit_headers", Type::String)
                    .check(parse_rate_limit_headers)
                    .describe(
                        "What clients are told of their quotas with every answer. `standard`: `RateLimit` and \
                         `RateLimit-Policy`, as the IETF's draft has them. `legacy`: these, and `X-RateLimit-Limit`, \
                         `X-RateLimit-Remaining` and `X-RateLimit-Reset` (in seconds from now). `none`: `Retry-After` of \
                         refusals alone, which is always told. `standard` where left out.",
                    ),
                Attribute::optional("resource_metadata", Shape::single(resource_metadata()))
                    .describe(
                        "What each proxy tells clients of OAuth 2.0 of itself (RFC 9728): at \
                         `/.well-known/oauth-protected-resource`, followed by the resource's path, to whoever asks, and \
                         by its URL in `WWW-Authenticate` of refusals. Nothing where left out.",
                    ),
                Attribute::optional("jwks_path", Type::String)
                    .check(PagePath::parse)
                    .describe(
                        "Where each proxy shows whoever asks the public keys that verify what it tells upstreams \
                         (`identity.jwt`), like `/.well-known/jwks.json`: before every route. Each shows its own; where \
                         they sign with different keys, give upstreams all of them. Nowhere where left out.",
                    ),
                force_destroy(),
            ],
        }
    }
}

fn proxy_protocol() -> Attribute {
    Attribute::optional("proxy_protocol", Type::set_of_strings())
        .check(ProxySender::parse)
        .at_most(PROXY_PROTOCOL_MAX)
        .describe(
            "The networks of load balancers whose connections begin with a header of the PROXY protocol, \
             version 1 or 2: 1 to 64, of a Unix socket `unix`. It tells the client's address, which is taken \
             for the connection's own by everything else, `trusted_proxies` too. Connections of others, and \
             those without a header, are refused. Nobody sends one where left out.",
        )
}

fn fleet() -> [Attribute; 2] {
    [
        Attribute::optional("size", Type::Number)
            .bounds(1..=FLEET_SIZE_MAX)
            .describe("The number, 1 to 1000. Beside `dns`, the least that it is taken for."),
        Attribute::optional("dns", Type::String)
            .check(ServerName::parse)
            .describe(
                "A name that DNS has an address of each process for, as service discovery keeps it, like \
                 `edge.internal`. It is asked for every minute, and its last answer stays where there is none. \
                 Cloud Map names eight processes at most: declare the `size` of a larger fleet.",
            ),
    ]
}

fn counters() -> [Attribute; 7] {
    [
        Attribute::required("url", Type::String)
            .check(CounterUrl::parse)
            .describe(
                "Its address: `rediss` (TLS) or `redis`, a host and a port, like `rediss://counters.internal:6379`. Of a \
                 cluster, any node's.",
            ),
        Attribute::optional("cluster", Type::Bool)
            .default(false)
            .describe("Whether it is a cluster."),
        Attribute::optional("username", Type::String)
            .check(Identifier::parse)
            .describe("Who the proxies are there. The default user where left out."),
        Attribute::optional("password", Type::String)
            .check(SecretPlace::parse)
            .describe(
                "Where each proxy reads the password, on one line: `file:` and an absolute path, like \
                 `file:/etc/tollgate/counters-password`, or the ARN of a secret of AWS Secrets Manager. It is read \
                 again for each connection, and needs `rediss` beyond loopback.",
            ),
        Attribute::optional("ca", Type::String)
            .check(super::upstream::check_authorities)
            .describe(
                "The authorities that its certificate must be signed by, in place of those that the proxies' systems \
                 trust: their certificates as PEM, like `file(\"ca.pem\")`, at most 16,384 characters, a file that \
                 each proxy reads, like `file:/etc/tollgate/ca.pem`, or the ARN of a secret.",
            ),
        Attribute::optional("timeout", Type::String)
            .check_meaning(CounterTimeout::parse, CounterTimeout::length)
            .describe(
                "How long a request waits for it at most, `1ms` to `1s`; then `on_counter_failure` of each quota tells \
                 what becomes of it. 20 ms where left out.",
            ),
        Attribute::optional("prefix", Type::String)
            .check(CounterPrefix::parse)
            .describe(
                "What its keys begin with. `tollgate:`, the namespace, the proxy's name and colons after them where left \
                 out. Deployments that have the same one count together.",
            ),
    ]
}

fn resource_metadata() -> [Attribute; 3] {
    [
        Attribute::required("resource", Type::String)
            .check(ServiceUrl::parse)
            .describe(
                "What clients call it, which is what tokens are made out to: an `https` URL without a query, like \
                 `https://api.example.com`.",
            ),
        Attribute::required("authorization_servers", Type::list_of_strings())
            .check(ServiceUrl::parse)
            .at_most(AUTHORIZATION_SERVERS_MAX)
            .describe("Who hands out tokens: 1 to 16 issuers, like `https://login.example.com`."),
        Attribute::optional("scopes", Type::set_of_strings())
            .check(Name::parse)
            .at_most(SCOPES_SUPPORTED_MAX)
            .describe("The scopes that clients may ask for, 1 to 100. They are not told where left out."),
    ]
}

fn tls() -> [Attribute; 5] {
    [
        Attribute::required("certificates", Type::list_of_strings())
            .check(MaterialReference::parse)
            .at_most(CERTIFICATES_MAX)
            .describe(
                "Where the proxy's certificates are, 1 to 16 places: `file:` and an absolute path, like \
                 `file:/etc/tollgate/edge.pem`, or the ARN of a secret. There stands PEM with the certificate first, then \
                 what it is signed by, and its private key. A client gets the one for the name \
                 that it asks for, and otherwise the first.",
            ),
        material("client_ca").describe(
            "Where the authorities are that clients' certificates must be signed by, as PEM. Clients are asked for no \
             certificate where left out. An address whose authorities can't be read is not listened on.",
        ),
        Attribute::optional("client_certificates", Type::String)
            .check(parse_client_certificates)
            .describe(
                "Whether clients must have a certificate that `client_ca` signed: `required`, or `optional`. \
                 `required` where left out.",
            ),
        material("client_crl").describe(
            "Where the lists of revoked certificates are, as PEM: a current one of every authority that signs clients, \
             as nobody whose authority has none gets in. None is heeded where left out.",
        ),
        Attribute::optional("min_version", Type::String)
            .check(parse_version)
            .describe("The oldest version of TLS that is spoken: `1.2` or `1.3`. `1.2` where left out."),
    ]
}

fn material(name: &'static str) -> Attribute {
    Attribute::optional(name, Type::String).check(MaterialReference::parse)
}

fn parse_client_certificates(text: &str) -> Result<ClientCertificates, String> {
    parse(text).ok_or_else(|| format!("{text:?} is none of \"required\" and \"optional\""))
}

fn parse_rate_limit_headers(text: &str) -> Result<RateLimitHeaders, String> {
    parse(text).ok_or_else(|| format!("{text:?} is none of \"standard\", \"legacy\" and \"none\""))
}

fn parse_version(text: &str) -> Result<TlsVersion, String> {
    parse(text)
        .ok_or_else(|| format!("{text:?} is no version of TLS: it must be \"1.2\" or \"1.3\""))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(deserializer).ok()
}
