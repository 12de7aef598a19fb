//! What a resource is: a document of the store, under attributes that have the names of the document's fields.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value as Json;
use tollgate_store::backend::{Backend, StoreError};
use tollgate_store::document::{Document, DocumentKey, Kind, Revision};
use tollgate_store::{Name, Namespace, Secret};

use crate::diagnostic::{Diagnostic, Path};
use crate::schema::{Presence, Schema, locate};
use crate::value::{Type, Value, from_json, to_json};

/// Attributes or a document's fields, by name.
pub(crate) type Fields = serde_json::Map<String, Json>;

/// One kind of resource. What the six have in common is written once, in [`ResourceType`]; a kind says what its
/// attributes are, and adds what only it needs.
#[async_trait]
pub(crate) trait Resource: fmt::Debug + Send + Sync {
    /// The kind of its documents.
    fn kind(&self) -> Kind;

    /// Its attributes: `name`, and every field of the document's `spec` that its author gives.
    fn schema(&self) -> Schema;

    /// Adds to `spec` what an author does not give, made up, so that a document's parser can check the rest.
    fn make_up(&self, _spec: &mut Fields) {}

    /// Adds to `spec` what an author does not give, before the document is first written. What it returns is kept for
    /// `after_create`.
    fn before_create(
        &self,
        _store: &Store,
        _name: &Name,
        _spec: &mut Fields,
    ) -> Result<Option<Secret>, Diagnostic> {
        Ok(None)
    }

    /// Writes what stands beside the document, which by now is there. Returns the attributes that it gives.
    async fn after_create(
        &self,
        _store: &Store,
        _name: &Name,
        _kept: Option<Secret>,
    ) -> Result<Fields, StoreError> {
        Ok(Fields::new())
    }

    /// Adds to `spec` what an author does not give, before the document of this revision is written over.
    async fn before_update(
        &self,
        _store: &Store,
        _place: (&Name, &Revision),
        _spec: &mut Fields,
    ) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// The attributes that stand in the document.
    fn attributes(&self, document: &Document) -> Fields {
        spec_of(document)
    }

    /// What belongs to the document and stands beside it in the store.
    async fn beside(&self, _store: &Store, _name: &Name) -> Result<Beside, StoreError> {
        Ok(Beside::default())
    }

    /// Removes what stands beside the document, before the document itself.
    async fn before_delete(&self, _store: &Store, _name: &Name) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What belongs to a document and stands beside it.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Attributes that it gives; none where there is nothing.
    pub(crate) attributes: Fields,
    /// What the user should know where it is missing.
    pub(crate) missing: Option<Diagnostic>,
}

/// The fields of a document's `spec`.
pub(crate) fn spec_of(document: &Document) -> Fields {
    match serde_json::to_value(document.spec()) {
        Ok(Json::Object(fields)) => fields,
        _ => Fields::new(),
    }
}

/// The open store, shared by all calls.
#[derive(Debug)]
pub(crate) struct Store {
    /// Where the documents are kept.
    pub(crate) backend: Arc<dyn Backend>,
    /// Which of its namespaces it is.
    pub(crate) namespace: Namespace,
    creating: Mutex<BTreeSet<DocumentKey>>,
}

impl Store {
    pub(crate) fn new(backend: Arc<dyn Backend>, namespace: Namespace) -> Self {
        Self {
            backend,
            namespace,
            creating: Mutex::default(),
        }
    }

    /// Reserves a document's place while it is created: two resources of one configuration may have the same name by
    /// mistake, and Terraform creates them at the same moment.
    pub(crate) fn reserve(&self, key: &DocumentKey) -> Result<Reservation<'_>, Diagnostic> {
        if self.creating().insert(key.clone()) {
            let key = key.clone();
            return Ok(Reservation { store: self, key });
        }
        Err(Diagnostic::error(
            format!("{key} is declared twice"),
            format!(
                "Another resource creates {key} at this moment. A {kind}'s name must be its own: give one of the two \
                 another name.",
                kind = key.kind
            ),
        )
        .at(Path::attribute("name")))
    }

    fn creating(&self) -> MutexGuard<'_, BTreeSet<DocumentKey>> {
        self.creating.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document's reserved place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    store: &'a Store,
    key: DocumentKey,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.store.creating().remove(&self.key);
    }
}

/// A resource as Terraform knows it, and what was derived from its schema once.
#[derive(Debug)]
pub(crate) struct ResourceType {
    pub(crate) resource: Box<dyn Resource>,
    pub(crate) schema: Schema,
    pub(crate) value_type: Type,
}

impl ResourceType {
    pub(crate) fn new(resource: Box<dyn Resource>) -> Self {
        let schema = resource.schema();
        Self {
            value_type: schema.value_type(),
            resource,
            schema,
        }
    }

    /// The name in HCL: `tollgate_scope`.
    pub(crate) fn type_name(&self) -> String {
        format!("tollgate_{}", self.resource.kind())
    }

    /// What the resource of this name is found by.
    pub(crate) fn key(&self, name: &str) -> Result<DocumentKey, Diagnostic> {
        let name = Name::parse(name)
            .map_err(|message| Diagnostic::invalid(Path::attribute("name"), &message))?;
        let kind = self.resource.kind();
        Ok(DocumentKey { kind, name })
    }

    /// What the resource with this state is found by.
    pub(crate) fn key_of(&self, state: &Value) -> Result<DocumentKey, Diagnostic> {
        self.key(state.attribute("name").as_str().unwrap_or_default())
    }

    /// The fields of the document's `spec` that the author of `state` gave.
    pub(crate) fn declared(&self, state: &Value) -> Fields {
        let given = self
            .schema
            .attributes
            .iter()
            .filter(|attribute| attribute.presence != Presence::Computed)
            .map(|attribute| attribute.name)
            .filter(|name| *name != "name");
        given
            .filter_map(|name| Some((name.to_owned(), to_json(state.attribute(name))?)))
            .collect()
    }

    /// The document of this `spec`, if the parser that the proxies use accepts it.
    pub(crate) fn document(&self, key: &DocumentKey, spec: Fields) -> Result<Document, Diagnostic> {
        Document::parse(key, Json::Object(spec)).map_err(|problem| {
            let path = locate(&self.schema.attributes, &problem.path);
            if path == Path::default() {
                return Diagnostic::error(format!("Invalid {}", key.kind), problem.to_string());
            }
            Diagnostic::invalid(path, &problem.message)
        })
    }

    /// The state for a document, with `beside`, the attributes that it does not hold.
    pub(crate) fn state(&self, document: &Document, beside: &Fields) -> Result<Value, Diagnostic> {
        let mut fields = self.resource.attributes(document);
        fields.insert("name".to_owned(), document.name().as_str().into());
        fields.extend(beside.clone());
        from_json(&Json::Object(fields), &self.value_type).map_err(|error| {
            let summary = format!("{} can't be shown as a state", document.key());
            Diagnostic::error(summary, error.to_string())
        })
    }
}
