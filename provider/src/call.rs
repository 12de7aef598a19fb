//! One change on its way, and what Terraform is to be told of it at every moment.

use std::sync::Mutex;

use tollgate_store::backend::Expected;
use tollgate_store::document::{DocumentKey, Owner, Revision};

use crate::diagnostic::Diagnostic;
use crate::lock;
use crate::private::Private;
use crate::resource::{Failed, Fields, Made, ResourceType};
use crate::schema::Schema;
use crate::store::Store;
use crate::value::Value;

/// Attributes that say nothing of the object.
const HOW_CHANGES_ARE_MADE: [&str; 2] = ["force_destroy", "timeouts"];

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
    pub(crate) fn gone() -> Self {
        Self {
            state: Value::Null,
            private: Private::default(),
            diagnostics: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) -> Self {
        self.diagnostics.extend(diagnostics);
        self
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
        let (state, private) = lock(&self.0).clone();
        Outcome {
            state,
            private,
            diagnostics: vec![diagnostic],
        }
    }

    pub(crate) fn set(&self, state: Value, private: Private) {
        *lock(&self.0) = (state, private);
    }
}

/// A change as Terraform asks for it: a null `prior` is a create, a null `planned` a delete.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) prior: Value,
    pub(crate) planned: Value,
    /// What the author wrote, with what is written only.
    pub(crate) config: Value,
    pub(crate) private: Private,
}

impl Change {
    /// Whether an update only changes how later changes are made, which the state alone holds.
    pub(crate) fn leaves_the_store_alone(&self, schema: &Schema) -> bool {
        let (Value::Object(prior), Value::Object(planned)) = (&self.prior, &self.planned) else {
            return false;
        };
        let is_local = |name: &str| {
            let mut local = schema.attributes.iter().filter(|one| one.local);
            local.any(|one| one.name == name)
        };
        let is_how = |name: &str| HOW_CHANGES_ARE_MADE.contains(&name) && is_local(name);
        let is_same =
            |(name, value): (&String, &Value)| prior.get(name) == Some(value) || is_how(name);
        !self.private.due && planned.iter().all(is_same)
    }

    /// What is to be told where nothing was done.
    pub(crate) fn fallback(&self) -> Fallback {
        Fallback::new(self.prior.clone(), self.private.clone())
    }
}

/// A create or an update on its way.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: &'a ResourceType,
    pub(crate) store: &'a Store,
    pub(crate) key: &'a DocumentKey,
    pub(crate) change: &'a Change,
    /// The revision that stands and is to be written over.
    pub(crate) standing: Option<Revision>,
    pub(crate) owner: Option<Owner>,
    pub(crate) fallback: &'a Fallback,
}

impl Call<'_> {
    /// What the first write must find.
    pub(crate) fn expected(&self) -> Expected {
        match &self.standing {
            Some(revision) => Expected::Revision(revision.clone()),
            None => Expected::Absent,
        }
    }

    /// Writes the document. From then on, Terraform is told of it whatever happens.
    pub(crate) async fn write(&self, spec: Fields, expected: &Expected) -> Result<Made, Failed> {
        let document = self.kind.document(self.key, spec)?;
        let document = document.owned(self.owner.clone());
        let is_update = !self.change.prior.is_null() && !self.change.private.is_unsettled();
        let told = if is_update {
            self.change.prior.clone()
        } else {
            let state = self.kind.state(&document, &Fields::new())?;
            complete(&self.change.planned, &state)
        };
        if !is_update {
            let private = Private::unsettled(self.owner.as_ref());
            self.fallback.set(told.clone(), private);
        }
        let revision = self.store.backend.write(&document, expected).await?;
        let private = Private::settled(&document, revision.clone());
        self.fallback.set(told, private);
        Ok(Made {
            document,
            revision,
            beside: Fields::new(),
        })
    }

    /// Tells Terraform that something may be left in the store from here on, though there is no document yet.
    pub(crate) fn may_leave_something(&self) {
        if self.change.prior.is_null() {
            let state = complete(&self.change.planned, &Value::Null);
            let private = Private::unsettled(self.owner.as_ref());
            self.fallback.set(state, private);
        }
    }
}

/// What was planned, and where that was unknown, what came of it.
pub(crate) fn complete(planned: &Value, found: &Value) -> Value {
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
