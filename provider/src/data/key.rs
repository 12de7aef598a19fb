//! `tollgate_key`: a key that is declared elsewhere.

use async_trait::async_trait;
use serde::Deserialize;
use tollgate_store::backend::{TokenOwner, TokenPlace};
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::{KeyId, Name};

use super::inventory;
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::{broken, failure};
use crate::resource::{Fields, ResourceType};
use crate::resources::{self, key_set};
use crate::schema::{Attribute, Schema};
use crate::source::{Answer, Source, question};
use crate::store::Store;
use crate::value::Type;

/// The name is asked with. A foreign token's whole hash would help whoever guesses, and nobody else.
const NOT_TOLD: [&str; 2] = ["name", "token_sha256"];
/// What to do where Terraform asks too early.
const MADE_BY_THE_SAME_APPLY: &str = "where a resource of this configuration makes it, name that one in depends_on, so \
                                      that Terraform makes it first";

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    resource: ResourceType,
}

#[derive(Deserialize)]
struct Question {
    name: Name,
    key_set: Option<Name>,
}

impl Key {
    pub(super) fn new() -> Self {
        Self {
            resource: resources::key(),
        }
    }
}

#[async_trait]
impl Source for Key {
    fn name(&self) -> &'static str {
        "key"
    }

    fn schema(&self) -> Schema {
        let mut attributes = vec![
            Attribute::required("name", Type::String)
                .check(Name::parse)
                .describe("The key's name."),
            Attribute::optional("key_set", Type::String)
                .check(Name::parse)
                .describe("The key set that it belongs to. None where left out: a `tollgate_key`."),
        ];
        attributes.extend(answered(&self.resource));
        Schema {
            description: "A key that is declared elsewhere: what it may do, and where its client reads the token. The \
                          token itself is no part of it.",
            attributes,
        }
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let Question { name, key_set } = question(config)?;
        match key_set {
            None => self.own(store, name).await,
            Some(set) => self.of_set(store, &set, &name).await,
        }
    }
}

impl Key {
    async fn own(&self, store: &Store, name: Name) -> Result<Answer, Diagnostic> {
        let kind = Kind::Key;
        let key = DocumentKey { kind, name };
        let entry = store.backend.read(&key).await;
        let entry = entry.map_err(|error| failure(&key, "read", &error))?;
        let Some(entry) = entry else {
            return Err(no_such_key(store, &key.name, None, MADE_BY_THE_SAME_APPLY));
        };
        let document = entry
            .document
            .map_err(|problem| broken(store, &key, &problem))?;
        let id = &KeyId::derive(&store.namespace, &key.name);
        let name = &key.name;
        let place = store
            .backend
            .token_place(TokenOwner::Key { name, id })
            .await;
        let place = place.map_err(|error| failure(&key, "read completely", &error))?;
        Ok(self.answered(&document, place))
    }

    async fn of_set(&self, store: &Store, set: &Name, name: &Name) -> Result<Answer, Diagnostic> {
        let entries = inventory::entries(store).await?;
        let header = inventory::key_set(&entries, set);
        let found = header.zip(inventory::find(&entries, set, name));
        let (header, document) =
            found.ok_or_else(|| no_such_key(store, name, Some(set), MADE_BY_THE_SAME_APPLY))?;
        let page = key_set::page_of(set, header, name);
        let place = store.backend.token_place(page).await;
        let place = place.map_err(|error| {
            let name = set.clone();
            let kind = Kind::KeySet;
            failure(&DocumentKey { kind, name }, "read completely", &error)
        })?;
        Ok(self.answered(&document, place))
    }

    fn answered(&self, document: &Document, place: Option<TokenPlace>) -> Answer {
        let mut attributes = self.resource.resource.attributes(document);
        attributes.extend(place.into_iter().flat_map(resources::place_attributes));
        attributes.into()
    }
}

/// The attributes of the resource, as answers.
pub(super) fn answered(resource: &ResourceType) -> impl Iterator<Item = Attribute> {
    let schema = resource.resource.schema().attributes.into_iter();
    schema
        .filter(|attribute| !NOT_TOLD.contains(&attribute.name))
        .filter_map(Attribute::answered)
}

/// There is no such key; `set` is the key set that it was sought in.
pub(crate) fn no_such_key(
    store: &Store,
    name: &Name,
    set: Option<&Name>,
    remedy: &str,
) -> Diagnostic {
    let place = store.backend.place();
    let key = called(name, set);
    Diagnostic::error(
        format!("There is no {key}"),
        format!("{place} holds no {key}. Check the name and the provider's namespace; {remedy}."),
    )
    .at(Path::attribute("name"))
}

/// How a key is called in messages: `key "acme-ci"`, or `key "acme-ci" in key set "partners"`.
pub(crate) fn called(name: &Name, set: Option<&Name>) -> String {
    let name = name.as_str();
    match set {
        None => format!("key {name:?}"),
        Some(set) => format!("key {name:?} in key set {:?}", set.as_str()),
    }
}
