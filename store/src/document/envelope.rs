//! The envelope: how a document stands in JSON, in every backend.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Document, DocumentKey, KeySetPart, Kind, Owner};
use crate::{Name, Problem};

/// The version of the documents that this build writes and reads.
pub const SCHEMA: u32 = 1;

/// Which write made a document: 16 hexadecimal digits, drawn anew by every write, so that no two are ever the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    /// Draws a new revision.
    pub fn draw() -> Result<Self, rand::rngs::SysError> {
        SysRng
            .try_next_u64()
            .map(|number| Self(format!("{number:016x}")))
    }

    /// The revision of that text, as [`Revision::as_str`] gave it.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The revision as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a stored document says it is, also where it is broken. Prints as `key "acme-ci"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    /// The kind as it is written, which may be none that this build knows.
    pub kind: String,
    /// The name as it is written, which may be none.
    pub name: String,
}

impl fmt::Display for DocumentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.kind, self.name)
    }
}

impl From<DocumentKey> for DocumentId {
    fn from(key: DocumentKey) -> Self {
        Self {
            kind: key.kind.as_str().to_owned(),
            name: key.name.as_str().to_owned(),
        }
    }
}

/// What a backend holds under one kind and name: a document, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says it is.
    pub id: DocumentId,
    /// The write that made it; `None` where somebody broke it so far that it can't be told.
    pub revision: Option<Revision>,
    /// The document, or what is wrong with it.
    pub document: Result<Document, Problem>,
}

#[derive(Serialize)]
struct Written<'a> {
    kind: Kind,
    name: &'a Name,
    schema: u32,
    revision: &'a Revision,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a Owner>,
    spec: &'a super::Spec,
}

#[derive(Deserialize)]
#[serde(
    expecting = "a document: an object with kind, name, schema, revision and spec",
    deny_unknown_fields
)]
struct Raw<S> {
    kind: String,
    name: String,
    schema: u32,
    revision: Revision,
    #[serde(default)]
    owner: Option<Owner>,
    spec: S,
}

impl Entry {
    /// The JSON that stands for `document` in every backend.
    #[must_use]
    pub fn json(document: &Document, revision: &Revision) -> serde_json::Value {
        let written = Written {
            kind: document.kind(),
            name: document.name(),
            schema: SCHEMA,
            revision,
            owner: document.owner(),
            spec: document.spec(),
        };
        // Strings, numbers, lists and maps with string keys: JSON can hold them all.
        serde_json::to_value(written).unwrap_or_default()
    }

    /// Takes from a document's JSON the doubt whether anybody remembers its owner; whether there was any.
    pub(crate) fn prove(json: &mut serde_json::Value) -> bool {
        let owner = json
            .get_mut("owner")
            .and_then(serde_json::Value::as_object_mut);
        owner.is_some_and(|owner| {
            owner.remove("origin");
            owner.remove("unproven_since").is_some()
        })
    }

    /// Reads what a backend holds where `place` should be; a broken document is an entry too.
    #[must_use]
    pub fn parse(place: DocumentId, json: serde_json::Value) -> Self {
        let revision = json
            .get("revision")
            .and_then(serde_json::Value::as_str)
            .map(Revision::from_text);
        let document = parse(&place, json);
        Self {
            id: place,
            revision,
            document,
        }
    }

    /// The same from text, which may be no JSON at all.
    #[must_use]
    pub fn read(place: DocumentId, text: &[u8]) -> Self {
        if let Some(entry) = Self::read_part(&place, text) {
            return entry;
        }
        match serde_json::from_slice(text) {
            Ok(json) => Self::parse(place, json),
            Err(error) => Self::broken(place, format!("it is not JSON: {error}")),
        }
    }

    /// A part of a key set without a fault: nothing else is large, and it is read in place. `None`: it is anything else,
    /// or what is wrong with it is still to be found.
    fn read_part(place: &DocumentId, text: &[u8]) -> Option<Self> {
        if place.kind != Kind::KeySetPart.as_str() {
            return None;
        }
        // Looked at as a whole, it is known for text much sooner than string by string.
        let text = std::str::from_utf8(text).ok()?;
        // A list would be taken for an object whose members come in their order.
        if !text.trim_ascii_start().starts_with('{') {
            return None;
        }
        let Raw::<KeySetPart> {
            kind,
            name,
            schema,
            revision,
            owner,
            spec,
        } = serde_json::from_str(text).ok()?;
        if schema != SCHEMA || kind != place.kind || name != place.name {
            return None;
        }
        let name = Name::parse(&name).ok()?;
        let document = Document::new(name, spec).ok()?.owned(owner);
        Some(Self {
            id: place.clone(),
            revision: Some(revision),
            document: Ok(document),
        })
    }

    /// An entry whose text is no JSON at all.
    #[must_use]
    pub fn broken(place: DocumentId, message: impl Into<String>) -> Self {
        Self {
            id: place,
            revision: None,
            document: Err(Problem::whole(message)),
        }
    }
}

fn parse(place: &DocumentId, mut json: serde_json::Value) -> Result<Document, Problem> {
    // A newer schema may hold fields that mean less access: a build that does not know them must not guess.
    if let Some(schema) = json.get("schema").and_then(serde_json::Value::as_u64)
        && schema != u64::from(SCHEMA)
    {
        return Err(Problem::whole(format!(
            "it was written with document schema {schema}, this build reads {SCHEMA}: upgrade it"
        )));
    }
    let spec = json.get_mut("spec").map(serde_json::Value::take);
    // Only its place: what it holds is read by itself, by its kind.
    let Raw::<IgnoredAny> {
        kind,
        name,
        schema: _,
        revision: _,
        owner,
        spec: _,
    } = serde_path_to_error::deserialize(json)?;
    if kind != place.kind || name != place.name {
        return Err(Problem::whole(format!(
            "it says that it is {kind} {name:?}, but stands where {place} should"
        )));
    }
    let kind = Kind::parse(&kind)
        .ok_or_else(|| Problem::whole(format!("this build knows no kind {kind:?}: upgrade it")))?;
    let name = Name::parse(&name).map_err(Problem::whole)?;
    let spec = spec.unwrap_or_default();
    Ok(Document::parse(&DocumentKey { kind, name }, spec)?.owned(owner))
}
