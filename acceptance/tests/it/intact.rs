//! Whether a namespace is whole: every token opens what its document says, and nothing is there that nobody declared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tollgate_acceptance::Place;
use tollgate_store::backend::{Backend, TokenOwner};
use tollgate_store::document::{Document, Entry, Key, KeySet, KeyVersion, Kind, PartName, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name, Namespace, Secret};

use crate::stores::Run;

/// Fails unless the namespace holds exactly these documents, like `key/acme-ci`, and for each of their keys exactly the
/// token that opens it.
pub(crate) fn assert_intact(run: &Run, declared: &[&str]) {
    let found = run.with_store(async |store| inspect(&store, &run.namespace).await);
    let declared: BTreeSet<_> = declared.iter().map(ToString::to_string).collect();
    assert_eq!(found.documents, declared);
    assert_eq!(kept(&run.place, &run.namespace), found.tokens);
}

/// What a namespace holds, as far as its documents tell.
struct Found {
    documents: BTreeSet<String>,
    /// How many secrets, or files, hold tokens.
    tokens: usize,
}

async fn inspect(store: &Arc<dyn Backend>, namespace: &Namespace) -> Found {
    let entries = store.list().await.unwrap();
    let documents: Vec<_> = entries.into_iter().map(document).collect();
    let mut found = Found {
        documents: BTreeSet::new(),
        tokens: 0,
    };
    for document in &documents {
        match document.spec() {
            Spec::Key(key) => {
                let id = KeyId::derive(namespace, document.name());
                let owner = TokenOwner::Key {
                    name: document.name(),
                    id: &id,
                };
                found.tokens += check_key(store, owner, key).await;
            }
            Spec::KeySet(set) => {
                found.tokens += check_set(store, document.name(), set, &documents).await;
            }
            Spec::KeySetPart(_) => {
                assert_is_current(document, &documents);
                continue;
            }
            _ => {}
        }
        let key = document.key();
        found.documents.insert(format!("{}/{}", key.kind, key.name));
    }
    found
}

fn document(entry: Entry) -> Document {
    entry.document.unwrap()
}

async fn check_key(store: &Arc<dyn Backend>, owner: TokenOwner<'_>, key: &Key) -> usize {
    let kept = store.read_token(owner).await.unwrap();
    let newest = newest(&key.versions);
    if newest.imported {
        assert!(kept.is_none(), "{owner}: the client alone has it");
        return 0;
    }
    assert_opens(&owner.to_string(), &kept.unwrap().token, newest);
    1
}

async fn check_set(
    store: &Arc<dyn Backend>,
    name: &Name,
    set: &KeySet,
    documents: &[Document],
) -> usize {
    let mut tokens = BTreeMap::new();
    let mut pages = 0;
    for page in 0..set.pages {
        let owner = TokenOwner::Page {
            set: name,
            generation: set.generation,
            page,
        };
        if let Some(kept) = store.read_token(owner).await.unwrap() {
            let page: BTreeMap<String, String> =
                serde_json::from_str(kept.token.expose()).unwrap_or_else(|_| panic!("{owner}"));
            tokens.extend(page);
            pages += 1;
        }
    }
    for (key, versions) in keys_of(name, documents) {
        let newest = newest(&versions);
        let token = tokens.remove(key.as_str());
        assert_eq!(token.is_none(), newest.imported, "{name}/{key}");
        if let Some(token) = token {
            assert_opens(&format!("{name}/{key}"), &Secret::new(token), newest);
        }
    }
    let left: Vec<_> = tokens.keys().collect();
    assert!(left.is_empty(), "tokens of nobody: {left:?}");
    pages
}

fn keys_of(set: &Name, documents: &[Document]) -> Vec<(Name, Vec<KeyVersion>)> {
    let mut keys = Vec::new();
    for document in documents {
        if let Spec::KeySetPart(part) = document.spec()
            && PartName::parse(document.name()).unwrap().set == *set
        {
            let part = part.keys.iter();
            keys.extend(part.map(|(name, key)| (name.clone(), key.versions.to_vec())));
        }
    }
    keys
}

/// A part without its set, or of an older generation, is left over.
fn assert_is_current(part: &Document, documents: &[Document]) {
    let name = PartName::parse(part.name()).unwrap();
    let is_set =
        |document: &&Document| document.key().kind == Kind::KeySet && *document.name() == name.set;
    let generation = documents
        .iter()
        .find(is_set)
        .and_then(|set| match set.spec() {
            Spec::KeySet(set) => Some(set.generation),
            _ => None,
        });
    assert_eq!(generation, Some(name.generation), "{}", part.name());
}

fn newest(versions: &[KeyVersion]) -> &KeyVersion {
    let pending = versions.iter().any(|version| version.pending);
    assert!(!pending, "a token is on its way still");
    versions.last().unwrap()
}

fn assert_opens(whose: &str, token: &Secret, version: &KeyVersion) {
    let verifier = Verifier::of(token.expose());
    assert!(
        verifier.matches(&version.sha256),
        "{whose}: the token that is kept opens nothing"
    );
}

/// How many secrets or files hold tokens; nothing else is there that does not belong there.
fn kept(place: &Place, namespace: &Namespace) -> usize {
    match place {
        Place::LocalStack(_) => {
            let prefix = format!("tollgate/{namespace}/");
            let names = place.leftovers(namespace).unwrap();
            let own = names.iter().map(|name| name.strip_prefix(&prefix).unwrap());
            let (documents, tokens): (Vec<_>, Vec<_>) =
                own.partition(|name| *name == "index" || name.starts_with("shard-"));
            assert!(documents.contains(&"index"), "{documents:?}");
            let is_token = |name: &&str| name.starts_with("token/") || name.starts_with("tokens/");
            assert!(tokens.iter().all(is_token), "{tokens:?}");
            tokens.len()
        }
        Place::Directory(folder) => {
            let folder = folder.join(namespace.as_str());
            let files = files(&folder);
            let is_token = |file: &&String| file.contains("/token/") || file.contains("/tokens/");
            // What a process that was killed left of a document goes with the next write.
            let unfinished = files
                .iter()
                .filter(is_token)
                .filter(|file| file.contains("/."));
            let unfinished: Vec<_> = unfinished.collect();
            assert!(unfinished.is_empty(), "{unfinished:?}");
            files.iter().filter(is_token).count()
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}
