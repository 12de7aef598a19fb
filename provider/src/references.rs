//! What documents say about one another: none may name what is not there, or go while others name it.
//!
//! The proxies are safe without this: they leave out what names something missing. It is checked so that nobody has to
//! find out there.

use std::collections::BTreeSet;

use tollgate_store::backend::{Depth, StoreError};
use tollgate_store::document::{Document, DocumentKey, Entry, Kind, PartName, Reference, Spec};

use crate::diagnostic::{Diagnostic, listed};
use crate::failure::failure;
use crate::resource::{Fields, ResourceType};
use crate::schema::locate;
use crate::store::Store;

impl ResourceType {
    /// Checks that all that an object names is there, or becomes so while other changes of this apply end.
    pub(crate) async fn check_references(
        &self,
        store: &Store,
        spec: &Fields,
        document: &Document,
    ) -> Result<(), Diagnostic> {
        let key = document.key();
        let read = |error: StoreError| failure(&key, "written", &error);
        let named = self.resource.references(spec, document);
        let look = || missing(store, &named);
        let missing = store.settled(look, Vec::is_empty).await.map_err(read)?;
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                // Somebody else may have made it since this process last looked.
                let standing = everything(store).await.map_err(read)?;
                let is_there = |reference: &Reference| standing.contains(&reference.document);
                if missing.iter().all(is_there) {
                    return Ok(());
                }
                let path = locate(&self.schema.attributes, &first.path);
                Err(not_there(store, &key, &missing).at(path))
            }
        }
    }

    /// Checks that nothing names the document of this key any more, or nothing does once other changes of this apply
    /// have ended.
    pub(crate) async fn check_unused(
        &self,
        store: &Store,
        key: &DocumentKey,
    ) -> Result<(), Diagnostic> {
        if !can_be_named(key.kind) {
            return Ok(());
        }
        let read = |error: StoreError| failure(key, "removed", &error);
        let look = || async { Ok(users(key, &store.backend.list().await?)) };
        let users = store
            .settled(look, BTreeSet::is_empty)
            .await
            .map_err(read)?;
        if users.is_empty() {
            return Ok(());
        }
        // Somebody else may have removed them since this process last looked.
        let users = self::users(key, &fresh(store).await.map_err(read)?);
        if users.is_empty() {
            return Ok(());
        }
        Err(in_use(store, key, &users))
    }
}

fn can_be_named(kind: Kind) -> bool {
    match kind {
        Kind::Scope
        | Kind::Quota
        | Kind::Role
        | Kind::Principal
        | Kind::Issuer
        | Kind::Upstream
        | Kind::Proxy => true,
        Kind::Key | Kind::KeySet | Kind::KeySetPart | Kind::Route => false,
    }
}

async fn missing(store: &Store, wanted: &[Reference]) -> Result<Vec<Reference>, StoreError> {
    let mut asked: BTreeSet<&DocumentKey> = BTreeSet::new();
    let mut missing = Vec::new();
    for reference in wanted {
        let is_new = asked.insert(&reference.document);
        if is_new && store.backend.read(&reference.document).await?.is_none() {
            missing.push(reference.clone());
        }
    }
    Ok(missing)
}

/// What the namespace holds at this moment.
async fn fresh(store: &Store) -> Result<Vec<Entry>, StoreError> {
    match store.backend.poll(None, Depth::Everything).await {
        Ok(load) => Ok(load.map(|load| load.entries).unwrap_or_default()),
        Err(StoreError::NoNamespace { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn everything(store: &Store) -> Result<BTreeSet<DocumentKey>, StoreError> {
    let entries = fresh(store).await?.into_iter();
    Ok(entries.filter_map(|entry| key_of(&entry)).collect())
}

fn key_of(entry: &Entry) -> Option<DocumentKey> {
    Some(DocumentKey {
        kind: Kind::parse(&entry.id.kind)?,
        name: tollgate_store::Name::parse(&entry.id.name).ok()?,
    })
}

/// The documents that name `key`. A broken one names nothing: proxies leave it out as it is.
fn users(key: &DocumentKey, entries: &[Entry]) -> BTreeSet<DocumentKey> {
    let documents = entries
        .iter()
        .filter_map(|entry| entry.document.as_ref().ok());
    let names = |document: &&Document| {
        let mut references = document.references().into_iter();
        references.any(|reference| reference.document == *key)
    };
    documents.filter(names).map(user).collect()
}

/// The document as people know it: of a part, its set.
fn user(document: &Document) -> DocumentKey {
    let set = match document.spec() {
        Spec::KeySetPart(_) => PartName::parse(document.name()).ok(),
        _ => None,
    };
    match set {
        Some(part) => part.set_key(),
        None => document.key(),
    }
}

fn not_there(store: &Store, key: &DocumentKey, missing: &[Reference]) -> Diagnostic {
    let names: BTreeSet<String> = missing.iter().map(|one| one.document.to_string()).collect();
    let kinds: BTreeSet<Kind> = missing.iter().map(|one| one.document.kind).collect();
    let names = listed(names.into_iter().collect());
    let (verb, them) = match missing {
        [_] => ("does", "it"),
        _ => ("do", "them"),
    };
    let examples: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`tollgate_{kind}.NAME.name`"))
        .collect();
    Diagnostic::error(
        format!("{key} names {names}, which {verb} not exist"),
        format!(
            "{} holds no {names}, and proxies would leave {key} out. Declare {them} first; in the same configuration, \
             refer to {them} as {}, so that Terraform knows the order.",
            store.backend.place(),
            examples.join(" and ")
        ),
    )
}

fn in_use(store: &Store, key: &DocumentKey, users: &BTreeSet<DocumentKey>) -> Diagnostic {
    let names: Vec<String> = users.iter().map(ToString::to_string).collect();
    let (name, them) = match names.as_slice() {
        [_] => ("names", "it"),
        _ => ("name", "them"),
    };
    Diagnostic::error(
        format!("{key} is still in use"),
        format!(
            "In {}, {} {name} it, and would open nothing without it. Take it out of {them}, or remove {them}, with an \
             apply of its own: where one apply does both, Terraform removes first, unless \
             `lifecycle {{ create_before_destroy = true }}` was applied here before, which also serves where another \
             one takes its place. To remove it all the same, set `force_destroy = true` and apply that before.",
            store.backend.place(),
            listed(names)
        ),
    )
}
