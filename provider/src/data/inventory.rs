//! Every key of the namespace, whichever document holds it.

use std::collections::BTreeMap;

use tollgate_store::document::{
    self, Document, Entry, KeySet, KeySetPart, Kind, PartName, SetKey, Spec,
};
use tollgate_store::{Name, Problem};

use crate::diagnostic::Diagnostic;
use crate::store::Store;

/// How many broken documents a warning names.
const NAMED_MAX: usize = 10;
/// The kinds of documents that hold keys, or decide what keys are.
const KINDS: [Kind; 3] = [Kind::Key, Kind::KeySet, Kind::KeySetPart];

/// Everything that the namespace holds, good and broken.
pub(crate) async fn entries(store: &Store) -> Result<Vec<Entry>, Diagnostic> {
    let listed = store.backend.list().await;
    listed.map_err(|error| Diagnostic::error("The store was not read", error.to_string()))
}

/// A key, as it would be in a document of its own.
pub(super) struct Found {
    /// The key set that it belongs to.
    pub(super) set: Option<Name>,
    /// The key's name and what it may do.
    pub(super) document: Document,
}

impl Found {
    /// Its name as logs show it: `acme-ci`, or `partners/acme-ci` of a key set.
    pub(super) fn label(&self) -> String {
        label(self.set.as_ref(), self.document.name())
    }

    /// What it may do.
    pub(super) fn key(&self) -> Option<&document::Key> {
        match self.document.spec() {
            Spec::Key(key) => Some(key),
            _ => None,
        }
    }
}

/// Every key that proxies can read, in the order of their labels, and a warning where they can't read some.
pub(super) fn keys(entries: &[Entry]) -> (Vec<Found>, Option<Diagnostic>) {
    let mut broken = broken(entries);
    let mut keys: Vec<_> = documents(entries)
        .filter(|document| document.kind() == Kind::Key)
        .map(|document| Found {
            set: None,
            document: document.clone(),
        })
        .collect();
    for member in members(entries) {
        match member.document() {
            Ok(document) => keys.push(Found {
                set: Some(member.set.0.clone()),
                document,
            }),
            Err(problem) => {
                let label = label(Some(member.set.0), member.name);
                broken.push(format!("key {label:?}: {problem}"));
            }
        }
    }
    keys.sort_by_cached_key(Found::label);
    (keys, warning(broken))
}

/// The key of that name in that set, as far as it is good.
pub(crate) fn find(entries: &[Entry], set: &Name, name: &Name) -> Option<Document> {
    let mut members = members(entries);
    let found = members.find(|member| member.set.0 == set && member.name == name);
    found.and_then(|member| member.document().ok())
}

/// A key set's header.
pub(crate) fn key_set<'e>(entries: &'e [Entry], set: &Name) -> Option<&'e KeySet> {
    documents(entries).find_map(|document| match document.spec() {
        Spec::KeySet(header) if document.name() == set => Some(header),
        _ => None,
    })
}

/// A key of a set.
struct Member<'e> {
    set: (&'e Name, &'e KeySet),
    name: &'e Name,
    key: &'e SetKey,
}

impl Member<'_> {
    /// The document that it would be by itself, with what it has from its set.
    fn document(&self) -> Result<Document, Problem> {
        let (set_name, set) = self.set;
        let SetKey {
            enabled,
            not_before,
            expires_at,
            principal: _,
            scopes: _,
            quotas: _,
            allowed_cidrs,
            metadata,
            versions,
        } = self.key;
        let claim = self.key.claim(set);
        let key = document::Key {
            id: set.key_id(set_name, self.name),
            environment: set.environment.clone(),
            principal: claim.principal.cloned(),
            scopes: claim.scopes.cloned(),
            roles: claim.roles.cloned(),
            quotas: claim.quotas.cloned(),
            enabled: *enabled && set.enabled,
            not_before: not_before.as_deref().cloned(),
            expires_at: expires_at.as_deref().cloned(),
            allowed_cidrs: allowed_cidrs.as_deref().cloned(),
            metadata: metadata.as_deref().cloned(),
            rotation: None,
            versions: versions.to_vec(),
        };
        Document::new(self.name.clone(), key)
    }
}

/// The keys of all sets. Parts of another generation than their set's are being written, or are about to be removed.
fn members(entries: &[Entry]) -> impl Iterator<Item = Member<'_>> {
    let headers: BTreeMap<_, _> = documents(entries)
        .filter_map(|document| match document.spec() {
            Spec::KeySet(set) => Some((document.name(), set)),
            _ => None,
        })
        .collect();
    documents(entries)
        .filter_map(move |document| match document.spec() {
            Spec::KeySetPart(part) => counted(document.name(), part, &headers),
            _ => None,
        })
        .flat_map(|(set, part)| {
            let keys = part.keys.iter();
            keys.map(move |(name, key)| Member { set, name, key })
        })
}

fn counted<'e>(
    name: &Name,
    part: &'e KeySetPart,
    headers: &BTreeMap<&'e Name, &'e KeySet>,
) -> Option<((&'e Name, &'e KeySet), &'e KeySetPart)> {
    let PartName {
        set,
        generation,
        number,
    } = PartName::parse(name).ok()?;
    let (name, header) = headers.get_key_value(&set)?;
    let counts = generation == header.generation && number <= header.parts;
    counts.then_some(((*name, *header), part))
}

fn documents(entries: &[Entry]) -> impl Iterator<Item = &Document> {
    entries
        .iter()
        .filter_map(|entry| entry.document.as_ref().ok())
}

fn label(set: Option<&Name>, name: &Name) -> String {
    match set {
        None => name.to_string(),
        Some(set) => format!("{set}/{name}"),
    }
}

fn broken(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .filter(|entry| Kind::parse(&entry.id.kind).is_some_and(|kind| KINDS.contains(&kind)))
        .filter_map(|entry| Some(format!("{}: {}", entry.id, entry.document.as_ref().err()?)))
        .collect()
}

fn warning(mut broken: Vec<String>) -> Option<Diagnostic> {
    if broken.is_empty() {
        return None;
    }
    broken.sort_unstable();
    let more = broken.len().saturating_sub(NAMED_MAX);
    broken.truncate(NAMED_MAX);
    let rest = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    let detail = format!(
        "They are left out here, and proxies leave them out too. {}{rest}",
        broken.join("; ")
    );
    Some(Diagnostic::warning("Some keys are broken", detail))
}
