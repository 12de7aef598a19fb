//! What an upstream is told of who asks, and shown of the proxy itself.

use tollgate_store::document::OAUTH_SCOPES_MAX;
use tollgate_store::{FieldName, Identifier, SecretPlace, ServiceUrl};

use super::timeout;
use crate::schema::{Attribute, Shape};
use crate::value::Type;

pub(super) fn attributes() -> [Attribute; 3] {
    [
                Attribute::optional("identity", Shape::single(identity())).describe(
                    "Headers that tell it who asks, beside `X-Tollgate-Key`, `X-Tollgate-Key-Id` and \
                     `X-Tollgate-Principal`. They are taken from no client.",
                ),
                Attribute::optional("credential", Shape::single(credential()))
                    .describe(
                        "What each proxy shows it, in place of what clients send: one of these. Secrets are files on \
                         each proxy, `file:` and an absolute path, read again within seconds once they change; \
                         replace them by a rename. Without one, requests are answered 502. Health checks show none.",
                    ),
                Attribute::optional("forward_credential", Type::Bool)
                    .describe(
                        "Whether it gets the client's own credential (`Authorization` or `X-API-Key`), which lets it \
                         act as that client. It does not where left out.",
                    ),
    ]
}

fn identity() -> [Attribute; 5] {
    let jwt = [
        Attribute::required("header", Type::String)
            .check(FieldName::parse)
            .describe("The header that it stands in, like `x-caller-token`."),
        Attribute::required("issuer", Type::String)
            .check(Identifier::parse)
            .describe("What the upstream knows the proxy by (`iss`), like `https://edge.internal`."),
        Attribute::required("audience", Type::String)
            .check(Identifier::parse)
            .describe("What the upstream is called (`aud`), like `orders`."),
        timeout("ttl").describe("How long it is good, `10s` to `5m`. 1 min where left out."),
        file("key").describe(
            "The file on each proxy with the private key, as PEM (PKCS#8): of P-256, which signs by ES256, or of \
             Ed25519, which signs by EdDSA. `file:` and an absolute path, like `file:/etc/tollgate/edge-jwt.pem`.",
        ),
    ];
    [
        header("principal").describe(
            "The header for the principal's name; absent where a key stands alone. Lower case, like `x-user`.",
        ),
        header("key").describe("The header for the key's name."),
        header("key_id").describe("The header for the key's public id."),
        header("scopes").describe(
            "The header for the scopes that the caller holds, with spaces between them; at most 4 KiB of them.",
        ),
        Attribute::optional("jwt", Shape::single(jwt)).describe(
            "The same as proof: a JWT that the proxy signs for each request, with `sub`, `principal`, `key`, `key_id` \
             and `scope`. The public keys are at `/jwks` of the admin listener, the one before the last included.",
        ),
    ]
}

fn credential() -> [Attribute; 3] {
    let header = [
        Attribute::required("name", Type::String)
            .check(FieldName::parse)
            .describe("Which, in lower case, like `x-upstream-key` or `authorization`."),
        file("value").describe("The file with all of its value, on one line, like `Bearer …`."),
    ];
    let basic = [
        Attribute::required("username", Type::String)
            .check(Identifier::parse)
            .describe("The name, without a colon."),
        file("password").describe("The file with the password, on one line."),
    ];
    let client = [
        Attribute::required("token_url", Type::String)
            .check(ServiceUrl::parse)
            .describe(
                "Where tokens are handed out: `https`, or `http` on loopback. The server is verified by what the \
                 proxy's system trusts.",
            ),
        Attribute::required("client_id", Type::String)
            .check(Identifier::parse)
            .describe("Who the proxy is there."),
        file("client_secret").describe("The file with the secret that goes with it, on one line."),
        Attribute::optional("scopes", Type::set_of_strings())
            .check(Identifier::parse)
            .at_most(OAUTH_SCOPES_MAX)
            .describe(
                "The scopes to ask for, 1 to 32. What the server gives by itself where left out.",
            ),
        Attribute::optional("audience", Type::String)
            .check(Identifier::parse)
            .describe("Whom the token is for, where the server must be told."),
    ];
    [
        Attribute::optional("header", Shape::single(header))
            .describe("A header with a secret value."),
        Attribute::optional("basic", Shape::single(basic))
            .describe("A name and a password, as `Authorization: Basic`."),
        Attribute::optional("oauth2_client_credentials", Shape::single(client)).describe(
            "A token of an authorization server, as `Authorization: Bearer`: fetched by the first request that needs \
             it (within 5 s, once for all), anew after 80 % of its life, and used to its end while the server fails.",
        ),
    ]
}

fn header(name: &'static str) -> Attribute {
    Attribute::optional(name, Type::String).check(FieldName::parse)
}

fn file(name: &'static str) -> Attribute {
    Attribute::required(name, Type::String).check(SecretPlace::parse)
}
