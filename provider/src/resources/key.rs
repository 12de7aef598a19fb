//! `tollgate_key`. The token that the client sends is made here, goes to its one place in the store, and is in no
//! state, plan, log or message; the document holds its hash only.

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tollgate_store::backend::{Expected, StoreError, TokenOwner, TokenPlace};
use tollgate_store::document::{
    Document, DocumentKey, KEY_CIDRS_MAX, KEY_QUOTAS_MAX, KEY_SCOPES_MAX, KeyVersion, Kind,
    METADATA_CHARS_MAX, METADATA_ENTRIES_MAX, Revision, Spec,
};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Cidr, Environment, KeyId, Name, Secret, Timestamp};

use super::name;
use crate::clock;
use crate::diagnostic::Diagnostic;
use crate::failure::{broken, failure};
use crate::resource::{Beside, Fields, Resource, Store, spec_of};
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// A client's key.
#[derive(Debug)]
pub(super) struct Key;

#[async_trait]
impl Resource for Key {
    fn kind(&self) -> Kind {
        Kind::Key
    }

    fn schema(&self) -> Schema {
        let mut attributes = vec![name()];
        attributes.extend(permissions());
        attributes.extend(restrictions());
        attributes.extend(computed());
        Schema {
            description: "A client's key. Its token is generated and kept where only the client reads it; no state or \
                          plan holds it.",
            attributes,
        }
    }

    fn make_up(&self, spec: &mut Fields) {
        let verifier = Verifier::of("");
        insert_token(spec, "000000000000", &version(verifier));
    }

    fn before_create(
        &self,
        store: &Store,
        name: &Name,
        spec: &mut Fields,
    ) -> Result<Option<Secret>, Diagnostic> {
        let id = key_id(store, name);
        let token = token::generate(&environment(spec), id).map_err(|error| {
            let key = document_key(name);
            Diagnostic::error(format!("{key} was not created"), error.to_string())
        })?;
        insert_token(spec, id.as_str(), &version(Verifier::of(token.expose())));
        Ok(Some(token))
    }

    /// Writes the token after the document: of two who create the same key at once, only the one whose document stands
    /// comes here, so that the token is always the document's.
    async fn after_create(
        &self,
        store: &Store,
        name: &Name,
        kept: Option<Secret>,
    ) -> Result<Fields, StoreError> {
        let Some(token) = kept else {
            return Ok(Fields::new());
        };
        let id = &key_id(store, name);
        let owner = TokenOwner::Key { name, id };
        let written = store.backend.write_token(owner, &token, &Expected::Absent);
        written.await.map(place_attributes)
    }

    /// Takes the id and the versions over from the document as it stands.
    async fn before_update(
        &self,
        store: &Store,
        (name, revision): (&Name, &Revision),
        spec: &mut Fields,
    ) -> Result<(), Diagnostic> {
        let key = document_key(name);
        let failed = |error: StoreError| failure(&key, "changed", &error);
        let entry = store.backend.read(&key).await.map_err(failed)?;
        // Another revision's versions must not be written over this one's.
        let Some(entry) = entry.filter(|entry| entry.revision.as_ref() == Some(revision)) else {
            let place = store.backend.place();
            let key = key.clone();
            return Err(failed(StoreError::Conflict { key, place }));
        };
        let document = entry
            .document
            .map_err(|problem| broken(store, &key, &problem))?;
        let mut standing = spec_of(&document);
        for field in ["id", "versions"] {
            let value = standing.remove(field);
            spec.extend(value.map(|value| (field.to_owned(), value)));
        }
        Ok(())
    }

    fn attributes(&self, document: &Document) -> Fields {
        let mut attributes = spec_of(document);
        if let Spec::Key(key) = document.spec() {
            let versions = key.versions.iter().map(show_version).collect();
            attributes.insert("versions".to_owned(), Json::Array(versions));
            let newest = key.versions.last();
            let fingerprint = newest.map(|version| version.sha256.fingerprint());
            attributes.insert("fingerprint".to_owned(), fingerprint.into());
        }
        attributes
    }

    async fn beside(&self, store: &Store, name: &Name) -> Result<Beside, StoreError> {
        let id = &key_id(store, name);
        let place = store
            .backend
            .token_place(TokenOwner::Key { name, id })
            .await?;
        Ok(match place {
            Some(place) => Beside {
                attributes: place_attributes(place),
                missing: None,
            },
            None => Beside {
                attributes: Fields::new(),
                missing: Some(token_missing(store, name)),
            },
        })
    }

    async fn before_delete(&self, store: &Store, name: &Name) -> Result<(), StoreError> {
        let id = &key_id(store, name);
        store
            .backend
            .delete_token(TokenOwner::Key { name, id })
            .await
    }
}

/// What the key may do.
fn permissions() -> [Attribute; 3] {
    [
        Attribute::required("scopes", Type::set_of_strings())
            .check(Name::parse)
            .at_most(KEY_SCOPES_MAX)
            .describe("The names of the scopes that it holds, 1 to 100."),
        Attribute::optional("quotas", Type::set_of_strings())
            .check(Name::parse)
            .at_most(KEY_QUOTAS_MAX)
            .describe("The names of the quotas that it is counted by, 1 to 8. None where left out."),
        Attribute::optional("environment", Type::String)
            .check(Environment::parse)
            .default("live")
            .replaces()
            .describe(
                "The environment that the token shows (`tg_live_…`): 1 to 16 lower-case letters and digits.",
            ),
    ]
}

/// When and where the key may do it.
fn restrictions() -> [Attribute; 5] {
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
        Attribute::optional("metadata", Type::map_of_strings())
            .check(check_note)
            .at_most(METADATA_ENTRIES_MAX)
            .describe(
                "Notes for people, like an owner: at most 16, of at most 256 characters each. No secrets: every proxy \
                 reads them.",
            ),
    ]
}

/// What comes of it.
fn computed() -> [Attribute; 5] {
    let version = [
        Attribute::computed("version", Type::Number).describe("Counts up from 1."),
        Attribute::computed("created_at", Type::String).describe("When its token was made."),
        Attribute::computed("fingerprint", Type::String)
            .describe("The first 16 hexadecimal digits of the token's SHA-256."),
    ];
    [
        Attribute::computed("id", Type::String)
            .describe("The public id: 12 letters and digits that logs show and the token contains."),
        Attribute::computed("secret_id", Type::String).describe(
            "Where the client reads its token: the secret's name in Secrets Manager, or the file's path.",
        ),
        Attribute::computed("secret_arn", Type::String).describe(
            "The ARN of that secret, for the client's IAM policy. Null where the store is a directory.",
        ),
        Attribute::computed("fingerprint", Type::String).describe(
            "The first 16 hexadecimal digits of the newest token's SHA-256: enough to tell tokens apart.",
        ),
        Attribute::computed("versions", Shape::list(version))
            .describe("The tokens that are good, the newest last."),
    ]
}

fn check_note(text: &str) -> Result<(), String> {
    let characters = text.chars().count();
    if characters <= METADATA_CHARS_MAX {
        return Ok(());
    }
    Err(format!(
        "a note has at most {METADATA_CHARS_MAX} characters, this one {characters}"
    ))
}

fn document_key(name: &Name) -> DocumentKey {
    DocumentKey {
        kind: Kind::Key,
        name: name.clone(),
    }
}

fn key_id(store: &Store, name: &Name) -> KeyId {
    KeyId::derive(&store.namespace, name)
}

fn environment(spec: &Fields) -> Environment {
    let text = spec.get("environment").and_then(Json::as_str);
    text.and_then(|text| Environment::parse(text).ok())
        .unwrap_or_default()
}

fn version(sha256: Verifier) -> KeyVersion {
    KeyVersion {
        version: 1,
        sha256,
        created_at: clock::now().into(),
        expires_at: None,
        imported: false,
        pending: false,
    }
}

fn insert_token(spec: &mut Fields, id: &str, version: &KeyVersion) {
    spec.insert("id".to_owned(), id.into());
    spec.insert("versions".to_owned(), json!([version]));
}

fn show_version(version: &KeyVersion) -> Json {
    let KeyVersion {
        version,
        sha256,
        created_at,
        expires_at: _,
        imported: _,
        pending: _,
    } = version;
    json!({"version": version, "created_at": created_at, "fingerprint": sha256.fingerprint()})
}

fn place_attributes(place: TokenPlace) -> Fields {
    let TokenPlace {
        secret_id,
        secret_arn,
    } = place;
    let attributes = [
        ("secret_id".to_owned(), secret_id.into()),
        ("secret_arn".to_owned(), secret_arn.into()),
    ];
    attributes.into_iter().collect()
}

fn token_missing(store: &Store, name: &Name) -> Diagnostic {
    Diagnostic::warning(
        format!("The token of key {:?} is missing", name.as_str()),
        format!(
            "{} holds the key but not its token: a client that still has the token can use it, and nobody can read it \
             again. To make a new one, replace the key: `terraform apply -replace=ADDRESS`, where ADDRESS is this \
             resource's.",
            store.backend.place()
        ),
    )
}
