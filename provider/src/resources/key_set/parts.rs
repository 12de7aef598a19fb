//! The documents that hold a set's keys.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tollgate_store::Name;
use tollgate_store::document::{
    Document, DocumentKey, Entry, KeySetPart, Kind, PartName, Revision, SetKey, Spec,
};

use super::layout::Layout;
use crate::resource::Failed;
use crate::store::Store;

/// Keys by name, in the document's JSON.
pub(super) type Keys = BTreeMap<Name, Json>;

/// A part that stands; of a broken one, its place and revision.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: PartName,
    pub(super) revision: Option<Revision>,
    pub(super) content: Option<KeySetPart>,
}

impl Part {
    /// What it is found by.
    pub(super) fn key(&self) -> Option<DocumentKey> {
        Some(DocumentKey {
            kind: Kind::KeySetPart,
            name: self.name.to_name().ok()?,
        })
    }

    /// Whether it belongs to that layout, and so does every key in it.
    pub(super) fn is_of(&self, layout: Layout) -> bool {
        let mut keys = self.content.iter().flat_map(|content| content.keys.keys());
        self.name.generation == layout.generation
            && keys.all(|name| layout.part(name) == self.name.number)
    }
}

/// Every part of a set that stands, of whatever generation.
pub(super) async fn read(store: &Store, set: &Name) -> Result<Vec<Part>, Failed> {
    let entries = store.backend.list().await?;
    let parts = entries.into_iter().filter_map(part);
    Ok(parts.filter(|part| part.name.set == *set).collect())
}

fn part(entry: Entry) -> Option<Part> {
    if entry.id.kind != Kind::KeySetPart.as_str() {
        return None;
    }
    let name = Name::parse(&entry.id.name).ok()?;
    let content = match entry.document.as_ref().map(Document::spec) {
        Ok(Spec::KeySetPart(part)) => Some(part.clone()),
        _ => None,
    };
    Some(Part {
        name: PartName::parse(&name).ok()?,
        revision: entry.revision,
        content,
    })
}

/// The keys of one generation.
pub(super) fn keys(parts: &[Part], generation: u32) -> BTreeMap<Name, SetKey> {
    let current = parts
        .iter()
        .filter(|part| part.name.generation == generation);
    let contents = current.filter_map(|part| part.content.as_ref());
    contents
        .flat_map(|part| part.keys.iter())
        .map(|(name, key)| (name.clone(), key.clone()))
        .collect()
}
