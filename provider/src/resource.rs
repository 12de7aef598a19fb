//! What a resource is: a document of the store, under attributes that have the names of the document's fields.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value as Json;
use tollgate_store::backend::StoreError;
use tollgate_store::document::{Document, DocumentKey, Kind, Reference, Revision};
use tollgate_store::token::Verifier;
use tollgate_store::{Name, Problem};

use crate::call::Call;
use crate::diagnostic::{Diagnostic, Path};
use crate::schema::{Presence, Schema, locate};
use crate::store::Store;
use crate::value::{Type, Value, from_json, to_json};

/// Attributes or a document's fields, by name.
pub(crate) type Fields = serde_json::Map<String, Json>;

/// One kind of resource. What they have in common is written once, in [`ResourceType`]; a kind says what its
/// attributes are, and adds what only it needs.
#[async_trait]
pub(crate) trait Resource: fmt::Debug + Send + Sync {
    /// The kind of its documents.
    fn kind(&self) -> Kind;

    /// Its attributes: `name`, and every field of the document's `spec` that its author gives.
    fn schema(&self) -> Schema;

    /// Checks what no state holds: the configuration, all of which is known.
    fn check_config(&self, _config: &Value) -> Result<(), Problem> {
        Ok(())
    }

    /// Checks what an author gave, as far as the document's own parser does not: `state`, and as a document's `spec`.
    fn check(&self, _key: &DocumentKey, _state: &Value, _spec: &Fields) -> Result<(), Problem> {
        Ok(())
    }

    /// What the object that an author gave names: `document`, as it would become, and what stands beside it.
    fn references(&self, _spec: &Fields, document: &Document) -> Vec<Reference> {
        document.references()
    }

    /// Whether `found`, what an author must have given for an object that stands, may be what an interrupted create
    /// of `given` left.
    fn may_be_left_of(&self, given: &Fields, found: &Fields) -> bool {
        given == found
    }

    /// Turns what an author gave into a `spec` that the document's parser can check: what the provider adds is made up.
    fn make_up(&self, _spec: &mut Fields) {}

    /// Marks in `planned`, an update of `prior`, the computed values that it will change. `due` tells that the next
    /// apply has something to do by itself.
    fn foresee(&self, _prior: &Value, _planned: &mut Value, _due: bool) {}

    /// Makes the object: the document, and what stands beside it.
    async fn create(&self, call: &Call<'_>, spec: Fields) -> Result<Made, Failed> {
        call.write(spec, &call.expected()).await
    }

    /// Changes the object.
    async fn update(
        &self,
        call: &Call<'_>,
        _standing: Document,
        spec: Fields,
    ) -> Result<Made, Failed> {
        call.write(spec, &call.expected()).await
    }

    /// Removes what stands beside the document, before the document itself.
    async fn before_delete(&self, _store: &Store, _name: &Name) -> Result<(), Failed> {
        Ok(())
    }

    /// The attributes that stand in the document.
    fn attributes(&self, document: &Document) -> Fields {
        spec_of(document)
    }

    /// What belongs to the document and stands beside it in the store; `None` is a document that is gone, of which
    /// something may have been left.
    async fn beside(
        &self,
        _store: &Store,
        _name: &Name,
        _document: Option<&Document>,
    ) -> Result<Beside, Failed> {
        Ok(Beside::default())
    }

    /// Takes from `prior` what no document tells into `fresh`, the state that was read.
    fn remember(&self, _prior: &Value, _fresh: &mut Value) {}

    /// Hides in `fresh` the tokens that open something though `prior`, what this state knew before, does not know them;
    /// and names them. The next apply takes them away.
    fn distrust(&self, _document: &Document, _prior: &Value, _fresh: &mut Value) -> Vec<String> {
        Vec::new()
    }

    /// The tokens made elsewhere that an author gives the object, by where they stand: `state` with what is written
    /// only in `config`.
    fn given_tokens(&self, _state: &Value, _config: &Value) -> Vec<(Path, Verifier)> {
        Vec::new()
    }

    /// Why the next apply has something to do that no change of the configuration asks for; `None` where it has not.
    fn due(&self, _document: &Document, _now: jiff::Timestamp) -> Option<String> {
        None
    }
}

/// What a create or an update made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The document.
    pub(crate) document: Document,
    /// The write that made it.
    pub(crate) revision: Revision,
    /// Attributes that it does not hold.
    pub(crate) beside: Fields,
}

/// Why a part of a call could not be done.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The store says so.
    Store(StoreError),
    /// What the user is to be told.
    Told(Box<Diagnostic>),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Diagnostic> for Failed {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Told(Box::new(diagnostic))
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

    /// What an object of this name is found by.
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
            .filter(|attribute| attribute.presence != Presence::Computed && !attribute.local)
            .map(|attribute| attribute.name)
            .filter(|name| *name != "name");
        given
            .filter_map(|name| Some((name.to_owned(), to_json(state.attribute(name))?)))
            .collect()
    }

    /// Checks what an author gave, as the document that it would become, which is returned.
    pub(crate) fn check_declared(
        &self,
        key: &DocumentKey,
        state: &Value,
    ) -> Result<Document, Diagnostic> {
        let mut spec = self.declared(state);
        let checked = self.resource.check(key, state, &spec);
        checked.map_err(|problem| self.diagnose(key, &problem))?;
        self.resource.make_up(&mut spec);
        self.document(key, spec)
    }

    /// The document of this `spec`, if the parser that the proxies use accepts it.
    pub(crate) fn document(&self, key: &DocumentKey, spec: Fields) -> Result<Document, Diagnostic> {
        Document::parse(key, Json::Object(spec)).map_err(|problem| self.diagnose(key, &problem))
    }

    /// A document's problem at the attribute that it is about.
    pub(crate) fn diagnose(&self, key: &DocumentKey, problem: &Problem) -> Diagnostic {
        let path = locate(&self.schema.attributes, &problem.path);
        if path == Path::default() {
            return Diagnostic::error(format!("Invalid {}", key.kind), problem.to_string());
        }
        Diagnostic::invalid(path, &problem.message)
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
