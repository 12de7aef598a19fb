//! What the author of a key gives, and what comes of it.

use tollgate_store::document::{
    KEY_CIDRS_MAX, KEY_QUOTAS_MAX, KEY_ROLES_MAX, KEY_SCOPES_MAX, ROTATION_TRIGGER_CHARS_MAX,
};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Cidr, Environment, Name, Overlap, Problem, RotationPeriod, Timestamp};

use crate::diagnostic::Path;
use crate::resource::Fields;
use crate::resources::{metadata, name, names};
use crate::schema::{Attribute, Schema, Shape};
use crate::timeouts;
use crate::value::{Type, Value};

/// The attributes whose values come of a new token.
const OF_THE_TOKEN: [&str; 2] = ["fingerprint", "versions"];
/// The attributes that say where a token is.
const OF_ITS_PLACE: [&str; 2] = ["secret_id", "secret_arn"];

/// A key's attributes.
pub(super) fn schema() -> Schema {
    let mut attributes = vec![name()];
    attributes.extend(permissions());
    attributes.extend(restrictions());
    attributes.push(metadata());
    attributes.push(rotation());
    attributes.extend(brought_along());
    attributes.push(timeouts::attribute());
    attributes.extend(computed());
    Schema {
        description: "A client's key. Its token is generated and kept where only the client reads it; no state or plan \
                      holds it.",
        attributes,
    }
}

/// What the key may do.
fn permissions() -> [Attribute; 5] {
    [
        Attribute::optional("principal", Type::String)
            .check(Name::parse)
            .describe(
                "The name of the principal that it acts as: its roles say what the key may do, its quotas count it. A \
                 key without one stands alone, and needs `scopes` or `roles`.",
            ),
        names("scopes", KEY_SCOPES_MAX).describe(
            "The names of the scopes that it holds, 1 to 100. Of a principal's key: what it is narrowed to.",
        ),
        names("roles", KEY_ROLES_MAX).describe(
            "The names of the roles of a key that stands alone, 1 to 32. A principal's key has those of its principal.",
        ),
        names("quotas", KEY_QUOTAS_MAX).describe(
            "The names of the quotas that it is counted by, 1 to 8, besides those of its principal. None where left out.",
        ),
        environment_attribute(),
    ]
}

/// What the token shows.
pub(in crate::resources) fn environment_attribute() -> Attribute {
    Attribute::optional("environment", Type::String)
        .check(Environment::parse)
        .default("live")
        .replaces()
        .describe(
            "The environment that the token shows (`tg_live_…`): 1 to 16 lower-case letters and digits.",
        )
}

/// When and where a key may do it.
pub(in crate::resources) fn restrictions() -> [Attribute; 4] {
    let time = |name| {
        Attribute::optional(name, Type::String).check_meaning(Timestamp::parse, Timestamp::at)
    };
    [
        Attribute::optional("enabled", Type::Bool)
            .default(true)
            .describe("Whether it opens anything."),
        time("not_before").describe(
            "From when on it opens something, in RFC 3339 with an offset, like `2027-01-01T00:00:00Z`.",
        ),
        time("expires_at").describe(
            "From when on it opens nothing any more, in RFC 3339 with an offset, like `2027-06-30T00:00:00Z`.",
        ),
        Attribute::optional("allowed_cidrs", Type::set_of_strings())
            .check(Cidr::parse)
            .at_most(KEY_CIDRS_MAX)
            .describe(
                "The client addresses that it may be used from, 1 to 64 blocks like `10.0.0.0/8`. Every address where \
                 left out.",
            ),
    ]
}

/// How its token is replaced.
fn rotation() -> Attribute {
    let every = Attribute::optional("every", Type::String)
        .check_meaning(RotationPeriod::parse, RotationPeriod::length)
        .describe(
            "The age at which the token is replaced, by the first apply after it, like `30d`: `1h` to `3650d`.",
        );
    let overlap = Attribute::optional("overlap", Type::String)
        .check_meaning(Overlap::parse, Overlap::length)
        .describe(
            "How long the older token goes on opening beside the new one, like `24h`: `0s` to `90d`, shorter than \
             `every`. Where left out it ends at once.",
        );
    let trigger = Attribute::optional("trigger", Type::String)
        .check(check_trigger)
        .describe(
            "Any words; changing them replaces the token with the next apply. At most 256 characters, and no secret.",
        );
    Attribute::optional("rotation", Shape::single([every, overlap, trigger]))
        .describe("How its token is replaced by a new one. Never by itself where left out.")
}

fn check_trigger(text: &str) -> Result<(), String> {
    let characters = text.chars().count();
    if characters <= ROTATION_TRIGGER_CHARS_MAX {
        return Ok(());
    }
    Err(format!(
        "it has {characters} characters, at most {ROTATION_TRIGGER_CHARS_MAX} are allowed"
    ))
}

/// A token that the client has already.
fn brought_along() -> [Attribute; 3] {
    [
        Attribute::optional("token_wo", Type::String)
            .check(token::check_imported)
            .sensitive()
            .write_only()
            .describe(
                "A token that the client has already, from another gateway: 20 to 512 visible ASCII characters. It is \
                 written only, into the key's secret, and in no state or plan. Needs `token_wo_version`.",
            ),
        Attribute::optional("token_wo_version", Type::Number)
            .bounds(1..=u32::MAX)
            .local()
            .describe("Says that `token_wo` is another one than before: raise it with every new token. Needs `token_wo`."),
        Attribute::optional("token_sha256", Type::String)
            .check(Verifier::parse)
            .describe(
                "The SHA-256 of a token that the client has already, in 64 lower-case hexadecimal digits: the key opens \
                 with that token, which Tollgate never sees. For tokens that nobody could guess. Taking it out again \
                 makes a token of Tollgate's own.",
            ),
    ]
}

/// What comes of it.
fn computed() -> [Attribute; 5] {
    [
        Attribute::computed("id", Type::String)
            .describe("The public id: 12 letters and digits that logs show and the token contains."),
        Attribute::computed("secret_id", Type::String).describe(
            "Where the client reads its token: the secret's name in Secrets Manager, or the file's path. Null where \
             only the token's hash is known.",
        ),
        Attribute::computed("secret_arn", Type::String).describe(
            "The ARN of that secret, for the client's IAM policy. Null where the store is a directory.",
        ),
        Attribute::computed("fingerprint", Type::String).describe(
            "The first 16 hexadecimal digits of the newest token's SHA-256: enough to tell tokens apart.",
        ),
        Attribute::computed("versions", Shape::list(version_attributes()))
            .describe("The tokens that are good, the newest last."),
    ]
}

/// One token.
fn version_attributes() -> [Attribute; 4] {
    [
        Attribute::computed("version", Type::Number).describe("Counts up from 1."),
        Attribute::computed("created_at", Type::String).describe("When it was made."),
        Attribute::computed("expires_at", Type::String).describe(
            "From when on it opens nothing any more; null where no newer one has taken its place.",
        ),
        Attribute::computed("fingerprint", Type::String)
            .describe("The first 16 hexadecimal digits of its SHA-256."),
    ]
}

/// Checks what stands in the configuration only.
pub(super) fn check_config(config: &Value) -> Result<(), Problem> {
    let is_given = |name| !config.attribute(name).is_null();
    if is_given("token_wo_version") && !is_given("token_wo") {
        return Err(Problem::field(
            "token_wo_version",
            "it tells which token_wo is given, and none is: give token_wo too, or remove both",
        ));
    }
    Ok(())
}

/// Checks what the document's parser can't see: where the token comes from.
pub(super) fn check(state: &Value, spec: &Fields) -> Result<(), Problem> {
    let is_given = |name| !state.attribute(name).is_null();
    if is_given("token_wo") && !is_given("token_wo_version") {
        return Err(Problem::field(
            "token_wo",
            "give token_wo_version too, like 1: Terraform can't see whether token_wo has changed",
        ));
    }
    if is_given("token_wo") && is_given("token_sha256") {
        return Err(Problem::field(
            "token_sha256",
            "token_wo and token_sha256 both say which token the client has: remove one of the two",
        ));
    }
    let rotation = spec
        .get("rotation")
        .and_then(|rotation| rotation.as_object());
    let replaces = |field: &&str| rotation.is_some_and(|rotation| rotation.contains_key(*field));
    let replacing = ["every", "trigger"].into_iter().find(replaces);
    let brought = ["token_wo", "token_sha256"]
        .into_iter()
        .find(|name| is_given(name));
    if let (Some(brought), Some(field)) = (brought, replacing) {
        let message = format!(
            "it would replace the token by one of Tollgate's own: leave it out while {brought} is given"
        );
        return Err(Problem::field(field, message).under("rotation"));
    }
    Ok(())
}

/// The token that the client has already, by where it is given.
pub(super) fn given_tokens(state: &Value, config: &Value) -> Vec<(Path, Verifier)> {
    let token = config.attribute("token_wo").as_str();
    let token = token.map(|token| (Path::attribute("token_wo"), Verifier::of(token)));
    let hash = state.attribute("token_sha256").as_str();
    let hash = hash.and_then(|hash| Verifier::parse(hash).ok());
    let hash = hash.map(|hash| (Path::attribute("token_sha256"), hash));
    token.into_iter().chain(hash).collect()
}

/// Whether an update gives an attribute another value than before.
pub(super) fn is_given_anew(prior: &Value, planned: &Value, name: &str) -> bool {
    let value = planned.attribute(name);
    !value.is_null() && value != prior.attribute(name)
}

/// Whether an update takes an attribute away.
pub(super) fn is_taken_out(prior: &Value, planned: &Value, name: &str) -> bool {
    planned.attribute(name).is_null() && !prior.attribute(name).is_null()
}

/// The words whose change replaces the token.
pub(super) fn trigger(state: &Value) -> &Value {
    state.attribute("rotation").attribute("trigger")
}

/// Marks what an update will change by itself.
pub(super) fn foresee(prior: &Value, planned: &mut Value, due: bool) {
    let triggered = planned.attribute("rotation") == &Value::Unknown
        || (!trigger(planned).is_null() && trigger(planned) != trigger(prior));
    let hash = is_given_anew(prior, planned, "token_sha256")
        || is_taken_out(prior, planned, "token_sha256");
    if !(due || triggered || hash || is_given_anew(prior, planned, "token_wo_version")) {
        return;
    }
    let moves = hash || prior.attribute("secret_id").is_null();
    let Value::Object(values) = planned else {
        return;
    };
    let changed = OF_THE_TOKEN
        .into_iter()
        .chain(OF_ITS_PLACE.into_iter().filter(|_| moves));
    for name in changed {
        values.insert(name.to_owned(), Value::Unknown);
    }
}

/// A token's hash is shown where its author gave it; after an import, where nothing but the hash is known.
pub(super) fn remember(prior: &Value, fresh: &mut Value) {
    let hide = match prior {
        Value::Object(_) => prior.attribute("token_sha256").is_null(),
        _ => !fresh.attribute("secret_id").is_null(),
    };
    if let Value::Object(values) = fresh
        && hide
    {
        values.insert("token_sha256".to_owned(), Value::Null);
    }
}
