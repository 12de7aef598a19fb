//! The secrets that hold a set's tokens: JSON objects that map the names of keys to tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value as Json;
use tollgate_store::backend::{Expected, KeptToken, StoreError, TokenOwner};
use tollgate_store::document::{KeySet, SetKey};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name, Secret};
use zeroize::Zeroizing;

use super::layout::Layout;
use crate::diagnostic::Diagnostic;
use crate::resource::Failed;
use crate::resources::place_attributes;
use crate::store::Store;

/// How many pages are read or written at once.
const PARALLEL: usize = 8;
/// How many pages in a row must be missing for the rest to be taken for missing too.
const MISSING_MAX: u32 = 16;

/// One page's tokens. It never prints them.
#[derive(Default)]
pub(super) struct Page {
    tokens: BTreeMap<String, Zeroizing<String>>,
    kept: Option<KeptToken>,
}

impl fmt::Debug for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Page({} tokens)", self.tokens.len())
    }
}

impl Page {
    /// The token of a key, if there is one.
    pub(super) fn token(&self, name: &Name) -> Option<&str> {
        self.tokens.get(name.as_str()).map(|token| token.as_str())
    }

    /// Makes a new token.
    pub(super) fn generate(
        &mut self,
        environment: &Environment,
        id: KeyId,
        name: &Name,
    ) -> Result<Verifier, Diagnostic> {
        let token = token::generate(environment, id)
            .map_err(|error| Diagnostic::error("A key has no token", error.to_string()))?;
        let verifier = Verifier::of(token.expose());
        self.insert(name, token.expose());
        Ok(verifier)
    }

    /// Puts a token in, as another page held it.
    pub(super) fn insert(&mut self, name: &Name, token: &str) {
        let token = Zeroizing::new(token.to_owned());
        self.tokens.insert(name.to_string(), token);
    }

    /// Keeps the tokens of these keys only.
    pub(super) fn retain(&mut self, names: &BTreeSet<&Name>) {
        let names: BTreeSet<&str> = names.iter().map(|name| name.as_str()).collect();
        self.tokens.retain(|name, _| names.contains(name.as_str()));
    }

    /// Whether it is as it is kept.
    fn is_kept(&self) -> bool {
        match &self.kept {
            Some(kept) => kept.token.expose() == self.text().as_str(),
            None => self.tokens.is_empty(),
        }
    }

    fn text(&self) -> Zeroizing<String> {
        let tokens: BTreeMap<&str, &str> = self
            .tokens
            .iter()
            .map(|(name, token)| (name.as_str(), token.as_str()))
            .collect();
        // Texts in an object: JSON can hold them.
        Zeroizing::new(serde_json::to_string(&tokens).unwrap_or_default())
    }

    fn parse(owner: TokenOwner<'_>, kept: KeptToken) -> Result<Self, Failed> {
        let tokens: Result<BTreeMap<String, String>, _> = serde_json::from_str(kept.token.expose());
        // What the parser says might quote a token.
        let tokens = tokens.map_err(|_| {
            Diagnostic::error(
                format!("The {owner} is broken"),
                format!(
                    "{} is no JSON object of tokens. Write an earlier version's value back, or remove it: its keys then \
                     need another `token_version`.",
                    kept.place.secret_id
                ),
            )
        })?;
        let tokens = tokens.into_iter();
        Ok(Self {
            tokens: tokens
                .map(|(name, token)| (name, Zeroizing::new(token)))
                .collect(),
            kept: Some(kept),
        })
    }
}

/// Whose tokens stand together with that key's.
pub(crate) fn page_of<'a>(set_name: &'a Name, set: &KeySet, key: &Name) -> TokenOwner<'a> {
    owner(set_name, set.generation, Layout::of(set).page(key))
}

/// The token of one key, if there is one.
pub(crate) async fn token(
    store: &Store,
    (set_name, set): (&Name, &KeySet),
    key: &Name,
) -> Result<Option<Secret>, Failed> {
    let number = Layout::of(set).page(key);
    let owner = owner(set_name, set.generation, number);
    let (_, page) = read_one(store, owner, number).await?;
    Ok(page.token(key).map(|token| Secret::new(token.to_owned())))
}

/// The pages of these numbers; one that is missing is empty.
pub(super) async fn read(
    store: &Store,
    set: &Name,
    generation: u32,
    numbers: BTreeSet<u32>,
) -> Result<BTreeMap<u32, Page>, Failed> {
    let mut reads = Vec::new();
    for page in numbers {
        reads.push(read_one(store, owner(set, generation, page), page).boxed());
    }
    stream::iter(reads)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

async fn read_one(
    store: &Store,
    owner: TokenOwner<'_>,
    number: u32,
) -> Result<(u32, Page), Failed> {
    let page = match store.backend.read_token(owner).await? {
        Some(kept) => Page::parse(owner, kept)?,
        None => Page::default(),
    };
    Ok((number, page))
}

/// Writes every page that has changed since it was read.
pub(super) async fn write(
    store: &Store,
    set: &Name,
    generation: u32,
    pages: &BTreeMap<u32, Page>,
) -> Result<(), Failed> {
    let mut writes = Vec::new();
    for (number, page) in pages {
        if !page.is_kept() {
            writes.push(write_one(store, owner(set, generation, *number), page).boxed());
        }
    }
    let written: Vec<()> = stream::iter(writes)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    tracing::debug!(pages = written.len(), "pages of tokens were written");
    Ok(())
}

async fn write_one(store: &Store, owner: TokenOwner<'_>, page: &Page) -> Result<(), StoreError> {
    let expected = match &page.kept {
        Some(kept) => Expected::Revision(kept.revision.clone()),
        None => Expected::Absent,
    };
    let text = Secret::new(page.text().to_string());
    store
        .backend
        .write_token(owner, &text, &expected)
        .await
        .map(drop)
}

/// Removes all pages of a generation: as many as its set has, or where that is not known, as many as are found.
pub(super) async fn remove(
    store: &Store,
    set: &Name,
    generation: u32,
    count: Option<u32>,
) -> Result<(), Failed> {
    let mut missing = 0;
    for page in 0..count.unwrap_or(u32::MAX) {
        let owner = owner(set, generation, page);
        let is_there = count.is_some() || store.backend.token_place(owner).await?.is_some();
        missing = if is_there { 0 } else { missing + 1 };
        if is_there {
            store.backend.delete_token(owner).await?;
        } else if missing > MISSING_MAX {
            break;
        }
    }
    Ok(())
}

/// Where the pages are, and the keys whose page is missing.
pub(super) async fn show(
    store: &Store,
    set_name: &Name,
    set: &KeySet,
    keys: &BTreeMap<Name, SetKey>,
) -> Result<(Json, BTreeSet<Name>), Failed> {
    let layout = Layout::of(set);
    let kept = |key: &SetKey| key.versions.last().is_some_and(|newest| !newest.imported);
    let mut used: BTreeMap<u32, Vec<&Name>> = BTreeMap::new();
    for (name, _) in keys.iter().filter(|(_, key)| kept(key)) {
        used.entry(layout.page(name)).or_default().push(name);
    }
    let mut lookups = Vec::new();
    for page in used.keys() {
        let owner = owner(set_name, set.generation, *page);
        lookups.push(store.backend.token_place(owner));
    }
    let places: Vec<_> = stream::iter(lookups)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let (mut shown, mut missing) = (Vec::new(), BTreeSet::new());
    for (place, names) in places.into_iter().zip(used.into_values()) {
        match place {
            Some(place) => shown.push(Json::Object(place_attributes(place))),
            None => missing.extend(names.into_iter().cloned()),
        }
    }
    Ok((Json::Array(shown), missing))
}

fn owner(set: &Name, generation: u32, page: u32) -> TokenOwner<'_> {
    TokenOwner::Page {
        set,
        generation,
        page,
    }
}
