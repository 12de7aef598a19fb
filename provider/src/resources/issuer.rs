//! `tollgate_issuer`.

use tollgate_store::document::{
    ALGORITHMS_MAX, AUDIENCES_MAX, CLAIM_MAP_MAX, ClientAuthentication, INTROSPECTION_CALLS_MAX,
    ISSUER_QUOTAS_MAX, Kind, SignatureAlgorithm, TOKEN_TYPES_MAX,
};
use tollgate_store::{
    AnswerLife, AnswerTimeout, Audience, Authorities, ClaimName, ClockSkew, Identifier, InlineKeys,
    Name, SecretPlace, ServiceUrl, TokenType,
};

use super::{description, force_destroy, name, names};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// An authorization server whose tokens are taken.
#[derive(Debug)]
pub(super) struct Issuer;

impl Resource for Issuer {
    fn kind(&self) -> Kind {
        Kind::Issuer
    }

    fn schema(&self) -> Schema {
        let attributes = [name(), description()]
            .into_iter()
            .chain(verification())
            .chain(possession())
            .chain(meaning())
            .chain([
                Attribute::optional("enabled", Type::Bool)
                    .default(true)
                    .describe("Whether its tokens open anything."),
                force_destroy(),
            ]);
        Schema {
            description: "An authorization server whose access tokens are taken, in `Authorization: Bearer` or `DPoP`: \
                          JSON Web Tokens (RFC 9068), verified with the keys that it publishes, and those that it is \
                          asked about (RFC 7662).",
            attributes: attributes.collect(),
        }
    }
}

/// What makes a token good.
fn verification() -> [Attribute; 7] {
    [
        Attribute::required("url", Type::String)
            .check(ServiceUrl::parse)
            .describe(
                "What its tokens say in `iss`, to the letter: an `https` URL, or an `http` one of `127.0.0.1` or \
                 `localhost`. Each proxy finds its keys by its metadata (OpenID Connect Discovery, then RFC 8414), \
                 which must name the same URL; redirects are not followed.",
            ),
        Attribute::optional("jwks_url", Type::String)
            .check(ServiceUrl::parse)
            .describe(
                "Where each proxy fetches its keys (RFC 7517), in place of where its metadata says. Keys are fetched \
                 again before they are old, which their `Cache-Control` says within 5 minutes and an hour: that is how \
                 long a key counts after it was taken away. While that fails, the last ones count for 24 hours.",
            ),
        Attribute::optional("jwks", Type::String)
            .check(InlineKeys::parse)
            .describe(
                "Its public keys themselves, like `file(\"jwks.json\")`, which are fetched from nowhere then: a set \
                 of keys (RFC 7517) of at most 32,768 characters.",
            ),
        Attribute::required("audiences", Type::set_of_strings())
            .check(Audience::parse)
            .at_most(AUDIENCES_MAX)
            .describe("Whom its tokens must be made out to, 1 to 16: a token's `aud` must name one of them."),
        Attribute::optional("algorithms", Type::set_of_strings())
            .check(SignatureAlgorithm::parse)
            .at_most(ALGORITHMS_MAX)
            .describe(
                "What its tokens may be signed by: any of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, \
                 `ES256`, `ES384`, `ES512` and `EdDSA`. `RS256`, `PS256`, `ES256` and `EdDSA` where left out.",
            ),
        Attribute::optional("clock_skew", Type::String)
            .check_meaning(ClockSkew::parse, ClockSkew::length)
            .describe(
                "How far its clock and a proxy's may differ, `0s` to `5m`: a token counts for as much longer and \
                 earlier. 30 s where left out.",
            ),
        Attribute::optional("token_types", Type::set_of_strings())
            .check(TokenType::parse)
            .at_most(TOKEN_TYPES_MAX)
            .describe(
                "What its tokens may say that they are (`typ`), 1 to 8. `at+jwt` where left out, which RFC 9068 has \
                 for access tokens. Name `JWT` for an issuer whose access tokens say that, or nothing; make sure that \
                 its other tokens have other audiences.",
            ),
    ]
}

/// What more is asked of the issuer, and of who bears its tokens.
fn possession() -> [Attribute; 3] {
    [
        Attribute::optional("introspection", Shape::single(introspection())).describe(
            "How each proxy asks it about tokens (RFC 7662): those of no form that a proxy can read and, where neither \
             `jwks` nor `jwks_url` is given, all that it hands out, which may then be revoked. An answer counts for at \
             most `cache` and no longer than its token, a refusal for 5 s; an issuer that fails is answered 503 for, \
             and is left alone for 5 s after 5 failures in a row.",
        ),
        Attribute::optional("require_binding", Type::Bool)
            .default(false)
            .describe(
                "Whether its tokens must be bound to their bearer's certificate (RFC 8705) or key (DPoP, RFC 9449). \
                 A token that is bound opens nothing for anybody else in any case.",
            ),
        Attribute::optional("ca", Type::String)
            .check(Authorities::parse)
            .describe(
                "Who may sign for the certificates of its servers: PEM itself, `file:` and an absolute path on each \
                 proxy, or the ARN of a secret of AWS Secrets Manager. It is read again once it changes. Whom the \
                 proxy's system trusts where left out.",
            ),
    ]
}

fn introspection() -> [Attribute; 9] {
    [
        Attribute::required("url", Type::String)
            .check(ServiceUrl::parse)
            .describe("Where it is asked: `https`, or `http` on loopback; redirects are not followed."),
        Attribute::required("client_id", Type::String)
            .check(Identifier::parse)
            .describe("Who the proxy is there."),
        Attribute::required("client_secret", Type::String)
            .check(SecretPlace::parse)
            .describe(
                "Where each proxy reads the secret that goes with it, on one line: `file:` and an absolute path, or \
                 the ARN of a secret of AWS Secrets Manager. It is read again once it changes.",
            ),
        Attribute::optional("method", Type::String)
            .check(ClientAuthentication::parse)
            .describe(
                "How that secret is shown: `client_secret_basic` (where left out) or `client_secret_post`.",
            ),
        Attribute::optional("token_prefix", Type::String)
            .check(Identifier::parse)
            .describe(
                "What its tokens begin with. With several issuers that are asked, the longest that fits tells which; \
                 two with the same, or two without, are both left out.",
            ),
        Attribute::optional("any_audience", Type::Bool)
            .default(false)
            .describe(
                "Whether an answer without `aud` counts. One with it must name one of `audiences` in any case.",
            ),
        Attribute::optional("cache", Type::String)
            .check_meaning(AnswerLife::parse, AnswerLife::length)
            .describe(
                "How long an answer counts at most, and so how long a revoked token may go on: `1s` to `1m`. 1 min \
                 where left out.",
            ),
        Attribute::optional("timeout", Type::String)
            .check_meaning(AnswerTimeout::parse, AnswerTimeout::length)
            .describe("How long an answer may take, `10ms` to `5s`. 2 s where left out."),
        Attribute::optional("calls_per_second", Type::Number)
            .bounds(1..=INTROSPECTION_CALLS_MAX)
            .describe(
                "How many calls a second each proxy makes at most, 1 to 10000: what made-up tokens can cost. Half of \
                 them are kept for tokens that were good when last asked about; of the others, those that one client \
                 sends get a tenth of all calls, and at least one. Beyond, tokens that were not asked about are \
                 answered 503. 50 where left out.",
            ),
    ]
}

/// What a token stands for.
fn meaning() -> [Attribute; 9] {
    let claim = |name| Attribute::optional(name, Type::String).check(ClaimName::parse);
    let map = |name| {
        Attribute::optional(name, Type::map_of_strings())
            .check(Name::parse)
            .at_most(CLAIM_MAP_MAX)
    };
    [
        claim("scope_claim").describe(
            "The claim with a token's scopes: one text with spaces between them, or a list. `scope` where left out.",
        ),
        claim("roles_claim").describe(
            "The claim with a token's roles, likewise, like `roles` or `realm_access.roles`. None is read where left \
             out.",
        ),
        claim("subject_claim").describe(
            "The claim that tells whom a token is about. `sub` where left out.",
        ),
        claim("principal_claim").describe(
            "The claim that names the principal whom a token is of, by the principal's own name, beside the principals' \
             `subjects`. Only for an issuer that may speak for each of them. None is read where left out.",
        ),
        map("scopes").describe(
            "Which scopes its tokens' scopes stand for, by what tokens call them, 1 to 100. Where left out, those of \
             the same name. What stands for none is passed over.",
        ),
        map("roles").describe(
            "Which roles its tokens' roles stand for, likewise.",
        ),
        Attribute::optional("any_subject", Type::Bool)
            .default(false)
            .describe(
                "Whether a token that is about no principal's subject may do what its scopes and roles stand for. It \
                 opens nothing otherwise.",
            ),
        Attribute::optional("narrow", Type::Bool)
            .default(false)
            .describe(
                "Whether a principal may do by a token only what the token's scopes and roles stand for as well. Its \
                 roles alone count otherwise.",
            ),
        names("quotas", ISSUER_QUOTAS_MAX).describe(
            "The names of the quotas that count each of its subjects, beside those of the principal that it is, 1 to \
             8. None where left out.",
        ),
    ]
}
