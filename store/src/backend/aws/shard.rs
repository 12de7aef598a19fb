//! A shard's documents, and what may be done to them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::envelope::{self, TooLarge};
use crate::backend::standing::Standing;
use crate::backend::{Expected, StoreError};
use crate::document::{DocumentId, DocumentKey, Entry, Revision};

/// What a writer wants done to one document.
#[derive(Debug)]
pub(super) enum Edit {
    /// The document's JSON with that revision, where `expected` stands.
    Write {
        json: Value,
        revision: Revision,
        expected: Expected,
    },
    /// No document, where that revision stands.
    Delete { expected: Revision },
    /// The same document, remembered, where that revision stands.
    Prove { revision: Revision },
}

/// What becomes of a shard's secret. Only an open one is ever changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is the shard.
    #[default]
    Open,
    /// It becomes the shard once it is given documents; it says nothing yet.
    Reserved,
    /// Its last document was removed, and it is about to be.
    Closed,
    /// Its versions are used up: what it holds moves on.
    Moving { to: u32 },
    /// The namespace is being spread over that many shards.
    Resharding { count: u8 },
}

/// Everything in one shard's value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shard {
    /// What tells this write from every other, also from one that writes the same documents.
    pub(super) nonce: String,
    /// How many values its secret was given.
    pub(super) versions: u32,
    /// What becomes of the secret.
    pub(super) stage: Stage,
    /// The ARN of the secret that held these documents before. It is removed before anything else is written here.
    pub(super) moves_from: Option<String>,
    /// The documents as they are written, good and broken, by what they say they are.
    pub(super) documents: BTreeMap<DocumentId, Value>,
}

impl Shard {
    /// A shard with these documents; an error where one of them is there twice.
    pub(super) fn new(stage: Stage, list: Vec<Value>) -> Result<Self, String> {
        let mut documents = BTreeMap::new();
        for (position, json) in list.into_iter().enumerate() {
            let id = id(&json, position);
            if documents.insert(id.clone(), json).is_some() {
                return Err(format!("it holds {id} twice"));
            }
        }
        Ok(Self {
            stage,
            documents,
            ..Self::default()
        })
    }

    /// Reads a value; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        envelope::parse(text)
    }

    /// The value that [`Shard::parse`] reads; an error where there is no room for it.
    pub(super) fn to_text(&self, place: &Place<'_>) -> Result<String, StoreError> {
        envelope::write(self).map_err(|TooLarge { bytes, bytes_max }| StoreError::Full {
            place: place.store.to_owned(),
            item: format!("secret {}", place.secret),
            bytes,
            bytes_max,
        })
    }

    /// Whether it holds no document.
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The documents, good and broken.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.documents
            .iter()
            .map(|(id, json)| Entry::parse(id.clone(), json.clone()))
    }

    /// One document, good or broken.
    pub(super) fn entry(&self, key: &DocumentKey) -> Option<Entry> {
        let id = DocumentId::from(key.clone());
        let json = self.documents.get(&id)?.clone();
        Some(Entry::parse(id, json))
    }

    /// Makes several changes, each by itself; tells of each whether there was anything to do.
    pub(super) fn apply_all<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a DocumentKey, &'a Edit)> + Clone,
        place: &Place<'_>,
    ) -> Vec<Result<bool, StoreError>> {
        let before = self.documents.clone();
        let outcomes = changes
            .clone()
            .map(|(key, change)| self.apply(key, change, place))
            .collect();
        if self.to_text(place).is_ok() {
            return outcomes;
        }
        // Together they are too much: those that still fit are made, each weighed by itself.
        self.documents = before;
        changes
            .map(|(key, change)| self.apply_where_it_fits(key, change, place))
            .collect()
    }

    fn apply_where_it_fits(
        &mut self,
        key: &DocumentKey,
        change: &Edit,
        place: &Place<'_>,
    ) -> Result<bool, StoreError> {
        let id = DocumentId::from(key.clone());
        let earlier = self.documents.get(&id).cloned();
        let changed = self.apply(key, change, place)?;
        let Err(full) = self.to_text(place) else {
            return Ok(changed);
        };
        match earlier {
            // What makes a shard smaller is welcome, even where it still is too large.
            Some(_) if matches!(change, Edit::Delete { .. } | Edit::Prove { .. }) => {
                return Ok(changed);
            }
            Some(json) => self.documents.insert(id, json),
            None => self.documents.remove(&id),
        };
        Err(full)
    }

    /// Makes one change where what its writer believes still stands; tells whether there was anything to do.
    ///
    /// Making it a second time does nothing: so a writer whose first answer was lost finds its work done.
    fn apply(
        &mut self,
        key: &DocumentKey,
        change: &Edit,
        place: &Place<'_>,
    ) -> Result<bool, StoreError> {
        let standing = match self.entry(key) {
            None => Standing::Nothing,
            Some(entry) => Standing::Document(entry.revision),
        };
        let store = || place.store.to_owned();
        match change {
            Edit::Write { revision, .. }
                if standing == Standing::Document(Some(revision.clone())) =>
            {
                Ok(false)
            }
            Edit::Write { json, expected, .. } => {
                standing.admit_write(key, expected, store)?;
                self.documents.insert(key.clone().into(), json.clone());
                Ok(true)
            }
            Edit::Prove { revision } => {
                let stands = standing == Standing::Document(Some(revision.clone()));
                let json = self.documents.get_mut(&DocumentId::from(key.clone()));
                Ok(json.filter(|_| stands).is_some_and(Entry::prove))
            }
            Edit::Delete { expected } => {
                let standing = standing.admit_delete(key, expected, store)?;
                if standing {
                    self.documents.remove(&DocumentId::from(key.clone()));
                }
                Ok(standing)
            }
        }
    }
}

/// Where a shard is, for messages.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The store.
    pub(super) store: &'a str,
    /// The shard's secret.
    pub(super) secret: &'a str,
}

/// What the JSON says it is; its position where it does not say.
fn id(json: &Value, position: usize) -> DocumentId {
    let text = |field: &str| json.get(field).and_then(Value::as_str).map(str::to_owned);
    DocumentId {
        kind: text("kind").unwrap_or_else(|| "document".to_owned()),
        name: text("name").unwrap_or_else(|| format!("at position {position}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::layout::VALUE_BYTES_MAX;
    use super::*;
    use crate::Name;
    use crate::document::{Document, Kind};

    const PLACE: Place<'_> = Place {
        store: "here",
        secret: "tollgate/prod/shard-00",
    };

    fn key(name: &str) -> DocumentKey {
        DocumentKey {
            kind: Kind::Upstream,
            name: Name::parse(name).unwrap(),
        }
    }

    /// A write of so many bytes that can't be compressed.
    fn write(name: &str, noise_bytes: usize) -> (DocumentKey, Edit) {
        let key = key(name);
        let spec = json!({"targets": ["http://a"]});
        let document = Document::parse(&key, spec).unwrap();
        let revision = Revision::draw().unwrap();
        let mut json = Entry::json(&document, &revision);
        let noise: String = std::iter::repeat_with(|| rand::random_range(' '..='~'))
            .take(noise_bytes)
            .collect();
        json["spec"]["description"] = noise.into();
        let change = Edit::Write {
            json,
            revision,
            expected: Expected::Absent,
        };
        (key, change)
    }

    fn apply(shard: &mut Shard, changes: &[(DocumentKey, Edit)]) -> Vec<Result<bool, StoreError>> {
        shard.apply_all(changes.iter().map(|(key, edit)| (key, edit)), &PLACE)
    }

    #[test]
    fn a_change_that_was_made_already_is_no_conflict() {
        let mut shard = Shard::default();
        let changes = [write("a", 0)];
        assert!(apply(&mut shard, &changes)[0].as_ref().unwrap());

        assert!(!apply(&mut shard, &changes)[0].as_ref().unwrap());
    }

    #[test]
    fn a_full_shard_says_so_and_takes_what_fits() {
        let mut shard = Shard::default();
        let changes = [write("a", 40_000), write("b", 40_000), write("c", 100)];

        let outcomes = apply(&mut shard, &changes);

        let error = outcomes[1].as_ref().unwrap_err();
        assert!(
            matches!(error, StoreError::Full { bytes, .. } if *bytes > VALUE_BYTES_MAX),
            "{error}"
        );
        let stands = changes
            .each_ref()
            .map(|(key, _)| shard.entry(key).is_some());
        assert_eq!(stands, [true, false, true]);
    }

    #[test]
    fn what_this_build_does_not_know_is_kept_as_it_is() {
        let text =
            r#"{"format":1,"nonce":"n","documents":[{"kind":"gizmo","name":"g","schema":7},[1]]}"#;
        let mut shard = Shard::parse(text).unwrap();

        apply(&mut shard, &[write("a", 0)]);

        let text = shard.to_text(&PLACE).unwrap();
        assert!(
            text.contains(r#"{"kind":"gizmo","name":"g","schema":7}"#),
            "{text}"
        );
        assert!(text.contains("[1]"), "{text}");
    }
}
