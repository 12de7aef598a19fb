//! Documents and names for tests.

use serde_json::json;
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::{KeyId, Name, Namespace};

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn namespace() -> Namespace {
    Namespace::parse("prod").unwrap()
}

pub(crate) fn key(kind: Kind, text: &str) -> DocumentKey {
    DocumentKey {
        kind,
        name: name(text),
    }
}

pub(crate) fn upstream(text: &str, port: u16) -> Document {
    let spec = json!({"targets": [format!("http://127.0.0.1:{port}")]});
    Document::parse(&key(Kind::Upstream, text), spec).unwrap()
}

pub(crate) fn scope(text: &str) -> Document {
    let spec = json!({"grants": [{"path": "/v1/**"}]});
    Document::parse(&key(Kind::Scope, text), spec).unwrap()
}

pub(crate) fn key_id(text: &str) -> KeyId {
    KeyId::derive(&namespace(), &name(text))
}
