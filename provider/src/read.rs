//! Validate, read and import, written once for every kind.

use tollgate_store::document::{DocumentKey, Entry};

use crate::apply::{Fallback, Outcome};
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::{broken, failure, not_own, nothing_to_import};
use crate::plan::keep_words;
use crate::private::Private;
use crate::resource::{ResourceType, Store};
use crate::schema::check;
use crate::value::Value;

impl ResourceType {
    /// What is wrong with a configuration: every attribute by itself, and once all is known, the whole.
    pub(crate) fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        let problems = check(&self.schema.attributes, config, &Path::default());
        if !problems.is_empty() || !config.is_wholly_known() {
            return problems;
        }
        let whole = self
            .key_of(config)
            .and_then(|key| self.check_declared(&key, self.declared(config)));
        whole.err().into_iter().collect()
    }

    /// The state as the store has it now; null where the document is gone.
    pub(crate) async fn read(&self, store: &Store, state: &Value, private: Private) -> Outcome {
        let fallback = Fallback::new(state.clone(), private.clone());
        let outcome = self.refresh(store, state, private).await;
        outcome.unwrap_or_else(|diagnostic| fallback.outcome(diagnostic))
    }

    /// The state of the document of that name.
    pub(crate) async fn import(&self, store: &Store, name: &str) -> Result<Outcome, Diagnostic> {
        let key = self
            .key(name)
            .map_err(|problem| problem.at(Path::default()))?;
        match self.entry(store, &key).await? {
            Some(entry) => self.show(store, &key, entry, None).await,
            None => Err(nothing_to_import(store, &key)),
        }
    }

    async fn refresh(
        &self,
        store: &Store,
        state: &Value,
        private: Private,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(state)?;
        match self.entry(store, &key).await? {
            Some(entry) => {
                let told = Told { state, private };
                self.show(store, &key, entry, Some(told)).await
            }
            None => self.show_gone(store, &key, state, private).await,
        }
    }

    async fn entry(&self, store: &Store, key: &DocumentKey) -> Result<Option<Entry>, Diagnostic> {
        let entry = store.backend.read(key).await;
        entry.map_err(|error| failure(key, "read", &error))
    }

    async fn show(
        &self,
        store: &Store,
        key: &DocumentKey,
        entry: Entry,
        told: Option<Told<'_>>,
    ) -> Result<Outcome, Diagnostic> {
        let document = entry
            .document
            .map_err(|problem| broken(store, key, &problem))?;
        let beside = self.resource.beside(store, &key.name).await;
        let beside = beside.map_err(|error| failure(key, "read completely", &error))?;
        let mut fresh = self.state(&document, &beside.attributes)?;
        if let Some(Told { state, private }) = told {
            if private == Private::Unsettled && !self.is_own(state, &document)? {
                return Err(not_own(store, key));
            }
            fresh = keep_words(&self.schema.attributes, state, fresh);
        }
        let private = entry.revision.map_or(Private::Unsettled, Private::Revision);
        Ok(Outcome {
            state: fresh,
            private,
            diagnostics: beside.missing.into_iter().collect(),
        })
    }

    /// A document that is gone is gone, unless something of it was left that only a removal takes away.
    async fn show_gone(
        &self,
        store: &Store,
        key: &DocumentKey,
        state: &Value,
        private: Private,
    ) -> Result<Outcome, Diagnostic> {
        if private != Private::Unsettled {
            return Ok(Outcome::gone());
        }
        let left = self.resource.beside(store, &key.name).await;
        let left = left.map_err(|error| failure(key, "read completely", &error))?;
        if left.attributes.is_empty() {
            return Ok(Outcome::gone());
        }
        Ok(Outcome {
            state: state.clone(),
            private,
            diagnostics: Vec::new(),
        })
    }
}

/// What Terraform last knew.
struct Told<'a> {
    state: &'a Value,
    private: Private,
}
