//! Validate, read and import, written once for every kind.

use tollgate_store::document::{DocumentKey, Entry};

use crate::call::{Fallback, Outcome};
use crate::clock;
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::{broken, failure, is_due, nothing_to_import, taken_over, unknown_tokens};
use crate::plan::keep_words;
use crate::private::Private;
use crate::resource::ResourceType;
use crate::schema::{Presence, check, refuse_write_only};
use crate::store::Store;
use crate::value::Value;

impl ResourceType {
    /// What is wrong with a configuration: every attribute by itself, and once all is known, the whole.
    pub(crate) fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        let problems = check(&self.schema.attributes, config, &Path::default());
        if !problems.is_empty() || !config.is_wholly_known() {
            return problems;
        }
        let whole = self.key_of(config).and_then(|key| {
            let checked = self.resource.check_config(config);
            checked.map_err(|problem| self.diagnose(&key, &problem))?;
            self.check_declared(&key, config)
        });
        whole.err().into_iter().collect()
    }

    /// What is wrong with a configuration for a Terraform that does not know what is written only.
    pub(crate) fn refuse_write_only(&self, config: &Value) -> Vec<Diagnostic> {
        refuse_write_only(&self.schema.attributes, config)
    }

    /// The state as the store has it now; null where the document is gone.
    pub(crate) async fn read(&self, store: &Store, state: &Value, private: Private) -> Outcome {
        let fallback = Fallback::new(state.clone(), private.clone());
        let outcome = self.refresh(store, Told { state, private }).await;
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

    async fn refresh(&self, store: &Store, told: Told<'_>) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(told.state)?;
        match self.entry(store, &key).await? {
            Some(entry) => self.show(store, &key, entry, Some(told)).await,
            None => self.show_gone(store, &key, told).await,
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
        if let Some(told) = &told
            && told.private.is_foreign(&document)
        {
            return Ok(Outcome::gone().with([taken_over(store, key)]));
        }
        store.plans.note_managed(key);
        let beside = self
            .resource
            .beside(store, &key.name, Some(&document))
            .await;
        let beside = beside.map_err(|failed| failed.told(key, "read completely"))?;
        let null = Value::Null;
        let prior = told.as_ref().map_or(&null, |told| told.state);
        let fresh = self.state(&document, &beside.attributes)?;
        let fresh = keep_words(&self.schema.attributes, prior, fresh);
        let mut private = match entry.revision {
            Some(revision) => Private::settled(&document, revision),
            None => Private::unsettled(document.owner()),
        };
        let mut fresh = self.with_local(prior, fresh);
        let unknown = match &told {
            Some(told) if !told.private.is_lost() => {
                self.resource.distrust(&document, prior, &mut fresh)
            }
            _ => Vec::new(),
        };
        let told_of = (!unknown.is_empty()).then(|| unknown_tokens(store, key, unknown));
        let mut diagnostics: Vec<_> = beside.missing.into_iter().chain(told_of).collect();
        if diagnostics.is_empty()
            && let Some(reason) = self.resource.due(&document, clock::now())
        {
            diagnostics.push(is_due(key, &reason));
        }
        private.due = !diagnostics.is_empty();
        Ok(Outcome {
            state: fresh,
            private,
            diagnostics,
        })
    }

    /// Takes over what no document tells: from the prior state, or where there is none, the default.
    fn with_local(&self, prior: &Value, fresh: Value) -> Value {
        let mut fresh = fresh;
        if let Value::Object(values) = &mut fresh {
            for attribute in self.schema.attributes.iter().filter(|one| one.local) {
                let value = match prior {
                    Value::Object(_) => prior.attribute(attribute.name).clone(),
                    _ => attribute.default.clone().unwrap_or(Value::Null),
                };
                values.insert(attribute.name.to_owned(), value);
            }
        }
        self.resource.remember(prior, &mut fresh);
        fresh
    }

    /// A document that is gone is gone, unless something of it was left that only a removal takes away.
    async fn show_gone(
        &self,
        store: &Store,
        key: &DocumentKey,
        told: Told<'_>,
    ) -> Result<Outcome, Diagnostic> {
        // It may have been the last document, and its removal interrupted.
        store.tidy_once().await;
        if !told.private.is_unsettled() {
            return Ok(Outcome::gone());
        }
        let left = self.resource.beside(store, &key.name, None).await;
        let left = left.map_err(|failed| failed.told(key, "read completely"))?;
        if left.attributes.is_empty() {
            return Ok(Outcome::gone());
        }
        Ok(Outcome {
            state: told.state.clone(),
            private: told.private,
            diagnostics: Vec::new(),
        })
    }

    /// Fills in what a state of an older schema has not: the defaults of attributes that came later.
    pub(crate) fn with_defaults(&self, state: Value) -> Value {
        let mut state = state;
        if let Value::Object(values) = &mut state {
            for attribute in &self.schema.attributes {
                if let (Some(value), Some(default)) =
                    (values.get_mut(attribute.name), &attribute.default)
                    && value.is_null()
                    && attribute.presence == Presence::Optional
                {
                    *value = default.clone();
                }
            }
        }
        state
    }
}

/// What Terraform last knew.
struct Told<'a> {
    state: &'a Value,
    private: Private,
}
