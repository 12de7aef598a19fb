//! `tollgate_key`: a key's token, for this run only.

use async_trait::async_trait;
use serde::Deserialize;
use tollgate_store::backend::TokenOwner;
use tollgate_store::document::{DocumentKey, Kind};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, Secret};

use crate::data::no_such_key;
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
        let Question { name } = question(config)?;
        let id = KeyId::derive(&store.namespace, &name);
        let kind = Kind::Key;
        let key = DocumentKey { kind, name };
        let failed = |error| failure(&key, "opened", &error);
        let entry = store.backend.read(&key).await.map_err(failed)?;
        if entry.is_none() {
            return Err(no_such_key(store, &key.name, None));
        }
        let owner = TokenOwner::Key {
            name: &key.name,
            id: &id,
        };
        match store.backend.read_token(owner).await.map_err(failed)? {
            Some(kept) => Ok(opened(id, &kept.token).into()),
            None => Err(no_token(store, &key)),
        }
    }
}

fn opened(id: KeyId, token: &Secret) -> Fields {
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    Fields::from_iter([
        ("token".to_owned(), token.expose().into()),
        ("id".to_owned(), id.as_str().into()),
        ("fingerprint".to_owned(), fingerprint.into()),
    ])
}

fn no_token(store: &Store, key: &DocumentKey) -> Diagnostic {
    let place = store.backend.place();
    Diagnostic::error(
        format!("The token of {key} is missing"),
        format!(
            "{place} holds {key} but not its token: it was removed there, and nobody can read it again. To make a new \
             one, replace the key where it is declared: `terraform apply -replace=ADDRESS`, where ADDRESS is that \
             tollgate_key's."
        ),
    )
    .at(Path::attribute("name"))
}
