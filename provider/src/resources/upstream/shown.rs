//! What an upstream is told of who asks, and shown of the proxy itself.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tollgate_store::document::{
    AwsPayload, EXCHANGED_ISSUERS_MAX, OAUTH_SCOPES_MAX, SIGNED_BODY_BYTES_MAX,
};
use tollgate_store::{
    Authorities, AwsWord, FieldName, Identifier, IdentityFieldName, Name, SecretPlace, ServiceUrl,
};

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
                        "What each proxy shows it, in place of what clients send: one of these. Secrets are read by \
                         each proxy: files, `file:` and an absolute path, or secrets of AWS Secrets Manager, by their \
                         ARN. They are read again within seconds once they change; replace files by a rename. Without \
                         one, requests are answered 502. Health checks show none.",
                    ),
                Attribute::optional("forward_credential", Type::Bool)
                    .describe(
                        "Whether it gets the client's own credential (`Authorization` or `X-API-Key`), which lets it \
                         act as that client. It does not where left out.",
                    ),
    ]
}

fn identity() -> [Attribute; 7] {
    let jwt = [
        Attribute::required("header", Type::String)
            .check(IdentityFieldName::parse)
            .describe("The header that it stands in, like `x-caller-token`."),
        Attribute::required("issuer", Type::String)
            .check(Identifier::parse)
            .describe("What the upstream knows the proxy by (`iss`), like `https://edge.internal`."),
        Attribute::required("audience", Type::String)
            .check(Identifier::parse)
            .describe("What the upstream is called (`aud`), like `orders`."),
        timeout("ttl").describe("How long it is good, `10s` to `5m`. 1 min where left out."),
        file("key").describe(
            "Where each proxy reads the private key, as PEM (PKCS#8): of P-256, which signs by ES256, or of Ed25519, \
             which signs by EdDSA. `file:` and an absolute path, like `file:/etc/tollgate/edge-jwt.pem`, or the ARN of \
             a secret.",
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
        header("subject").describe(
            "The header for whom an access token of a `tollgate_issuer` is about; absent where another credential \
             proved who asks. A request whose token's subject is not of visible ASCII characters is answered 502: an \
             upstream could read it as somebody else.",
        ),
        header("issuer").describe(
            "The header for the name of that `tollgate_issuer`: subjects of two issuers may be called the same.",
        ),
        Attribute::optional("jwt", Shape::single(jwt)).describe(
            "The same as proof: a JWT that the proxy signs, with `sub`, `principal`, `key`, `key_id` and `scope`; a \
             caller's requests carry the same one for up to half of its life. Its `sub` says what kind of caller it is, \
             and which: `principal:<name>`; `key:<name>` of a key that stands alone; `issuer:<issuer>:<subject>` or \
             `certificate:<field>:<value>` of who is no principal; `anonymous` without a credential. The public keys are at `/jwks` of the \
             admin listener, and at `jwks_path` of a `tollgate_proxy`, the one before the last included.",
        ),
    ]
}

fn credential() -> [Attribute; 6] {
    let header = [
        Attribute::required("name", Type::String)
            .check(FieldName::parse)
            .describe(
                "Which, in lower case, like `x-upstream-key` or `authorization`; `cookie` takes the place of all \
                 cookies of clients.",
            ),
        file("value").describe("Where all of its value is, on one line, like `Bearer …`."),
    ];
    let basic = [
        Attribute::required("username", Type::String)
            .check(Identifier::parse)
            .describe("The name, without a colon."),
        file("password").describe("Where the password is, on one line."),
    ];
    [
        Attribute::optional("header", Shape::single(header))
            .describe("A header with a secret value."),
        Attribute::optional("basic", Shape::single(basic))
            .describe("A name and a password, as `Authorization: Basic`."),
        Attribute::optional("oauth2_client_credentials", Shape::single(client())).describe(
            "A token of an authorization server, as `Authorization: Bearer`: fetched by the first request that needs \
             it (within 5 s, once for all), anew after 80 % of its life, and used to its end while the server fails.",
        ),
        Attribute::optional("token_exchange", Shape::single(exchange())).describe(
            "A token that an authorization server hands out for the caller's own (RFC 8693), as `Authorization: Bearer`: \
             of callers with an access token of a `tollgate_issuer`, while others are answered 403. It is kept for the \
             caller's next requests, at most to the end of the caller's own token.",
        ),
        Attribute::optional("aws_sigv4", Shape::single(aws_sigv4())).describe(
            "A signature of each request (AWS Signature Version 4), by the credentials that each proxy finds in AWS's \
             usual way: its environment, its task's or its instance's role. It covers the host, `Content-Type` and what \
             begins with `x-amz-`. No client's header that begins with `x-amz-` is sent on, also where `_` stands for \
             `-`: it would tell the service what to do by the proxy's right.",
        ),
        Attribute::optional("plaintext", Type::Bool).describe(
            "Whether it may be shown to targets that are `http` on another machine, where anybody on the way can take \
             it. Such targets are refused where left out; a signature needs no leave.",
        ),
    ]
}

fn aws_sigv4() -> [Attribute; 4] {
    [
        Attribute::required("service", Type::String)
            .check(AwsWord::parse)
            .describe("The service's name in signatures, like `execute-api`, `lambda`, `es` or `s3`."),
        Attribute::required("region", Type::String)
            .check(AwsWord::parse)
            .describe("Where the service is, like `eu-west-1`."),
        Attribute::optional("payload", Type::String)
            .check(parse_payload)
            .describe(
                "Whether bodies are signed. `signed`: they are, and so each is held whole before its request is sent. \
                 `unsigned`: they pass as they come, which S3 takes, and only over TLS. `signed` where left out.",
            ),
        Attribute::optional("body_bytes_max", Type::Number)
            .bounds(1..=SIGNED_BODY_BYTES_MAX)
            .describe(
                "The most bytes of a body that is signed, up to 16,777,216 (16 MiB); a request with more is answered \
                 413. 1,048,576 (1 MiB) where left out.",
            ),
    ]
}

fn parse_payload(text: &str) -> Result<AwsPayload, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    AwsPayload::deserialize(deserializer)
        .map_err(|_| format!("{text:?} is neither \"signed\" nor \"unsigned\""))
}

/// The same where callers' tokens are exchanged.
fn exchange() -> Vec<Attribute> {
    let issuers = Attribute::optional("issuers", Type::set_of_strings())
        .check(Name::parse)
        .at_most(EXCHANGED_ISSUERS_MAX)
        .describe(
            "The names of the issuers whose tokens are exchanged, 1 to 16: those that the server knows. Tokens of \
             others are answered 403. Those of every issuer where left out.",
        );
    client().into_iter().chain([issuers]).collect()
}

/// Who the proxy is to an authorization server, and what it asks for.
fn client() -> [Attribute; 6] {
    [
        Attribute::required("token_url", Type::String)
            .check(ServiceUrl::parse)
            .describe(
                "Where tokens are handed out: `https`, or `http` on loopback; redirects are not followed.",
            ),
        Attribute::required("client_id", Type::String)
            .check(Identifier::parse)
            .describe("Who the proxy is there."),
        file("client_secret").describe("Where the secret that goes with it is, on one line."),
        Attribute::optional("scopes", Type::set_of_strings())
            .check(Identifier::parse)
            .at_most(OAUTH_SCOPES_MAX)
            .describe(
                "The scopes to ask for, 1 to 32. What the server gives by itself where left out.",
            ),
        Attribute::optional("audience", Type::String)
            .check(Identifier::parse)
            .describe("Whom the token is for, where the server must be told."),
        Attribute::optional("ca", Type::String)
            .check(Authorities::parse)
            .describe(
                "Who may sign for the certificate of that server: PEM itself, `file:` and an absolute path on each \
                 proxy, or the ARN of a secret of AWS Secrets Manager. It is read again once it changes. Whom the \
                 proxy's system trusts where left out.",
            ),
    ]
}

fn header(name: &'static str) -> Attribute {
    Attribute::optional(name, Type::String).check(IdentityFieldName::parse)
}

fn file(name: &'static str) -> Attribute {
    Attribute::required(name, Type::String).check(SecretPlace::parse)
}
