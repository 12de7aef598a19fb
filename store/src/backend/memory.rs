//! A store in this process's memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::standing::{Standing, draw_revision};
use super::{
    Backend, Change, Cursor, Depth, Expected, KeptToken, Load, StoreError, TokenOwner, TokenPlace,
};
use crate::document::{DocumentId, DocumentKey, Entry, Revision};
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
    /// By what they are the tokens of.
    tokens: BTreeMap<String, (Secret, Revision)>,
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
        let state = self.state();
        let kept = state
            .tokens
            .get(&format!("token of key {:?}", key.as_str()));
        kept.map(|(token, _)| token.clone())
    }

    /// Every token and page of tokens that is kept.
    #[must_use]
    pub fn tokens(&self) -> Vec<Secret> {
        let state = self.state();
        state
            .tokens
            .values()
            .map(|(token, _)| token.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one insert or removal: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, change: Change) -> Result<Option<Revision>, StoreError> {
        let mut state = self.state();
        match change {
            Change::Write { document, expected } => {
                let key = document.key();
                let id = DocumentId::from(key.clone());
                let standing = state.standing(&id);
                standing.admit_write(&key, &expected, || self.place())?;
                let revision = draw_revision(|| self.place())?;
                state.changes += 1;
                state
                    .documents
                    .insert(id, Entry::json(&document, &revision));
                Ok(Some(revision))
            }
            Change::Prove { key, revision } => {
                let id = DocumentId::from(key);
                let stands = state.standing(&id) == Standing::Document(Some(revision));
                let json = state.documents.get_mut(&id).filter(|_| stands);
                if json.is_some_and(Entry::prove) {
                    state.changes += 1;
                }
                Ok(None)
            }
            Change::Delete { key, expected } => {
                let id = DocumentId::from(key.clone());
                let standing = state.standing(&id);
                if standing.admit_delete(&key, &expected, || self.place())? {
                    state.changes += 1;
                    state.documents.remove(&id);
                }
                Ok(None)
            }
        }
    }

    fn token_place_of(&self, owner: TokenOwner<'_>) -> TokenPlace {
        TokenPlace {
            secret_id: format!("memory/{}/{owner}", self.namespace),
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

    fn entries(&self) -> Vec<Entry> {
        self.documents
            .iter()
            .map(|(id, json)| Entry::parse(id.clone(), json.clone()))
            .collect()
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
        let entries = state.entries();
        Ok(Some(Load { entries, cursor }))
    }

    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.state().entries())
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        let id = DocumentId::from(key.clone());
        let json = self.state().documents.get(&id).cloned();
        Ok(json.map(|json| Entry::parse(id, json)))
    }

    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>> {
        changes
            .into_iter()
            .map(|change| self.make(change))
            .collect()
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        let mut state = self.state();
        let standing = state.tokens.get(&owner.to_string());
        if !expected.is(standing.map(|(_, revision)| revision)) {
            return Err(StoreError::TokenStands {
                owner: owner.to_string(),
                place: self.place(),
            });
        }
        let revision = draw_revision(|| self.place())?;
        state
            .tokens
            .insert(owner.to_string(), (token.clone(), revision));
        Ok(self.token_place_of(owner))
    }

    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError> {
        let kept = self.state().tokens.get(&owner.to_string()).cloned();
        Ok(kept.map(|(token, revision)| KeptToken {
            token,
            revision,
            place: self.token_place_of(owner),
        }))
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        let kept = self.state().tokens.contains_key(&owner.to_string());
        Ok(kept.then(|| self.token_place_of(owner)))
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.state().tokens.remove(&owner.to_string());
        Ok(())
    }
}
