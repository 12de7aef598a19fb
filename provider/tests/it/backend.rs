//! A store that fails on demand.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;
use tollgate_store::Secret;
use tollgate_store::backend::{
    Backend, Change, Cursor, Depth, Expected, KeptToken, Load, Memory, StoreError, TokenOwner,
    TokenPlace,
};
use tollgate_store::document::{DocumentKey, Entry, Revision};

use crate::terraform::{Terraform, namespace};

/// What goes wrong in a call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused, and nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It panics before anything is done.
    Panics,
    /// Nothing is done, and it answers only when told to.
    Hangs,
    /// It is done, and answers only when told to.
    HangsAfter,
}

/// The calls that can fail.
pub(crate) const CALLS: [&str; 8] = [
    "read",
    "list",
    "read_token",
    "write",
    "delete",
    "write_token",
    "token_place",
    "delete_token",
];

/// Which call fails, how, and how often it passes before.
type Failing = (&'static str, Fault, usize);

/// A store in memory, of which one kind of call fails.
#[derive(Debug, Clone)]
pub(crate) struct Unreliable {
    store: Memory,
    fault: Arc<Mutex<Option<Failing>>>,
    /// Told whenever a call begins to hang.
    pub(crate) hanging: Arc<Notify>,
    /// Lets a call that hangs answer.
    pub(crate) resume: Arc<Notify>,
}

impl Unreliable {
    /// A Terraform whose store fails on demand.
    pub(crate) async fn terraform() -> (Terraform, Self) {
        let store = Memory::new(&namespace());
        let unreliable = Self {
            store: store.clone(),
            fault: Arc::default(),
            hanging: Arc::default(),
            resume: Arc::default(),
        };
        let backend = Arc::new(unreliable.clone());
        (Terraform::with(backend, store).await, unreliable)
    }

    /// From now on, `call` fails.
    pub(crate) fn fail(&self, call: &'static str, fault: Fault) {
        self.fail_after(call, fault, 0);
    }

    /// From now on, `call` fails, once it has passed that many times.
    pub(crate) fn fail_after(&self, call: &'static str, fault: Fault, passes: usize) {
        *self.fault.lock().unwrap() = Some((call, fault, passes));
    }

    /// What befalls this call.
    fn fault(&self, name: &str) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        let (_, fault, passes) = fault.as_mut().filter(|(failing, ..)| *failing == name)?;
        if *passes == 0 {
            return Some(*fault);
        }
        *passes -= 1;
        None
    }

    /// From now on, nothing fails.
    pub(crate) fn recover(&self) {
        *self.fault.lock().unwrap() = None;
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // As a network would: others have their turn first.
        tokio::task::yield_now().await;
        match self.fault(name) {
            None => return call.await,
            Some(Fault::Refused) => {}
            Some(Fault::AnswerLost) => drop(call.await?),
            Some(Fault::Panics) => panic!("the store panics"),
            Some(Fault::Hangs) => self.hang().await,
            Some(Fault::HangsAfter) => {
                let answer = call.await;
                self.hang().await;
                return answer;
            }
        }
        Err(StoreError::Unreachable {
            place: self.place(),
            cause: "the line is dead".to_owned(),
            remedy: "wait".to_owned(),
        })
    }

    async fn hang(&self) {
        self.hanging.notify_one();
        self.resume.notified().await;
    }
}

#[async_trait]
impl Backend for Unreliable {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError> {
        self.store.poll(since, depth).await
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        self.call("read", self.store.read(key)).await
    }

    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.call("list", self.store.list()).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>> {
        let count = changes.len();
        let is_removal = |change: &Change| matches!(change, Change::Delete { .. });
        let name = if changes.iter().all(is_removal) {
            "delete"
        } else {
            "write"
        };
        let outcomes = self.call(name, async { Ok(self.store.commit(changes).await) });
        match outcomes.await {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        let written = self.store.write_token(owner, token, expected);
        self.call("write_token", written).await
    }

    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError> {
        self.call("read_token", self.store.read_token(owner)).await
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        self.call("token_place", self.store.token_place(owner))
            .await
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.call("delete_token", self.store.delete_token(owner))
            .await
    }
}
