//! What the author of a set gives, and what comes of it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tollgate_store::document::{
    Document, DocumentKey, KEY_QUOTAS_MAX, KEY_ROLES_MAX, KEY_SCOPES_MAX, KEY_SET_NAME_CHARS_MAX,
    KeySet, KeyVersion, Kind, PART_KEYS_MAX, PartName, SetKey, Spec,
};
use tollgate_store::token::Verifier;
use tollgate_store::{Name, Problem, Timestamp};

use crate::diagnostic::Path;
use crate::resource::Fields;
use crate::resources::key::{environment_attribute, restrictions};
use crate::resources::{description, metadata, name, names};
use crate::schema::{Attribute, Schema, Shape};
use crate::timeouts;
use crate::value::{Type, Value};

/// The most keys of one set: what 40 shards hold.
const KEYS_MAX: usize = 30_000;
/// What an author says of a key that the document holds in another way.
const TOKEN_FIELDS: [&str; 2] = ["token_version", "token_sha256"];
/// What the provider says of a key.
const COMPUTED_FIELDS: [&str; 2] = ["id", "fingerprint"];

/// A set's attributes.
pub(super) fn schema() -> Schema {
    Schema {
        description: "Thousands of keys in few secrets. Each is a key of its own; their tokens are kept in pages of some \
                      hundred each, so that who may read a page reads all of them.",
        attributes: vec![
            name().describe(
                "The name, unique among the key sets of the namespace: 1 to 48 letters, digits or any of `. _ : @ / -`, \
                 the first a letter or a digit.",
            ),
            description(),
            environment_attribute(),
            principal("The principal that every key acts as which names no other."),
            names("scopes", KEY_SCOPES_MAX)
                .describe("The scopes of every key that has none of its own, 1 to 100."),
            names("roles", KEY_ROLES_MAX).describe("The roles of every key, 1 to 32."),
            names("quotas", KEY_QUOTAS_MAX)
                .describe("The quotas of every key that has none of its own, 1 to 8."),
            Attribute::optional("enabled", Type::Bool)
                .default(true)
                .describe("Whether any of its keys opens anything."),
            Attribute::required("keys", Shape::map(key()))
                .check_keys(|text| Name::parse(text).map(drop))
                .at_most(KEYS_MAX)
                .describe("The keys by their names within the set, 1 to 30,000."),
            timeouts::attribute(),
            Attribute::computed("pages", Shape::list(page())).describe(
                "Where the tokens are: each page holds a JSON object that maps the names of some keys to their tokens. \
                 Keys whose token only its hash tells of are in none.",
            ),
        ],
    }
}

fn principal(description: &'static str) -> Attribute {
    Attribute::optional("principal", Type::String)
        .check(Name::parse)
        .describe(description)
}

fn key() -> Vec<Attribute> {
    let mut attributes = vec![
        principal("The principal that it acts as, in place of the set's."),
        names("scopes", KEY_SCOPES_MAX).describe("Its scopes, in place of the set's, 1 to 100."),
        names("quotas", KEY_QUOTAS_MAX).describe("Its quotas, in place of the set's, 1 to 8."),
    ];
    attributes.extend(restrictions());
    attributes.push(metadata());
    attributes.extend([
        Attribute::optional("token_version", Type::Number)
            .bounds(1..=u32::MAX)
            .default(1)
            .describe("Changing it makes a new token; the old one ends at once."),
        Attribute::optional("token_sha256", Type::String)
            .check(Verifier::parse)
            .describe(
                "The SHA-256 of a token that the client has already, in 64 lower-case hexadecimal digits: the key opens \
                 with that token, which Tollgate never sees.",
            ),
        Attribute::computed("id", Type::String)
            .describe("The public id: 12 letters and digits that logs show and the token contains."),
        Attribute::computed("fingerprint", Type::String)
            .describe("The first 16 hexadecimal digits of the token's SHA-256."),
    ]);
    attributes
}

fn page() -> [Attribute; 2] {
    [
        Attribute::computed("secret_id", Type::String)
            .describe("The secret's name in Secrets Manager, or the file's path."),
        Attribute::computed("secret_arn", Type::String)
            .describe("The secret's ARN. Null where the store is a directory."),
    ]
}

/// Checks the name, and every key as the parts' parser and the proxies would.
pub(super) fn check(key: &DocumentKey, spec: &Fields) -> Result<(), Problem> {
    if key.name.as_str().len() > KEY_SET_NAME_CHARS_MAX {
        return Err(Problem::field(
            "name",
            format!("a key set's name has at most {KEY_SET_NAME_CHARS_MAX} characters"),
        ));
    }
    let mut common = spec.clone();
    crate::resource::Resource::make_up(&super::KeySet, &mut common);
    let set_key = DocumentKey {
        kind: Kind::KeySet,
        name: key.name.clone(),
    };
    let set = Document::parse(&set_key, Json::Object(common))?;
    let Spec::KeySet(set) = set.spec() else {
        return Ok(());
    };
    check_hashes(spec)?;
    for part in made_up(&key.name, spec)? {
        if let Spec::KeySetPart(part) = part.spec() {
            check_claims(set, &part.keys)?;
        }
    }
    Ok(())
}

/// Proxies refuse a token that could be two keys'.
fn check_hashes(spec: &Fields) -> Result<(), Problem> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let keys = spec.get("keys").and_then(Json::as_object);
    for (name, key) in keys.into_iter().flatten() {
        let Some(hash) = key.get("token_sha256").and_then(Json::as_str) else {
            continue;
        };
        if let Some(other) = known.insert(hash, name) {
            let message = format!(
                "the key {other:?} has the same, and proxies would refuse a token of two keys: give each client a token of \
                 its own"
            );
            return Err(Problem::field("token_sha256", message).within_entry("keys", name));
        }
    }
    Ok(())
}

fn check_claims(set: &KeySet, keys: &BTreeMap<Name, SetKey>) -> Result<(), Problem> {
    for (name, key) in keys {
        let claim = key.claim(set);
        let checked = claim.check();
        checked.map_err(|problem| problem.within_entry("keys", name.as_str()))?;
    }
    Ok(())
}

/// The keys in parts whose tokens are made up, so that the documents' parser can check the rest.
pub(super) fn made_up(set: &Name, spec: &Fields) -> Result<Vec<Document>, Problem> {
    let version = json!([{
        "version": 1,
        "sha256": String::from(Verifier::of("")),
        "created_at": Timestamp::from(jiff::Timestamp::UNIX_EPOCH),
    }]);
    let given = spec.get("keys").and_then(Json::as_object);
    let keys: Vec<(String, Json)> = given
        .into_iter()
        .flatten()
        .map(|(name, key)| {
            let mut key = declared_key(key);
            key.insert("versions".to_owned(), version.clone());
            (name.clone(), Json::Object(key))
        })
        .collect();
    let parts = keys.chunks(PART_KEYS_MAX).map(|keys| {
        let keys: Fields = keys.iter().cloned().collect();
        part_document(set, 1, 1, &keys)
    });
    parts.collect()
}

/// A part of a set.
pub(super) fn part_document(
    set: &Name,
    generation: u32,
    number: u32,
    keys: &Fields,
) -> Result<Document, Problem> {
    let part = PartName {
        set: set.clone(),
        generation,
        number,
    };
    let key = DocumentKey {
        kind: Kind::KeySetPart,
        name: part.to_name().map_err(Problem::whole)?,
    };
    Document::parse(&key, json!({ "keys": keys }))
}

/// What the document holds of a key as its author gave it.
pub(super) fn declared_key(key: &Json) -> Fields {
    let mut fields = key.as_object().cloned().unwrap_or_default();
    for field in TOKEN_FIELDS.into_iter().chain(COMPUTED_FIELDS) {
        fields.remove(field);
    }
    fields
}

/// A key as its author gave it, and what came of it.
pub(super) fn show(set: &KeySet, set_name: &Name, name: &Name, key: &SetKey) -> Fields {
    let mut shown = match serde_json::to_value(key) {
        Ok(Json::Object(fields)) => fields,
        _ => Fields::new(),
    };
    shown.remove("versions");
    shown.insert("enabled".to_owned(), key.enabled.into());
    shown.insert("id".to_owned(), set.key_id(set_name, name).as_str().into());
    if let Some(newest) = key.versions.last() {
        let KeyVersion {
            version,
            sha256,
            imported,
            ..
        } = newest;
        shown.insert("token_version".to_owned(), (*version).into());
        shown.insert("fingerprint".to_owned(), sha256.fingerprint().into());
        if *imported {
            let hash = String::from(*sha256);
            shown.insert("token_sha256".to_owned(), hash.into());
        }
    }
    shown
}

/// Hides the fingerprints of tokens that took another's place without another `token_version`, and names their keys.
/// A key's fingerprint goes on missing until its token is put in order.
pub(super) fn distrust(prior: &Value, fresh: &mut Value) -> Vec<String> {
    let (Value::Map(known), Value::Object(values)) = (prior.attribute("keys"), fresh) else {
        return Vec::new();
    };
    let Some(Value::Map(keys)) = values.get_mut("keys") else {
        return Vec::new();
    };
    let mut unknown = Vec::new();
    for (name, key) in keys {
        if let (Some(known), Value::Object(values)) = (known.get(name), key)
            && is_swapped(known, values)
        {
            values.insert("fingerprint".to_owned(), Value::Null);
            unknown.push(name.clone());
        }
    }
    unknown
}

fn is_swapped(known: &Value, fresh: &BTreeMap<String, Value>) -> bool {
    let same = |field: &str| fresh.get(field) == Some(known.attribute(field));
    let is_shown = fresh
        .get("fingerprint")
        .is_some_and(|shown| !shown.is_null());
    // One that its author told by its hash is compared with the hash; one without an id was never wholly made.
    let is_own = fresh.get("token_sha256").is_none_or(Value::is_null);
    is_shown && is_own && same("id") && same("token_version") && !same("fingerprint")
}

/// Whether a state knows a key whose token has to be put in order.
pub(super) fn is_unsound(state: &Value, name: &Name) -> bool {
    match state.attribute("keys") {
        Value::Map(keys) => keys
            .get(name.as_str())
            .is_some_and(|key| key.attribute("fingerprint").is_null()),
        _ => false,
    }
}

/// The tokens that clients have already, by where they are given.
pub(super) fn given_tokens(state: &Value) -> Vec<(Path, Verifier)> {
    let Value::Map(keys) = state.attribute("keys") else {
        return Vec::new();
    };
    let hash = |key: &Value| Verifier::parse(key.attribute("token_sha256").as_str()?).ok();
    let path = |name: &str| {
        let keys = Path::attribute("keys");
        keys.then_key(name).then_attribute("token_sha256")
    };
    let brought = keys.iter();
    brought
        .filter_map(|(name, key)| Some((path(name), hash(key)?)))
        .collect()
}

/// Whether every key that was found is as it was given, and so is what they have in common.
pub(super) fn may_be_left_of(given: &Fields, found: &Fields) -> bool {
    let common = |fields: &Fields| {
        let mut fields = fields.clone();
        fields.remove("keys");
        fields
    };
    let keys = |fields: &Fields| fields.get("keys").and_then(Json::as_object).cloned();
    let same = |(name, found): (&String, &Json), given: &Fields| {
        let given = given.get(name).map(declared_key);
        given == Some(declared_key(found))
    };
    let (Some(given_keys), Some(found_keys)) = (keys(given), keys(found)) else {
        return false;
    };
    common(given) == common(found) && found_keys.iter().all(|found| same(found, &given_keys))
}

/// Marks what an update will change by itself. A new token takes its place in the page where the old one is.
pub(super) fn foresee(prior: &Value, planned: &mut Value, due: bool) {
    let Value::Object(values) = planned else {
        return;
    };
    let mut moves = true;
    let hash_changes = |prior: &Value, key: &Value| {
        key.attribute("token_sha256") != prior.attribute("token_sha256")
    };
    if let (Some(Value::Map(keys)), Value::Map(priors)) =
        (values.get_mut("keys"), prior.attribute("keys"))
    {
        moves = due || !priors.keys().eq(keys.keys());
        for (name, key) in keys {
            let prior = priors.get(name).unwrap_or(&Value::Null);
            let renewed = prior.attribute("fingerprint").is_null()
                || TOKEN_FIELDS
                    .iter()
                    .any(|field| key.attribute(field) != prior.attribute(field));
            let hashed = hash_changes(prior, key);
            if renewed && let Value::Object(key) = key {
                key.insert("fingerprint".to_owned(), Value::Unknown);
            }
            moves |= prior.attribute("fingerprint").is_null() || hashed;
        }
    }
    if moves {
        values.insert("pages".to_owned(), Value::Unknown);
    }
}
