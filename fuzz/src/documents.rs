//! Documents, as a backend finds them.

use serde_json::Value;
use tollgate_conditions::Cedar;
use tollgate_gate::Snapshot;
use tollgate_store::Name;
use tollgate_store::document::{DocumentId, Entry};

/// A document that is accepted is written as it is read, and a snapshot of anything is made.
///
/// # Panics
///
/// Where that does not hold.
pub fn documents(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let text = |field: &str| json.get(field).and_then(Value::as_str).unwrap_or_default();
    let place = DocumentId {
        kind: text("kind").to_owned(),
        name: text("name").to_owned(),
    };
    let entry = Entry::parse(place.clone(), json);
    if let (Ok(document), Some(revision)) = (&entry.document, &entry.revision) {
        let again = Entry::parse(place, Entry::json(document, revision));
        assert_eq!(again, entry, "a document reads as it is written");
    }
    if let Ok(proxy) = Name::parse("edge") {
        let _ = Snapshot::build(&[entry], &proxy, &Cedar);
    }
}
