//! Create, update and delete, written once for every kind.
//!
//! Whatever happens, Terraform is told what is known of the object: one that it is not told of would be an orphan.

use std::future::ready;

use tollgate_store::backend::StoreError;
use tollgate_store::document::{Document, DocumentKey, Entry, Owner, Revision};

use crate::call::{Call, Change, Fallback, Outcome, complete};
use crate::clock;
use crate::diagnostic::Diagnostic;
use crate::failure::{adopted, already_exists, failure, random_failed, too_slow};
use crate::private::Private;
use crate::resource::{Failed, Made, ResourceType};
use crate::store::{Purpose, Reservation, Store};
use crate::timeouts;
use crate::value::Value;

impl ResourceType {
    /// Carries a change out.
    pub(crate) async fn apply(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Outcome {
        let running = store.begin_change();
        let work = async {
            match (
                &change.prior,
                &change.planned,
                change.private.is_unsettled(),
            ) {
                (_, Value::Null, _) => self.delete(store, change, fallback).await,
                (Value::Null, _, _) | (_, _, true) => self.create(store, change, fallback).await,
                _ => self.update(store, change, fallback).await,
            }
        };
        let outcome = match timeouts::of(change) {
            Some(limit) => tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(too_slow(limit))),
            None => work.await,
        };
        drop(running);
        let shown = if change.planned.is_null() {
            &change.prior
        } else {
            &change.planned
        };
        if let Ok(key) = self.key_of(shown) {
            store.plans.forget(&key);
        }
        let (kind, name) = (self.resource.kind(), shown.attribute("name").as_str());
        tracing::info!(%kind, name, done = outcome.is_ok(), "a change was applied");
        let outcome = outcome.unwrap_or_else(|diagnostic| fallback.outcome(diagnostic));
        outcome.with(store.warn_of_little_room().await)
    }

    async fn create(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(&change.planned)?;
        let spec = self.declared(&change.planned);
        let declared = self.check_declared(&key, &change.planned)?;
        let take = || self.take_place(store, change, &key);
        let (reservation, standing) = match store.settled(take, Place::is_free).await? {
            Place::Free(reservation, standing) => (reservation, standing.map(|entry| *entry)),
            Place::Taken => return Err(already_exists(store, &key)),
        };
        self.check_references(store, &spec, &declared).await?;
        let _claimed = self.claim_tokens(store, &key, change).await?;
        let owner = Owner::draw(clock::now(), store.origin.as_ref());
        let owner = owner.map_err(|error| random_failed(&key, &error))?;
        let call = Call {
            kind: self,
            store,
            key: &key,
            change,
            standing: standing.as_ref().and_then(|entry| entry.revision.clone()),
            owner: Some(owner),
            fallback,
        };
        match self.resource.create(&call, spec).await {
            Ok(made) => {
                reservation.created(made.revision.clone());
                let outcome = self.made(change, &made)?;
                let found = standing.filter(|_| change.prior.is_null());
                Ok(outcome.with(found.map(|_| adopted(store, &key))))
            }
            Err(Failed::Store(StoreError::AlreadyExists { .. } | StoreError::Conflict { .. })) => {
                // Somebody else's: Terraform must not come to believe that it is ours to replace.
                fallback.set(Value::Null, Private::default());
                Err(already_exists(store, &key))
            }
            Err(failed) => Err(failed.told(&key, "created")),
        }
    }

    /// Reserves a new document's place, if it is free or holds what an interrupted create of the same object left. It may
    /// become free: a resource that got another address, or was replaced by another, is removed by the same apply.
    async fn take_place<'a>(
        &self,
        store: &'a Store,
        change: &Change,
        key: &DocumentKey,
    ) -> Result<Place<'a>, Diagnostic> {
        let Some(reservation) = store.reserve(key, Purpose::Create)? else {
            return Ok(Place::Taken);
        };
        let read = store.backend.read(key).await;
        let Some(entry) = read.map_err(|error| failure(key, "created", &error))? else {
            return Ok(Place::Free(reservation, None));
        };
        let Ok(document) = &entry.document else {
            return Ok(Place::Taken);
        };
        let own = !change.prior.is_null()
            && document.owner().is_some()
            && !change.private.is_foreign(document);
        let forgotten = || {
            let (owner, now) = (document.owner(), clock::now());
            let origin = store.origin.as_ref();
            owner.is_some_and(|owner| owner.may_be_forgotten(now, origin))
                && !store.has_created(key)
        };
        if own || (forgotten() && self.is_as_planned(store, change, document).await?) {
            return Ok(Place::Free(reservation, Some(Box::new(entry))));
        }
        Ok(Place::Taken)
    }

    /// Whether a document is what the change would make.
    async fn is_as_planned(
        &self,
        store: &Store,
        change: &Change,
        document: &Document,
    ) -> Result<bool, Diagnostic> {
        let key = document.key();
        let beside = self.resource.beside(store, &key.name, Some(document)).await;
        let beside = beside.map_err(|failed| failed.told(&key, "read"))?;
        let mut found = self.state(document, &beside.attributes)?;
        self.resource.remember(&change.planned, &mut found);
        let (given, found) = (self.declared(&change.planned), self.declared(&found));
        Ok(self.resource.may_be_left_of(&given, &found))
    }

    async fn update(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(&change.planned)?;
        if change.leaves_the_store_alone(&self.schema) {
            return Ok(Outcome {
                state: change.planned.clone(),
                private: change.private.clone(),
                diagnostics: Vec::new(),
            });
        }
        let spec = self.declared(&change.planned);
        let declared = self.check_declared(&key, &change.planned)?;
        self.check_references(store, &spec, &declared).await?;
        let _claimed = self.claim_tokens(store, &key, change).await?;
        let entry = store.backend.read(&key).await;
        let entry = entry.map_err(|error| failure(&key, "changed", &error))?;
        let standing = entry
            .filter(|entry| entry.revision == change.private.revision)
            .and_then(|entry| entry.document.ok());
        let Some(standing) = standing else {
            let conflict = StoreError::Conflict {
                key: key.clone(),
                place: store.backend.place(),
            };
            return Err(failure(&key, "changed", &conflict));
        };
        let call = Call {
            kind: self,
            store,
            key: &key,
            change,
            standing: change.private.revision.clone(),
            owner: change.private.owner(),
            fallback,
        };
        let made = self.resource.update(&call, standing, spec).await;
        let made = made.map_err(|failed| failed.told(&key, "changed"))?;
        self.made(change, &made)
    }

    /// What Terraform is told of an object that was made.
    fn made(&self, change: &Change, made: &Made) -> Result<Outcome, Diagnostic> {
        let state = self.state(&made.document, &made.beside)?;
        Ok(Outcome {
            state: complete(&change.planned, &state),
            private: Private::settled(&made.document, made.revision.clone()),
            diagnostics: Vec::new(),
        })
    }

    async fn delete(
        &self,
        store: &Store,
        change: &Change,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let key = self.key_of(&change.prior)?;
        let reserve = || ready(store.reserve(&key, Purpose::Remove));
        let _reservation = store.settled(reserve, Option::is_some).await?;
        let revision = match self.standing_revision(store, &key, change).await? {
            Standing::Ours(revision) => Some(revision),
            Standing::Nothing => None,
            Standing::Foreign => return Ok(Outcome::gone()),
        };
        if change.prior.attribute("force_destroy") != &Value::Bool(true) {
            self.check_unused(store, &key).await?;
        }
        let unsettled = change.private.forget_revision();
        fallback.set(change.prior.clone(), unsettled);
        // Before the document, which keeps its name taken: what is beside it can't be a successor's.
        let removed = self.resource.before_delete(store, &key.name).await;
        removed.map_err(|failed| failed.told(&key, "removed"))?;
        let Some(revision) = revision else {
            store.tidy().await;
            return Ok(Outcome::gone());
        };
        if let Err(error) = store.backend.delete(&key, &revision).await {
            let is_conflict = matches!(error, StoreError::Conflict { .. });
            if is_conflict {
                fallback.set(change.prior.clone(), change.private.clone());
            }
            // Another create may have taken it over in the meantime.
            let now = self.standing_revision(store, &key, change).await;
            if !(is_conflict && matches!(now, Ok(Standing::Foreign))) {
                return Err(failure(&key, "removed", &error));
            }
        }
        Ok(Outcome::gone())
    }

    /// What stands in the place of the document that is to be removed. An error where it was changed since it was
    /// read, before anything is removed.
    async fn standing_revision(
        &self,
        store: &Store,
        key: &DocumentKey,
        change: &Change,
    ) -> Result<Standing, Diagnostic> {
        let entry = store.backend.read(key).await;
        let Some(entry) = entry.map_err(|error| failure(key, "removed", &error))? else {
            return Ok(Standing::Nothing);
        };
        let foreign = match &entry.document {
            Ok(document) => change.private.is_foreign(document),
            Err(_) => false,
        };
        match (&change.private.revision, entry.revision) {
            _ if foreign => Ok(Standing::Foreign),
            (None, Some(revision)) => Ok(Standing::Ours(revision)),
            // There is nothing in it to lose.
            (_, Some(revision)) if entry.document.is_err() => Ok(Standing::Ours(revision)),
            (Some(told), Some(found)) if found == *told => Ok(Standing::Ours(found)),
            _ => {
                let (key, place) = (key.clone(), store.backend.place());
                let conflict = StoreError::Conflict {
                    key: key.clone(),
                    place,
                };
                Err(failure(&key, "removed", &conflict))
            }
        }
    }
}

/// A new document's place.
enum Place<'a> {
    /// It can be written, over what an interrupted create left.
    Free(Reservation<'a>, Option<Box<Entry>>),
    /// Something else stands there, or is being removed.
    Taken,
}

impl Place<'_> {
    fn is_free(&self) -> bool {
        matches!(self, Self::Free(..))
    }
}

/// What stands in a document's place.
enum Standing {
    /// Nothing.
    Nothing,
    /// The document that the state tells of.
    Ours(Revision),
    /// One that another create made, or took over.
    Foreign,
}
