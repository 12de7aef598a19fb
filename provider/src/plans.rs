//! What one run of Terraform plans, as far as its resources concern each other: no two may have one name.
//!
//! Terraform plans resource by resource, all within one process, and applies in another. What is told at the plan has
//! changed nothing yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use tollgate_store::document::DocumentKey;

use crate::diagnostic::Diagnostic;
use crate::failure::{declared_twice, exists_at_plan};
use crate::lock;
use crate::plan::Plan;
use crate::resource::ResourceType;
use crate::store::Store;
use crate::value::Value;

/// What was planned and not applied yet.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    planned: Mutex<BTreeMap<DocumentKey, Planned>>,
    /// What the state was seen to manage.
    managed: Mutex<BTreeSet<DocumentKey>>,
}

/// What a resource is planned to do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planned {
    /// To keep it, changed or not.
    Kept,
    /// To create it.
    New,
}

impl Plans {
    /// A change of the document is carried out: what was planned for it is over.
    pub(crate) fn forget(&self, key: &DocumentKey) {
        lock(&self.planned).remove(key);
    }

    /// A read found the document to be what its state says.
    pub(crate) fn note_managed(&self, key: &DocumentKey) {
        lock(&self.managed).insert(key.clone());
    }

    fn keep(&self, key: &DocumentKey) -> Result<(), Diagnostic> {
        match lock(&self.planned).insert(key.clone(), Planned::Kept) {
            Some(Planned::New) => Err(declared_twice(key)),
            Some(Planned::Kept) | None => Ok(()),
        }
    }

    fn create(&self, key: &DocumentKey) -> Result<(), Diagnostic> {
        match lock(&self.planned).insert(key.clone(), Planned::New) {
            Some(_) => Err(declared_twice(key)),
            None => Ok(()),
        }
    }
}

impl ResourceType {
    /// Checks a plan against the others of this run, and returns what the user should know of it. `is_renewal` tells
    /// that a create is the second half of a replacement.
    pub(crate) async fn check_plan(
        &self,
        store: &Store,
        prior: &Value,
        plan: &Plan,
        is_renewal: bool,
    ) -> Result<Option<Diagnostic>, Diagnostic> {
        let known = |state: &Value| state.attribute("name").as_str().map(|name| self.key(name));
        let before = known(prior).transpose()?;
        let after = known(&plan.state).transpose()?;
        match (before, after) {
            (Some(before), Some(after)) if before == after && plan.replaces.is_empty() => {
                store.plans.keep(&after).map(|()| None)
            }
            (Some(before), _) => {
                store.plans.forget(&before);
                Ok(None)
            }
            (None, Some(after)) if !is_renewal => {
                store.plans.create(&after)?;
                Ok(self.exists_already(store, &after).await)
            }
            _ => Ok(None),
        }
    }

    async fn exists_already(&self, store: &Store, key: &DocumentKey) -> Option<Diagnostic> {
        if lock(&store.plans.managed).contains(key) {
            return None;
        }
        // Where it can't be told, the apply will.
        let entry = store.backend.read(key).await.ok()??;
        let is_managed = lock(&store.plans.managed).contains(key);
        (!is_managed && entry.revision.is_some()).then(|| exists_at_plan(store, key))
    }
}
