//! A store in this process's memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::standing::{Standing, draw_revision};
use super::{Backend, Cursor, Depth, Expected, Load, StoreError, TokenOwner, TokenPlace};
use crate::document::{Document, DocumentId, DocumentKey, Entry, Revision};
use crate::{Name, Namespace, Secret};

/// A namespace in memory; its clones share it, like two processes that use one store.
#[derive(Debug, Clone)]
pub struct Memory {
    namespace: Namespace,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    changes: u64,
    documents: BTreeMap<DocumentId, serde_json::Value>,
    tokens: BTreeMap<Name, Secret>,
}

impl Memory {
    /// An empty namespace.
    #[must_use]
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            state: Arc::default(),
        }
    }

    /// Puts any JSON in a document's place, as a person's edit could.
    pub fn put(&self, place: DocumentId, json: serde_json::Value) {
        let mut state = self.state();
        state.changes += 1;
        state.documents.insert(place, json);
    }

    /// The token kept for a key.
    #[must_use]
    pub fn token(&self, key: &Name) -> Option<Secret> {
        self.state().tokens.get(key).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one insert or removal: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token_place_of(&self, owner: TokenOwner<'_>) -> TokenPlace {
        TokenPlace {
            secret_id: format!("memory/{}/token/{}", self.namespace, owner.name),
            secret_arn: None,
        }
    }
}

impl State {
    fn standing(&self, id: &DocumentId) -> Standing {
        match self.documents.get(id) {
            None => Standing::Nothing,
            Some(json) => Standing::Document(Entry::parse(id.clone(), json.clone()).revision),
        }
    }
}

#[async_trait]
impl Backend for Memory {
    fn place(&self) -> String {
        format!("memory, namespace {:?}", self.namespace.as_str())
    }

    async fn poll(&self, since: Option<&Cursor>, _: Depth) -> Result<Option<Load>, StoreError> {
        let state = self.state();
        let cursor = Cursor(state.changes.to_string());
        if since == Some(&cursor) {
            return Ok(None);
        }
        if since.is_none() && state.documents.is_empty() {
            return Err(StoreError::NoNamespace {
                place: self.place(),
            });
        }
        let entries = state
            .documents
            .iter()
            .map(|(id, json)| Entry::parse(id.clone(), json.clone()))
            .collect();
        Ok(Some(Load { entries, cursor }))
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        let id = DocumentId::from(key.clone());
        let json = self.state().documents.get(&id).cloned();
        Ok(json.map(|json| Entry::parse(id, json)))
    }

    async fn write(
        &self,
        document: &Document,
        expected: &Expected,
    ) -> Result<Revision, StoreError> {
        let key = document.key();
        let id = DocumentId::from(key.clone());
        let mut state = self.state();
        state
            .standing(&id)
            .admit_write(&key, expected, || self.place())?;
        let revision = draw_revision(|| self.place())?;
        state.changes += 1;
        state.documents.insert(id, Entry::json(document, &revision));
        Ok(revision)
    }

    async fn delete(&self, key: &DocumentKey, expected: &Revision) -> Result<(), StoreError> {
        let id = DocumentId::from(key.clone());
        let mut state = self.state();
        if state
            .standing(&id)
            .admit_delete(key, expected, || self.place())?
        {
            state.changes += 1;
            state.documents.remove(&id);
        }
        Ok(())
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
    ) -> Result<TokenPlace, StoreError> {
        self.state()
            .tokens
            .insert(owner.name.clone(), token.clone());
        Ok(self.token_place_of(owner))
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        let kept = self.state().tokens.contains_key(owner.name);
        Ok(kept.then(|| self.token_place_of(owner)))
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.state().tokens.remove(owner.name);
        Ok(())
    }
}
