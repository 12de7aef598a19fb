//! Creates and changes a set, so that whoever reads meanwhile finds it whole, and what a crash leaves is gone on with.
//!
//! The set's document is written first, so that of two who change a set at once only one goes on; then the tokens, and
//! then the parts with their hashes. A change that needs another layout writes the parts of a new generation, which
//! count from the moment at which the set's document names it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tollgate_store::backend::{Change, Expected, StoreError};
use tollgate_store::document::{Document, DocumentKey, KeySet, KeyVersion, Kind, SetKey, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{Environment, KeyId, Name};

use super::attributes::{self, declared_key, part_document};
use super::layout::Layout;
use super::pages::{self, Page};
use super::parts::{self, Keys, Part};
use crate::call::Call;
use crate::clock;
use crate::diagnostic::Diagnostic;
use crate::resource::{Failed, Fields, Made};
use crate::store::Store;

/// A set on its way.
pub(super) struct Writing<'a> {
    call: &'a Call<'a>,
    /// What the keys have in common.
    common: Fields,
    /// The keys as their author gave them.
    given: BTreeMap<Name, Json>,
    standing: Vec<Part>,
    /// Whether it goes on with what an interrupted create left.
    adopts: bool,
}

impl<'a> Writing<'a> {
    /// Makes a set, or goes on with what an interrupted create left.
    pub(super) async fn create(call: &'a Call<'a>, spec: Fields) -> Result<Made, Failed> {
        let mut writing = Self::new(call, spec).await?;
        let left = standing_layout(call.store, &call.key.name).await?;
        let left = left.filter(|_| call.standing.is_some());
        writing.adopts = left.is_some();
        let declared = writing.declared();
        let first = Layout::new(1, &declared);
        let layout = match left {
            // Tokens stand elsewhere in another layout: none is to be left behind.
            Some(left) if left != first => {
                Layout::new(left.generation.saturating_add(1), &declared)
            }
            _ => first,
        };
        let made = writing.write_set(layout, &call.expected()).await?;
        let keys = writing.keys(layout, layout, &BTreeMap::new()).await?;
        writing.write_parts(layout, &keys).await?;
        writing.remove_others(layout, left).await?;
        Ok(made)
    }

    /// Changes a set that stands.
    pub(super) async fn update(
        call: &'a Call<'a>,
        set: &KeySet,
        spec: Fields,
    ) -> Result<Made, Failed> {
        // Its own write, though it changes nothing: from here on, nobody else gets further than this.
        let made = call.write(fields_of(set), &call.expected()).await?;
        let writing = Self::new(call, spec).await?;
        let standing = Layout::of(set);
        let declared = writing.declared();
        let layout = if standing.fits(&declared) {
            standing
        } else {
            Layout::new(set.generation.saturating_add(1), &declared)
        };
        let known = parts::keys(&writing.standing, set.generation);
        let keys = writing.keys(standing, layout, &known).await?;
        writing.write_parts(layout, &keys).await?;
        let expected = Expected::Revision(made.revision.clone());
        let made = if writing.set_spec(layout) == fields_of(set) {
            made
        } else {
            writing.write_set(layout, &expected).await?
        };
        writing.remove_others(layout, Some(standing)).await?;
        Ok(made)
    }

    async fn new(call: &'a Call<'a>, mut spec: Fields) -> Result<Self, Failed> {
        let given = match spec.remove("keys") {
            Some(Json::Object(keys)) => keys,
            _ => Fields::new(),
        };
        let mut named = BTreeMap::new();
        for (name, key) in given {
            let name =
                Name::parse(&name).map_err(|message| Diagnostic::error("Invalid keys", message))?;
            named.insert(name, key);
        }
        Ok(Self {
            call,
            common: spec,
            given: named,
            standing: parts::read(call.store, &call.key.name).await?,
            adopts: false,
        })
    }

    fn declared(&self) -> Keys {
        let keys = self.given.iter();
        keys.map(|(name, key)| (name.clone(), Json::Object(declared_key(key))))
            .collect()
    }

    /// Every key with the hash of its token; the tokens are written where they are new, or move.
    async fn keys(
        &self,
        from: Layout,
        to: Layout,
        known: &BTreeMap<Name, SetKey>,
    ) -> Result<Keys, Failed> {
        let (store, set) = (self.call.store, &self.call.key.name);
        let moves = from != to;
        let concerned = |layout: Layout| {
            if self.adopts {
                return (0..layout.pages).collect();
            }
            let names = self.given.keys().chain(known.keys());
            let names = names.filter(|name| moves || self.concerns_tokens(name, known));
            names.map(|name| layout.page(name)).collect::<BTreeSet<_>>()
        };
        let mut pages = pages::read(store, set, to.generation, concerned(to)).await?;
        if moves {
            let old = pages::read(store, set, from.generation, concerned(from)).await?;
            self.carry_over(&old, (from, to), &mut pages);
        }
        let mut keys = Keys::new();
        for (name, given) in &self.given {
            let versions = self.versions(name, given, known.get(name), (to, &mut pages))?;
            let mut key = declared_key(given);
            key.insert("versions".to_owned(), json!(versions));
            keys.insert(name.clone(), Json::Object(key));
        }
        for (number, page) in &mut pages {
            let here = |name: &&Name| to.page(name) == *number;
            let kept = |name: &&Name| self.hash(name).is_none();
            let names = self.given.keys().filter(here).filter(kept);
            page.retain(&names.collect());
        }
        pages::write(store, set, to.generation, &pages).await?;
        Ok(keys)
    }

    /// Tokens that an interrupted change put into the new pages already are as good as those that move.
    fn carry_over(
        &self,
        old: &BTreeMap<u32, Page>,
        (from, to): (Layout, Layout),
        new: &mut BTreeMap<u32, Page>,
    ) {
        for name in self.given.keys() {
            let token = old.get(&from.page(name)).and_then(|page| page.token(name));
            if let (Some(token), Some(page)) = (token, new.get_mut(&to.page(name))) {
                page.insert(name, token);
            }
        }
    }

    /// Whether the key's page has to be looked at.
    fn concerns_tokens(&self, name: &Name, known: &BTreeMap<Name, SetKey>) -> bool {
        match (self.given.get(name), known.get(name)) {
            (Some(given), Some(known)) => !self.is_settled(name, given, known),
            _ => true,
        }
    }

    /// Whether the key goes on with the token that it has.
    fn is_settled(&self, name: &Name, given: &Json, known: &SetKey) -> bool {
        let [newest] = &*known.versions else {
            return false;
        };
        if attributes::is_unsound(&self.call.change.prior, name) {
            return false;
        }
        match self.hash(name) {
            Some(hash) => {
                newest.imported && newest.sha256.matches(&hash) && newest.version == version(given)
            }
            None => !newest.imported && newest.version == version(given),
        }
    }

    /// The hash of a token that the client has already.
    fn hash(&self, name: &Name) -> Option<Verifier> {
        let hash = self.given.get(name)?.get("token_sha256")?.as_str()?;
        Verifier::parse(hash).ok()
    }

    fn versions(
        &self,
        name: &Name,
        given: &Json,
        known: Option<&SetKey>,
        (layout, pages): (Layout, &mut BTreeMap<u32, Page>),
    ) -> Result<Vec<KeyVersion>, Failed> {
        if let Some(known) = known.filter(|known| self.is_settled(name, given, known)) {
            return Ok(known.versions.to_vec());
        }
        let imported = self.hash(name);
        let sha256 = if let Some(hash) = imported {
            hash
        } else {
            let page = pages.entry(layout.page(name)).or_default();
            let newest = known.and_then(|known| known.versions.last());
            self.token(
                name,
                newest.filter(|newest| newest.version != version(given)),
                page,
            )?
        };
        Ok(vec![KeyVersion {
            version: version(given),
            sha256,
            created_at: clock::now().into(),
            expires_at: None,
            imported: imported.is_some(),
            pending: false,
        }])
    }

    /// A key's token: the one that its page holds already, unless that is the one to be `replaced`, or another.
    fn token(
        &self,
        name: &Name,
        replaced: Option<&KeyVersion>,
        page: &mut Page,
    ) -> Result<Verifier, Diagnostic> {
        let id = KeyId::derive_in_set(&self.call.store.namespace, &self.call.key.name, name);
        let environment = self.common.get("environment").and_then(Json::as_str);
        let environment = environment.and_then(|text| Environment::parse(text).ok());
        let environment = environment.unwrap_or_default();
        let shown = format!("tg_{environment}_{id}_");
        let found = page.token(name).filter(|token| token.starts_with(&shown));
        let is_good = |found: &Verifier| replaced.is_none_or(|old| !old.sha256.matches(found));
        match found.map(Verifier::of).filter(is_good) {
            Some(found) => Ok(found),
            None => page.generate(&environment, id, name),
        }
    }

    /// Writes the parts that differ from what stands, and removes those that hold nothing any more.
    async fn write_parts(&self, layout: Layout, keys: &Keys) -> Result<(), Failed> {
        let set = &self.call.key.name;
        let mut wanted: BTreeMap<u32, Fields> = BTreeMap::new();
        for (name, key) in keys {
            let part = wanted.entry(layout.part(name)).or_default();
            part.insert(name.to_string(), key.clone());
        }
        let mut standing: BTreeMap<u32, &Part> = self
            .standing
            .iter()
            .filter(|part| part.name.generation == layout.generation)
            .map(|part| (part.name.number, part))
            .collect();
        let mut changes = Vec::new();
        for (number, keys) in wanted {
            let document = part_document(set, layout.generation, number, &keys)
                .map_err(|problem| self.call.kind.diagnose(self.call.key, &problem))?;
            changes.extend(replacement(standing.remove(&number), document));
        }
        changes.extend(standing.into_values().filter_map(removal));
        commit(self.call.store, changes).await
    }

    async fn write_set(&self, layout: Layout, expected: &Expected) -> Result<Made, Failed> {
        self.call.write(self.set_spec(layout), expected).await
    }

    fn set_spec(&self, layout: Layout) -> Fields {
        let mut spec = self.common.clone();
        let namespace = self.call.store.namespace.as_str();
        spec.insert("namespace".to_owned(), namespace.into());
        spec.insert("generation".to_owned(), layout.generation.into());
        spec.insert("parts".to_owned(), layout.parts.into());
        spec.insert("pages".to_owned(), layout.pages.into());
        spec
    }

    /// Removes what is left of other generations, now that the set names this one: `known`, which stood before, and any
    /// that an interrupted change left. The parts go last: they tell that something is left.
    async fn remove_others(&self, layout: Layout, known: Option<Layout>) -> Result<(), Failed> {
        let (store, set) = (self.call.store, &self.call.key.name);
        let is_other = |generation: &u32| *generation != layout.generation;
        let left = self.standing.iter().map(|part| part.name.generation);
        let before = known.map(|known| known.generation);
        let generations: BTreeSet<u32> = left.chain(before).filter(is_other).collect();
        for generation in generations {
            let pages = known.filter(|known| known.generation == generation);
            pages::remove(store, set, generation, pages.map(|known| known.pages)).await?;
        }
        let others = self.standing.iter();
        let others = others.filter(|part| is_other(&part.name.generation));
        commit(store, others.filter_map(removal).collect()).await
    }
}

/// Removes every part and page of a set.
pub(super) async fn remove_all(store: &Store, set: &Name) -> Result<(), Failed> {
    let standing = parts::read(store, set).await?;
    let known = standing_layout(store, set).await?;
    let mut generations: BTreeSet<u32> = standing.iter().map(|part| part.name.generation).collect();
    generations.extend(known.map(|layout| layout.generation));
    // A create that ended before its parts were written.
    generations.insert(1);
    for generation in generations {
        let pages = known.filter(|layout| layout.generation == generation);
        pages::remove(store, set, generation, pages.map(|layout| layout.pages)).await?;
    }
    commit(store, standing.iter().filter_map(removal).collect()).await
}

/// The layout of the set that stands, if one does.
async fn standing_layout(store: &Store, set: &Name) -> Result<Option<Layout>, Failed> {
    let key = DocumentKey {
        kind: Kind::KeySet,
        name: set.clone(),
    };
    let entry = store.backend.read(&key).await?;
    Ok(entry.and_then(|entry| match entry.document.ok()?.spec() {
        Spec::KeySet(set) => Some(Layout::of(set)),
        _ => None,
    }))
}

async fn commit(store: &Store, changes: Vec<Change>) -> Result<(), Failed> {
    if changes.is_empty() {
        return Ok(());
    }
    let outcomes: Result<Vec<_>, StoreError> =
        store.backend.commit(changes).await.into_iter().collect();
    Ok(outcomes.map(drop)?)
}

/// The write of a part in place of what stands; `None` where that is the same.
fn replacement(standing: Option<&Part>, document: Document) -> Option<Change> {
    let Some(standing) = standing else {
        let expected = Expected::Absent;
        return Some(Change::Write { document, expected });
    };
    let same = match (document.spec(), &standing.content) {
        (Spec::KeySetPart(new), Some(old)) => new == old,
        _ => false,
    };
    let expected = standing
        .revision
        .clone()
        .map_or(Expected::Absent, Expected::Revision);
    (!same).then_some(Change::Write { document, expected })
}

fn removal(part: &Part) -> Option<Change> {
    Some(Change::Delete {
        key: part.key()?,
        expected: part.revision.clone()?,
    })
}

fn fields_of(set: &KeySet) -> Fields {
    match serde_json::to_value(set) {
        Ok(Json::Object(fields)) => fields,
        _ => Fields::new(),
    }
}

fn version(given: &Json) -> u32 {
    let version = given.get("token_version").and_then(Json::as_u64);
    version
        .and_then(|version| u32::try_from(version).ok())
        .unwrap_or(1)
}
