//! A store in a folder: one readable JSON file a document.
//!
//! ```text
//! <root>/<namespace>/revision            changes after every write: the cheap signal
//! <root>/<namespace>/lock                held by the one who writes
//! <root>/<namespace>/<kind>/<name>.json  one document
//! <root>/<namespace>/token/<name>        one client's token, for its owner's eyes only
//! <root>/<namespace>/tokens/<set>.<generation>.<page>  tokens of a key set, likewise
//! ```
//!
//! Readers take no lock: every file is replaced as a whole. A namespace's folder goes with its last document.

mod files;
mod names;
mod scan;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use self::files::Access;
use super::digest::Digest;
use super::parallel;
use super::standing::{Standing, draw_revision};
use super::{
    Backend, Change, Cursor, Depth, Expected, KeptToken, Load, StoreError, TokenOwner, TokenPlace,
};
use crate::document::{Document, DocumentId, DocumentKey, Entry, Revision};
use crate::{Namespace, Secret};

const LOCK: &str = "lock";
const REVISION: &str = "revision";
/// The folders that hold tokens: of keys, and of key sets.
const TOKENS: [&str; 2] = ["token", "tokens"];

/// One namespace in a folder.
#[derive(Debug)]
pub(super) struct Directory {
    tree: Arc<Tree>,
}

impl Directory {
    /// The namespace's folder in `root`; nothing is read or made yet.
    pub(super) fn new(root: &Path, namespace: &Namespace) -> Self {
        let tree = Tree {
            place: format!(
                "directory {}, namespace {:?}",
                root.display(),
                namespace.as_str()
            ),
            root: root.to_owned(),
            namespace: root.join(namespace.as_str()),
            swept: AtomicBool::new(false),
        };
        Self {
            tree: Arc::new(tree),
        }
    }

    /// Runs file work where it may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tree = Arc::clone(&self.tree);
        match tokio::task::spawn_blocking(move || work(&tree)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Failed {
                place: self.place(),
                action: "to use the file system".to_owned(),
                cause: error.to_string(),
            }),
        }
    }
}

#[async_trait]
impl Backend for Directory {
    fn place(&self) -> String {
        self.tree.place.clone()
    }

    fn place_of(&self, key: &DocumentKey) -> String {
        self.tree.document_path(key).display().to_string()
    }

    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError> {
        let since = since.cloned();
        self.run(move |tree| tree.poll(since.as_ref(), depth)).await
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        let key = key.clone();
        self.run(move |tree| scan::entry(&tree.document_path(&key), key.into()))
            .await
    }

    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.run(|tree| {
            scan::everything(&tree.namespace, parallel::threads()).map(|(entries, _)| entries)
        })
        .await
    }

    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>> {
        let count = changes.len();
        let outcomes = self.run(move |tree| Ok(tree.commit(&changes))).await;
        outcomes.unwrap_or_else(|error| vec![Err(error); count])
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        let (path, text) = (self.tree.token_path(owner), owner.to_string());
        let (token, expected) = (token.clone(), expected.clone());
        self.run(move |tree| {
            tree.locked(|| {
                let standing = kept_token(&path)?.map(|kept| kept.revision);
                if !expected.is(standing.as_ref()) {
                    return Err(StoreError::TokenStands {
                        owner: text,
                        place: tree.place.clone(),
                    });
                }
                files::replace(&path, token.expose().as_bytes(), Access::Owner)
            })?;
            Ok(token_place(&path))
        })
        .await
    }

    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError> {
        let path = self.tree.token_path(owner);
        self.run(move |_| kept_token(&path)).await
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        let path = self.tree.token_path(owner);
        self.run(move |_| match path.try_exists() {
            Ok(exists) => Ok(exists.then(|| token_place(&path))),
            Err(error) => Err(files::failure(&path, "read", error)),
        })
        .await
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        let path = self.tree.token_path(owner);
        self.run(move |tree| {
            if tree.is_missing() {
                return Ok(());
            }
            tree.locked(|| files::remove(&path))
        })
        .await
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        self.run(|tree| {
            if tree.is_missing() {
                return Ok(());
            }
            tree.locked(|| Ok(()))
        })
        .await
    }
}

/// The paths, and what is done with them; everything here may block.
#[derive(Debug)]
struct Tree {
    place: String,
    root: PathBuf,
    namespace: PathBuf,
    /// Whether what crashed writers left was removed.
    swept: AtomicBool,
}

impl Tree {
    fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError> {
        // Before the documents: what is written meanwhile then differs at the next poll.
        let signal = scan::signal(&self.namespace)?;
        if signal.is_none() && since.is_some() {
            // An empty namespace is gone, its root is not: that one is lost, and its documents may well come back.
            fs::metadata(&self.root).map_err(|error| files::failure(&self.root, "read", error))?;
        }
        let signal = signal.unwrap_or_else(|| "none".to_owned());
        let seen = since.and_then(|cursor| cursor.0.split_once(' '));
        if depth == Depth::Signal && seen.is_some_and(|(seen, _)| seen == signal) {
            return Ok(None);
        }
        // Later there are requests that want the cores.
        let threads = if since.is_none() {
            parallel::threads()
        } else {
            1
        };
        let (entries, digest) = scan::everything(&self.namespace, threads)?;
        if since.is_none() && entries.is_empty() {
            return Err(StoreError::NoNamespace {
                place: self.place.clone(),
            });
        }
        let cursor = Cursor(format!("{signal} {digest}"));
        Ok((since != Some(&cursor)).then_some(Load { entries, cursor }))
    }

    /// Makes changes under one lock.
    fn commit(&self, changes: &[Change]) -> Vec<Result<Option<Revision>, StoreError>> {
        let is_removal = |change: &Change| !matches!(change, Change::Write { .. });
        if changes.iter().all(is_removal) && self.is_missing() {
            return vec![Ok(None); changes.len()];
        }
        let made = self.locked(|| Ok(changes.iter().map(|change| self.make(change)).collect()));
        made.unwrap_or_else(|error| vec![Err(error); changes.len()])
    }

    /// Whether there is no folder: nothing needs to be made to remove something from it.
    fn is_missing(&self) -> bool {
        matches!(self.namespace.try_exists(), Ok(false))
    }

    fn make(&self, change: &Change) -> Result<Option<Revision>, StoreError> {
        match change {
            Change::Write { document, expected } => self.write(document, expected).map(Some),
            Change::Delete { key, expected } => self.delete(key, expected).map(|()| None),
            Change::Prove { key, revision } => self.prove(key, revision).map(|()| None),
        }
    }

    fn write(&self, document: &Document, expected: &Expected) -> Result<Revision, StoreError> {
        let key = document.key();
        let path = self.document_path(&key);
        let place = || self.place.clone();
        self.standing(&key)?.admit_write(&key, expected, place)?;
        let revision = draw_revision(place)?;
        let mut json = format!("{:#}", Entry::json(document, &revision));
        json.push('\n');
        files::replace(&path, json.as_bytes(), Access::Usual)?;
        self.announce();
        Ok(revision)
    }

    fn delete(&self, key: &DocumentKey, expected: &Revision) -> Result<(), StoreError> {
        let place = || self.place.clone();
        if self.standing(key)?.admit_delete(key, expected, place)? {
            files::remove(&self.document_path(key))?;
            self.announce();
        }
        Ok(())
    }

    fn prove(&self, key: &DocumentKey, revision: &Revision) -> Result<(), StoreError> {
        let path = self.document_path(key);
        if self.standing(key)? != Standing::Document(Some(revision.clone())) {
            return Ok(());
        }
        let text =
            fs::read_to_string(&path).map_err(|error| files::failure(&path, "read", error))?;
        // It was read as a document a moment ago.
        let Ok(mut json) = serde_json::from_str(&text) else {
            return Ok(());
        };
        if Entry::prove(&mut json) {
            // No proxy need know.
            files::replace(&path, format!("{json:#}\n").as_bytes(), Access::Usual)?;
        }
        Ok(())
    }

    /// Does `work` while no other writer does, and leaves no empty folder behind.
    fn locked<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let lock = files::lock(&self.namespace.join(LOCK))?;
        let result = self.sweep_once().and_then(|()| work());
        self.remove_empty_folders();
        drop(lock);
        result
    }

    /// Once a process is enough: listing a large folder at every write would cost more than the write.
    fn sweep_once(&self) -> Result<(), StoreError> {
        if self.swept.load(Ordering::Relaxed) {
            return Ok(());
        }
        files::sweep(&self.namespace)?;
        for (_, path) in files::list(&self.namespace)? {
            if path.is_dir() {
                files::sweep(&path)?;
            }
        }
        self.swept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Changes the revision file. The document is in place already, and its folder's time tells of it too.
    fn announce(&self) {
        let announced = draw_revision(|| self.place.clone()).and_then(|revision| {
            let path = self.namespace.join(REVISION);
            files::replace(&path, revision.as_str().as_bytes(), Access::Usual)
        });
        if let Err(error) = announced {
            tracing::warn!(%error, place = self.place, "the revision file is stale: proxies may see a change late");
        }
    }

    /// A folder that is not empty can't be removed, so that all may be tried.
    fn remove_empty_folders(&self) {
        let Ok(found) = files::list(&self.namespace) else {
            return;
        };
        let ours = |name: &str| name == LOCK || name == REVISION;
        let mut empty = true;
        for (name, path) in found {
            empty &= ours(&name) || fs::remove_dir(&path).is_ok();
        }
        if empty {
            // The lock goes last: until then nobody else is in here.
            for name in [REVISION, LOCK] {
                let _ = fs::remove_file(self.namespace.join(name));
            }
            let _ = fs::remove_dir(&self.namespace);
        }
    }

    fn standing(&self, key: &DocumentKey) -> Result<Standing, StoreError> {
        let id = DocumentId::from(key.clone());
        Ok(match scan::entry(&self.document_path(key), id)? {
            None => Standing::Nothing,
            Some(entry) => Standing::Document(entry.revision),
        })
    }

    fn document_path(&self, key: &DocumentKey) -> PathBuf {
        let file_name = names::encode(key.name.as_str()) + scan::EXTENSION;
        self.namespace.join(key.kind.as_str()).join(file_name)
    }

    fn token_path(&self, owner: TokenOwner<'_>) -> PathBuf {
        let [keys, sets] = TOKENS;
        match owner {
            TokenOwner::Key { name, .. } => {
                self.namespace.join(keys).join(names::encode(name.as_str()))
            }
            TokenOwner::Page {
                set,
                generation,
                page,
            } => {
                let set = names::encode(set.as_str());
                let file_name = format!("{set}.{generation}.{page}");
                self.namespace.join(sets).join(file_name)
            }
        }
    }
}

/// The token in a file; its revision derives from it.
fn kept_token(path: &Path) -> Result<Option<KeptToken>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(files::failure(path, "read", error)),
    };
    let mut digest = Digest::default();
    digest.add(&text);
    Ok(Some(KeptToken {
        token: Secret::new(text),
        revision: Revision::from_text(digest.text()),
        place: token_place(path),
    }))
}

fn token_place(path: &Path) -> TokenPlace {
    TokenPlace {
        secret_id: path.display().to_string(),
        secret_arn: None,
    }
}
