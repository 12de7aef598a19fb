//! `tollgate_key`: a key's token, for this run only.

use async_trait::async_trait;
use serde::Deserialize;
use tollgate_store::backend::TokenOwner;
use tollgate_store::document::{DocumentKey, Kind};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, Secret};

use super::pages;
use crate::data::{inventory, no_such_key};
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::failure;
use crate::resource::{Fields, Store};
use crate::schema::{Attribute, Schema};
use crate::source::{Answer, Source, question};
use crate::value::Type;

/// A key's token.
#[derive(Debug)]
pub(super) struct Key;

#[derive(Deserialize)]
struct Question {
    name: Name,
    key_set: Option<Name>,
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
                Attribute::computed("fingerprint", Type::String)
                    .describe("The first 16 hexadecimal digits of the token's SHA-256."),
            ],
        }
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let Question { name, key_set } = question(config)?;
        let (id, token) = match &key_set {
            None => own(store, &name).await?,
            Some(set) => of_set(store, set, &name).await?,
        };
        let token = token.ok_or_else(|| no_token(store, &name, key_set.as_ref()))?;
        Ok(opened(id, &token).into())
    }
}

/// The id of a key that stands by itself, and its token as far as it is there.
async fn own(store: &Store, name: &Name) -> Result<(KeyId, Option<Secret>), Diagnostic> {
    let id = &KeyId::derive(&store.namespace, name);
    let key = DocumentKey {
        kind: Kind::Key,
        name: name.clone(),
    };
    let failed = |error| failure(&key, "opened", &error);
    let entry = store.backend.read(&key).await.map_err(failed)?;
    if entry.is_none() {
        return Err(no_such_key(store, name, None));
    }
    let kept = store.backend.read_token(TokenOwner::Key { name, id }).await;
    Ok((*id, kept.map_err(failed)?.map(|kept| kept.token)))
}

/// The same of a key set's key.
async fn of_set(
    store: &Store,
    set: &Name,
    name: &Name,
) -> Result<(KeyId, Option<Secret>), Diagnostic> {
    let entries = inventory::entries(store).await?;
    let header = inventory::key_set(&entries, set);
    let Some(header) = header.filter(|_| inventory::find(&entries, set, name).is_some()) else {
        return Err(no_such_key(store, name, Some(set)));
    };
    let token = pages::token(store, (set, header), name).await?;
    Ok((header.key_id(set, name), token))
}

fn opened(id: KeyId, token: &Secret) -> Fields {
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    Fields::from_iter([
        ("token".to_owned(), token.expose().into()),
        ("id".to_owned(), id.as_str().into()),
        ("fingerprint".to_owned(), fingerprint.into()),
    ])
}

fn no_token(store: &Store, name: &Name, set: Option<&Name>) -> Diagnostic {
    let place = store.backend.place();
    let (key, kind) = match set {
        None => (format!("key {:?}", name.as_str()), "tollgate_key"),
        Some(set) => (
            format!("key {:?} in key set {:?}", name.as_str(), set.as_str()),
            "tollgate_key_set",
        ),
    };
    Diagnostic::error(
        format!("The token of {key} is missing"),
        format!(
            "{place} holds {key} but not its token: it was removed there, and nobody can read it again. To make a new \
             one, replace the key where it is declared: `terraform apply -replace=ADDRESS`, where ADDRESS is that \
             {kind}'s."
        ),
    )
    .at(Path::attribute("name"))
}
