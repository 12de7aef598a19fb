//! A shard's value: the documents whose key hashes there, and what may be done to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layout::{FORMAT, VALUE_BYTES_MAX};
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
}

/// Everything in one shard's value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shard {
    /// What tells this write from every other, also from one that writes the same documents.
    pub(super) nonce: String,
    /// Nothing is ever written after this; see the module's description.
    pub(super) closed: bool,
    documents: BTreeMap<DocumentId, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u64,
    nonce: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
    documents: Vec<Value>,
}

impl Shard {
    /// Reads a value; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        check_format(&json)?;
        let Raw {
            format: _,
            nonce,
            closed,
            documents: list,
        } = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let mut documents = BTreeMap::new();
        for (position, json) in list.into_iter().enumerate() {
            let id = id(&json, position);
            if documents.insert(id.clone(), json).is_some() {
                return Err(format!("it holds {id} twice"));
            }
        }
        Ok(Self {
            nonce,
            closed,
            documents,
        })
    }

    /// The value that [`Shard::parse`] reads.
    pub(super) fn to_text(&self) -> String {
        let raw = Raw {
            format: FORMAT,
            nonce: self.nonce.clone(),
            closed: self.closed,
            documents: self.documents.values().cloned().collect(),
        };
        // Strings, numbers and lists: JSON can hold them all.
        serde_json::to_string(&raw).unwrap_or_default()
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

    /// Makes one change where what its writer believes still stands; tells whether there was anything to do.
    ///
    /// Making it a second time does nothing: so a writer whose first answer was lost finds its work done.
    pub(super) fn apply(
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
                self.insert(key.clone().into(), json.clone(), place)?;
                Ok(true)
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

    fn insert(&mut self, id: DocumentId, json: Value, place: &Place<'_>) -> Result<(), StoreError> {
        let earlier = self.documents.insert(id.clone(), json);
        let bytes = self.to_text().len();
        if bytes <= VALUE_BYTES_MAX {
            return Ok(());
        }
        match earlier {
            Some(json) => self.documents.insert(id, json),
            None => self.documents.remove(&id),
        };
        Err(StoreError::Full {
            place: place.store.to_owned(),
            item: format!("secret {}", place.secret),
            bytes,
            bytes_max: VALUE_BYTES_MAX,
        })
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

/// Refuses a value that another version of the layout wrote.
pub(super) fn check_format(json: &Value) -> Result<(), String> {
    match json.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => Ok(()),
        Some(format) => Err(format!(
            "it was written in format {format}, this build reads {FORMAT}: upgrade it"
        )),
        None => Err("it has no format number".to_owned()),
    }
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

    fn write(name: &str, description_bytes: usize) -> (DocumentKey, Edit) {
        let key = key(name);
        let spec = json!({"targets": ["http://a"]});
        let document = Document::parse(&key, spec).unwrap();
        let revision = Revision::draw().unwrap();
        let mut json = Entry::json(&document, &revision);
        json["spec"]["description"] = "x".repeat(description_bytes).into();
        let change = Edit::Write {
            json,
            revision,
            expected: Expected::Absent,
        };
        (key, change)
    }

    #[test]
    fn a_shard_survives_its_text() {
        let mut shard = Shard {
            nonce: "n".to_owned(),
            ..Shard::default()
        };
        let (key, change) = write("a", 0);
        assert!(shard.apply(&key, &change, &PLACE).unwrap());

        assert_eq!(Shard::parse(&shard.to_text()), Ok(shard));
    }

    #[test]
    fn a_change_that_was_made_already_is_no_conflict() {
        let mut shard = Shard::default();
        let (key, change) = write("a", 0);
        shard.apply(&key, &change, &PLACE).unwrap();

        assert!(!shard.apply(&key, &change, &PLACE).unwrap());
    }

    #[test]
    fn a_full_shard_says_so_and_keeps_what_it_has() {
        let mut shard = Shard::default();
        let (first, change) = write("a", 40_000);
        shard.apply(&first, &change, &PLACE).unwrap();

        let (second, change) = write("b", 40_000);
        let error = shard.apply(&second, &change, &PLACE).unwrap_err();

        assert!(matches!(error, StoreError::Full { bytes, .. } if bytes > VALUE_BYTES_MAX));
        assert!(shard.entry(&first).is_some());
        assert!(shard.entry(&second).is_none());
    }

    #[test]
    fn what_this_build_does_not_know_is_kept_as_it_is() {
        let text =
            r#"{"format":1,"nonce":"n","documents":[{"kind":"gizmo","name":"g","schema":7},[1]]}"#;
        let mut shard = Shard::parse(text).unwrap();
        let (key, change) = write("a", 0);

        shard.apply(&key, &change, &PLACE).unwrap();

        let text = shard.to_text();
        assert!(
            text.contains(r#"{"kind":"gizmo","name":"g","schema":7}"#),
            "{text}"
        );
        assert!(text.contains("[1]"), "{text}");
    }

    #[test]
    fn a_corrupt_value_is_told_what_is_wrong() {
        for (text, expected) in [
            ("{", "it is not JSON"),
            ("{}", "no format number"),
            (r#"{"format":2}"#, "upgrade it"),
            (r#"{"format":1,"documents":[]}"#, "missing field `nonce`"),
            (
                r#"{"format":1,"nonce":"n","documents":[{"kind":"key","name":"a"},{"kind":"key","name":"a"}]}"#,
                "it holds key \"a\" twice",
            ),
        ] {
            let problem = Shard::parse(text).unwrap_err();

            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
