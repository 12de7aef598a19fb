//! `tollgate_key`. The token that the client sends is made here, goes to its one place in the store, and is in no
//! state, plan, log or message; the document holds its hash only.

mod attributes;
mod rotation;
mod token;
mod trust;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tollgate_store::backend::{TokenOwner, TokenPlace};
use tollgate_store::document::{Document, DocumentKey, Key as Declared, KeyVersion, Kind, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, Problem};

use crate::call::Call;
use crate::clock;
use crate::diagnostic::{Diagnostic, Path};
use crate::resource::{Beside, Failed, Fields, Made, Resource, spec_of};
use crate::schema::Schema;
use crate::store::Store;
use crate::value::Value;

pub(super) use attributes::{environment_attribute, restrictions};
pub(super) use token::Source;

/// A client's key.
#[derive(Debug)]
pub(super) struct Key;

#[async_trait]
impl Resource for Key {
    fn kind(&self) -> Kind {
        Kind::Key
    }

    fn schema(&self) -> Schema {
        attributes::schema()
    }

    fn check_config(&self, config: &Value) -> Result<(), Problem> {
        attributes::check_config(config)
    }

    fn check(&self, _: &DocumentKey, state: &Value, spec: &Fields) -> Result<(), Problem> {
        attributes::check(state, spec)
    }

    fn make_up(&self, spec: &mut Fields) {
        let version = first_version(Verifier::of(""), false);
        insert_versions(spec, "000000000000", &[version]);
    }

    fn foresee(&self, prior: &Value, planned: &mut Value, due: bool) {
        attributes::foresee(prior, planned, due);
    }

    async fn create(&self, call: &Call<'_>, mut spec: Fields) -> Result<Made, Failed> {
        let id = key_id(call.store, &call.key.name);
        let source = Source::of_create(call, &spec)?;
        let (verifier, place) = match &source {
            Source::Hash(verifier) => (*verifier, None),
            Source::Token(_) | Source::Generate => {
                call.may_leave_something();
                let (token, place) = token::keep(call, id, &source, &spec).await?;
                (Verifier::of(token.expose()), Some(place))
            }
        };
        let version = first_version(verifier, source.is_imported());
        insert_versions(&mut spec, id.as_str(), &[version]);
        let made = call.write(spec, &call.expected()).await?;
        Ok(Made {
            beside: place.map(place_attributes).unwrap_or_default(),
            ..made
        })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        standing: Document,
        spec: Fields,
    ) -> Result<Made, Failed> {
        let Spec::Key(standing) = standing.spec() else {
            return call.write(spec, &call.expected()).await;
        };
        let made = rotation::update(call, standing, spec).await?;
        let beside = self.beside(call.store, &call.key.name, Some(&made.document));
        Ok(Made {
            beside: beside.await?.attributes,
            ..made
        })
    }

    async fn before_delete(&self, store: &Store, name: &Name) -> Result<(), Failed> {
        let id = &key_id(store, name);
        let owner = TokenOwner::Key { name, id };
        Ok(store.backend.delete_token(owner).await?)
    }

    fn attributes(&self, document: &Document) -> Fields {
        let mut attributes = spec_of(document);
        if let Spec::Key(key) = document.spec() {
            let versions = key.versions.iter().map(show_version).collect();
            attributes.insert("versions".to_owned(), Json::Array(versions));
            if let Some(newest) = key.versions.last() {
                let fingerprint = newest.sha256.fingerprint();
                attributes.insert("fingerprint".to_owned(), fingerprint.into());
                let imported = newest.imported.then(|| String::from(newest.sha256));
                attributes.insert("token_sha256".to_owned(), imported.into());
            }
        }
        attributes
    }

    async fn beside(
        &self,
        store: &Store,
        name: &Name,
        document: Option<&Document>,
    ) -> Result<Beside, Failed> {
        let id = &key_id(store, name);
        let owner = TokenOwner::Key { name, id };
        let place = store.backend.token_place(owner).await?;
        let other_id = document.and_then(|document| other_id(document, *id));
        let missing = match (other_id, document) {
            (Some(found), _) => Some(id_changed(store, name, found)),
            (None, Some(document)) if place.is_none() && !is_brought_along(document) => {
                Some(token_missing(store, name))
            }
            _ => None,
        };
        let mut attributes = place.map(place_attributes).unwrap_or_default();
        if other_id.is_some() {
            attributes.insert("id".to_owned(), id.as_str().into());
        }
        Ok(Beside {
            attributes,
            missing,
        })
    }

    fn remember(&self, prior: &Value, fresh: &mut Value) {
        attributes::remember(prior, fresh);
    }

    fn distrust(&self, document: &Document, prior: &Value, fresh: &mut Value) -> Vec<String> {
        match document.spec() {
            Spec::Key(key) => trust::distrust(key, prior, fresh),
            _ => Vec::new(),
        }
    }

    fn given_tokens(&self, state: &Value, config: &Value) -> Vec<(Path, Verifier)> {
        attributes::given_tokens(state, config)
    }

    fn due(&self, document: &Document, now: jiff::Timestamp) -> Option<String> {
        match document.spec() {
            Spec::Key(key) => rotation::due(key, now),
            _ => None,
        }
    }
}

fn key_id(store: &Store, name: &Name) -> KeyId {
    KeyId::derive(&store.namespace, name)
}

fn first_version(sha256: Verifier, imported: bool) -> KeyVersion {
    KeyVersion {
        version: 1,
        sha256,
        created_at: clock::now().into(),
        expires_at: None,
        imported,
        pending: false,
    }
}

/// Replaces what says where a token comes from by what comes of it.
fn insert_versions(spec: &mut Fields, id: &str, versions: &[KeyVersion]) {
    spec.remove("token_sha256");
    spec.insert("id".to_owned(), id.into());
    spec.insert("versions".to_owned(), json!(versions));
}

fn show_version(version: &KeyVersion) -> Json {
    let KeyVersion {
        version,
        sha256,
        created_at,
        expires_at,
        imported: _,
        pending: _,
    } = version;
    json!({
        "version": version,
        "created_at": created_at,
        "expires_at": expires_at,
        "fingerprint": sha256.fingerprint(),
    })
}

/// Where a token is, as attributes.
pub(crate) fn place_attributes(place: TokenPlace) -> Fields {
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

/// Whether only the client need have the token: it was told by its hash.
fn is_brought_along(document: &Document) -> bool {
    let newest = |key: &Declared| key.versions.last().is_some_and(|version| version.imported);
    matches!(document.spec(), Spec::Key(key) if newest(key))
}

/// The id that a key has, where it is not the one that derives from its name.
fn other_id(document: &Document, id: KeyId) -> Option<KeyId> {
    match document.spec() {
        Spec::Key(key) => (key.id != id).then_some(key.id),
        _ => None,
    }
}

fn id_changed(store: &Store, name: &Name, found: KeyId) -> Diagnostic {
    Diagnostic::warning(
        format!("Key {:?} has another id", name.as_str()),
        format!(
            "{} holds it under the id {found}, which is not the one that derives from its name: somebody changed it by \
             hand, and no token of Tollgate's own opens it. The next apply puts it right.",
            store.backend.place()
        ),
    )
}

fn token_missing(store: &Store, name: &Name) -> Diagnostic {
    Diagnostic::warning(
        format!("The token of key {:?} is missing", name.as_str()),
        format!(
            "{} holds the key but not its token: a client that still has the token can use it, and nobody can read it \
             again. The next apply makes another one; the old one then ends, at once or after `rotation.overlap`. To keep \
             it, put it back first: Secrets Manager restores a secret that was deleted within its recovery window.",
            store.backend.place()
        ),
    )
}
