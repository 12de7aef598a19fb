//! `tollgate_key`: a key's token, for this run only.

use async_trait::async_trait;
use serde::Deserialize;
use tollgate_store::backend::TokenOwner;
use tollgate_store::document::{Document, DocumentKey, Kind, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, Secret};

use crate::data::{called, inventory, no_such_key};
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::{broken, failure};
use crate::resource::Fields;
use crate::resources::key_set;
use crate::schema::{Attribute, Schema};
use crate::source::{Answer, Source, question};
use crate::store::Store;
use crate::value::Type;

/// What to do where Terraform asks too early. It opens whatever has a known configuration, also before it makes what is
/// named in `depends_on`.
const MADE_BY_THE_SAME_APPLY: &str = "where a resource of this configuration makes it, give fingerprint that resource's \
                                      own, so that Terraform makes it first";

const FINGERPRINT_DIGITS: usize = 16;

/// A key's token.
#[derive(Debug)]
pub(super) struct Key;

#[derive(Deserialize)]
struct Question {
    name: Name,
    key_set: Option<Name>,
    fingerprint: Option<String>,
}

#[async_trait]
impl Source for Key {
    fn name(&self) -> &'static str {
        "key"
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "The newest token of a key, to hand it on within one run of Terraform, like to a write-only \
                          attribute of another provider. No plan and no state holds it.",
            attributes: vec![
                Attribute::required("name", Type::String)
                    .check(Name::parse)
                    .describe("The key's name."),
                Attribute::optional("key_set", Type::String)
                    .check(Name::parse)
                    .describe(
                        "The key set that it belongs to. None where left out: a `tollgate_key`.",
                    ),
                Attribute::computed("token", Type::String)
                    .sensitive()
                    .describe("The token that the client sends."),
                Attribute::computed("id", Type::String).describe("The key's public id."),
                Attribute::filled("fingerprint", Type::String)
                    .check(check_fingerprint)
                    .describe(
                        "The first 16 hexadecimal digits of the token's SHA-256. Where the same apply makes or rotates \
                         the key, give it the resource's `fingerprint`: then Terraform waits for it, and any other \
                         token is an error.",
                    ),
            ],
        }
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let Question {
            name,
            key_set,
            fingerprint,
        } = question(config)?;
        let (document, token) = match &key_set {
            None => own(store, &name).await?,
            Some(set) => of_set(store, set, &name).await?,
        };
        let key = called(&name, key_set.as_ref());
        let Spec::Key(declared) = document.spec() else {
            return Err(no_token(store, &key, key_set.is_some()));
        };
        let token = token.ok_or_else(|| no_token(store, &key, key_set.is_some()))?;
        let verifier = Verifier::of(token.expose());
        let mut versions = declared.versions.iter();
        if !versions.any(|version| version.sha256.matches(&verifier)) {
            return Err(not_its_token(store, &key));
        }
        let found = verifier.fingerprint();
        if fingerprint.is_some_and(|expected| expected != found) {
            return Err(another_token(store, &key, &found));
        }
        Ok(Fields::from_iter([
            ("token".to_owned(), token.expose().into()),
            ("id".to_owned(), declared.id.as_str().into()),
            ("fingerprint".to_owned(), found.into()),
        ])
        .into())
    }
}

fn check_fingerprint(text: &str) -> Result<(), String> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == FINGERPRINT_DIGITS && text.bytes().all(is_digit) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no fingerprint: it must be 16 lower-case hexadecimal digits, as the resource's `fingerprint` is"
    ))
}

/// A key that stands by itself, and its token as far as it is there.
async fn own(store: &Store, name: &Name) -> Result<(Document, Option<Secret>), Diagnostic> {
    let id = &KeyId::derive(&store.namespace, name);
    let key = DocumentKey {
        kind: Kind::Key,
        name: name.clone(),
    };
    let failed = |error| failure(&key, "opened", &error);
    let Some(entry) = store.backend.read(&key).await.map_err(failed)? else {
        return Err(no_such_key(store, name, None, MADE_BY_THE_SAME_APPLY));
    };
    let document = entry
        .document
        .map_err(|problem| broken(store, &key, &problem))?;
    let kept = store.backend.read_token(TokenOwner::Key { name, id }).await;
    Ok((document, kept.map_err(failed)?.map(|kept| kept.token)))
}

/// The same of a key set's key.
async fn of_set(
    store: &Store,
    set: &Name,
    name: &Name,
) -> Result<(Document, Option<Secret>), Diagnostic> {
    let entries = inventory::entries(store).await?;
    let header = inventory::key_set(&entries, set);
    let found = header.zip(inventory::find(&entries, set, name));
    let (header, document) =
        found.ok_or_else(|| no_such_key(store, name, Some(set), MADE_BY_THE_SAME_APPLY))?;
    let key = DocumentKey {
        kind: Kind::KeySet,
        name: set.clone(),
    };
    let token = key_set::token(store, (set, header), name).await;
    let token = token.map_err(|failed| failed.told(&key, "opened"))?;
    Ok((document, token))
}

fn no_token(store: &Store, key: &str, is_of_set: bool) -> Diagnostic {
    let place = store.backend.place();
    let remedy = if is_of_set {
        "raise its token_version in the tollgate_key_set"
    } else {
        "replace the tollgate_key that declares it"
    };
    Diagnostic::error(
        format!("The token of {key} is missing"),
        format!(
            "{place} holds {key} but not its token: it was removed there, or was made elsewhere and never came here. \
             Nobody can read it again. To make a new one, {remedy}."
        ),
    )
    .at(Path::attribute("name"))
}

fn not_its_token(store: &Store, key: &str) -> Diagnostic {
    let place = store.backend.place();
    Diagnostic::error(
        format!("The token of {key} opens nothing"),
        format!(
            "The token that {place} holds for {key} is none that the key has: an apply changes it at this moment, or \
             ended half-way. Try again, after that key was applied."
        ),
    )
    .at(Path::attribute("name"))
}

fn another_token(store: &Store, key: &str, found: &str) -> Diagnostic {
    let place = store.backend.place();
    let message = format!(
        "The token that {place} holds for {key} has the fingerprint {found}: it was made anew meanwhile. Plan again; the \
         resource's own fingerprint is then the same"
    );
    Diagnostic::invalid(Path::attribute("fingerprint"), &message)
}
