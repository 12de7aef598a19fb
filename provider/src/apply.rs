//! Create, update and delete, written once for every kind.
//!
//! Whatever happens, Terraform is told what is known of the object: one that it is not told of would be an orphan.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tollgate_store::backend::{Expected, StoreError};
use tollgate_store::document::{Document, DocumentKey, Revision};

use crate::diagnostic::Diagnostic;
use crate::failure::{already_exists, failure, not_own};
use crate::private::Private;
use crate::resource::{Fields, ResourceType, Store};
use crate::schema::Presence;
use crate::value::Value;

/// What a call leaves behind.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The state; null where there is no object.
    pub(crate) state: Value,
    /// What is known of the document.
    pub(crate) private: Private,
    /// What the user should know.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    pub(crate) fn settled(state: Value, revision: Revision) -> Self {
        let private = Private::Revision(revision);
        Self {
            state,
            private,
            diagnostics: Vec::new(),
        }
    }

    pub(crate) fn gone() -> Self {
        Self {
            state: Value::Null,
            private: Private::Unsettled,
            diagnostics: Vec::new(),
        }
    }
}

/// What Terraform is to be told if a call fails, panics or is stopped now. It is brought up to date before every step
/// that leaves something in the store.
#[derive(Debug)]
pub(crate) struct Fallback(Mutex<(Value, Private)>);

impl Fallback {
    pub(crate) fn new(state: Value, private: Private) -> Self {
        Self(Mutex::new((state, private)))
    }

    /// The outcome of a call that went no further.
    pub(crate) fn outcome(&self, diagnostic: Diagnostic) -> Outcome {
        let (state, private) = self.lock().clone();
        Outcome {
            state,
            private,
            diagnostics: vec![diagnostic],
        }
    }

    fn set(&self, state: Value, private: Private) {
        *self.lock() = (state, private);
    }

    fn lock(&self) -> MutexGuard<'_, (Value, Private)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change as Terraform asks for it: a null `prior` is a create, a null `planned` a delete.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) prior: Value,
    pub(crate) planned: Value,
    pub(crate) private: Private,
}

impl Change {
    /// What is to be told where nothing was done.
    pub(crate) fn fallback(&self) -> Fallback {
        Fallback::new(self.prior.clone(), self.private.clone())
    }
}

impl ResourceType {
    /// Carries a change out.
    pub(crate) async fn apply(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Outcome {
        let Change {
            prior,
            planned,
            private,
        } = change;
        let outcome = match (prior, planned, private) {
            (_, Value::Null, _) => self.delete(store, change, fallback).await,
            (Value::Null, _, _) | (_, _, Private::Unsettled) => {
                self.create(store, planned, fallback).await
            }
            (_, _, Private::Revision(revision)) => self.update(store, planned, revision).await,
        };
        let name = if planned.is_null() { prior } else { planned }.attribute("name");
        let (kind, name) = (self.resource.kind(), name.as_str());
        tracing::info!(%kind, name, done = outcome.is_ok(), "a change was applied");
        outcome.unwrap_or_else(|diagnostic| fallback.outcome(diagnostic))
    }

    async fn create(
        &self,
        store: &Store,
        planned: &Value,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(planned)?;
        let mut spec = self.declared(planned);
        self.check_declared(&key, spec.clone())?;
        let _reservation = store.reserve(&key)?;
        let kept = self.resource.before_create(store, &key.name, &mut spec)?;
        let document = self.document(&key, spec)?;
        let state = complete(planned, &self.state(&document, &Fields::new())?);
        fallback.set(state.clone(), Private::Unsettled);
        let revision = match store.backend.write(&document, &Expected::Absent).await {
            Ok(revision) => revision,
            Err(StoreError::AlreadyExists { .. }) => {
                // Somebody else's: Terraform must not come to believe that it is ours to replace.
                fallback.set(Value::Null, Private::Unsettled);
                return Err(already_exists(store, &key));
            }
            Err(error) => return Err(failure(&key, "created", &error)),
        };
        fallback.set(state, Private::Revision(revision.clone()));
        let beside = self.resource.after_create(store, &key.name, kept).await;
        let beside = beside.map_err(|error| failure(&key, "created completely", &error))?;
        let state = complete(planned, &self.state(&document, &beside)?);
        Ok(Outcome::settled(state, revision))
    }

    async fn update(
        &self,
        store: &Store,
        planned: &Value,
        revision: &Revision,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(planned)?;
        let mut spec = self.declared(planned);
        self.resource
            .before_update(store, (&key.name, revision), &mut spec)
            .await?;
        let document = self.document(&key, spec)?;
        let state = complete(planned, &self.state(&document, &Fields::new())?);
        let expected = Expected::Revision(revision.clone());
        match store.backend.write(&document, &expected).await {
            Ok(revision) => Ok(Outcome::settled(state, revision)),
            Err(error) => Err(failure(&key, "changed", &error)),
        }
    }

    async fn delete(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(&change.prior)?;
        let revision = self.standing_revision(store, &key, change).await?;
        fallback.set(change.prior.clone(), Private::Unsettled);
        // Before the document, which keeps its name taken: what is beside it can't be a successor's.
        let removed = self.resource.before_delete(store, &key.name).await;
        removed.map_err(|error| failure(&key, "removed", &error))?;
        if let Some(revision) = revision
            && let Err(error) = store.backend.delete(&key, &revision).await
        {
            if matches!(error, StoreError::Conflict { .. }) {
                fallback.set(change.prior.clone(), change.private.clone());
            }
            return Err(failure(&key, "removed", &error));
        }
        Ok(Outcome::gone())
    }

    /// The revision of the document that is to be removed; `None` where it is gone. An error where another one stands,
    /// before anything is removed.
    async fn standing_revision(
        &self,
        store: &Store,
        key: &DocumentKey,
        change: &Change,
    ) -> Result<Option<Revision>, Diagnostic> {
        let Private::Revision(told) = &change.private else {
            return self.own_revision(store, key, &change.prior).await;
        };
        let entry = store.backend.read(key).await;
        let entry = entry.map_err(|error| failure(key, "removed", &error))?;
        match entry.and_then(|entry| entry.revision) {
            Some(found) if found != *told => {
                let (key, place) = (key.clone(), store.backend.place());
                let conflict = StoreError::Conflict {
                    key: key.clone(),
                    place,
                };
                Err(failure(&key, "removed", &conflict))
            }
            _ => Ok(Some(told.clone())),
        }
    }

    /// The revision of the document that an unsettled `state` is about, if there is one; an error if there is another.
    async fn own_revision(
        &self,
        store: &Store,
        key: &DocumentKey,
        state: &Value,
    ) -> Result<Option<Revision>, Diagnostic> {
        let entry = store.backend.read(key).await;
        let Some(entry) = entry.map_err(|error| failure(key, "read", &error))? else {
            return Ok(None);
        };
        match (entry.document, entry.revision) {
            (Ok(document), Some(revision)) if self.is_own(state, &document)? => Ok(Some(revision)),
            _ => Err(not_own(store, key)),
        }
    }

    /// Whether `document` is the one that `state`, of a call that ended half-way, tells of.
    pub(crate) fn is_own(&self, state: &Value, document: &Document) -> Result<bool, Diagnostic> {
        let found = self.state(document, &Fields::new())?;
        Ok(self.schema.attributes.iter().all(|attribute| {
            let told = state.attribute(attribute.name);
            let found = found.attribute(attribute.name);
            let is_open = told.is_null() || found.is_null();
            told == found || (attribute.presence == Presence::Computed && is_open)
        }))
    }

    /// Checks what an author gave, as the document that it would become.
    pub(crate) fn check_declared(
        &self,
        key: &DocumentKey,
        mut spec: Fields,
    ) -> Result<(), Diagnostic> {
        self.resource.make_up(&mut spec);
        self.document(key, spec).map(drop)
    }
}

/// What was planned, and where that was unknown, what came of it.
fn complete(planned: &Value, found: &Value) -> Value {
    let Value::Object(planned) = planned else {
        return found.clone();
    };
    let completed = planned.iter().map(|(name, planned)| {
        let value = if planned.is_wholly_known() {
            planned
        } else {
            found.attribute(name)
        };
        (name.clone(), value.clone())
    });
    Value::Object(completed.collect())
}
