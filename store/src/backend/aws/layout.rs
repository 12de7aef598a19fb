//! How a namespace is spread over secrets, and what they are called.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::backend::TokenOwner;
use crate::document::DocumentKey;
use crate::{KeyId, Namespace};

/// The version of this layout, in the value of the index and of every shard.
pub(super) const FORMAT: u64 = 1;
/// How many shards a namespace is spread over.
pub(super) const SHARDS: u8 = 16;
/// The most bytes that Secrets Manager takes as a value.
pub(super) const VALUE_BYTES_MAX: usize = 65_536;
/// How every shard's tag on the index starts.
pub(super) const SHARD_TAG: &str = "shard-";
/// The tag of a token's secret that names its key.
pub(super) const KEY_TAG: &str = "tollgate-key";
/// The tag of a page of tokens that names its key set.
pub(super) const KEY_SET_TAG: &str = "tollgate-key-set";

/// One of a namespace's shards: `0..SHARDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardNumber(u8);

impl ShardNumber {
    /// Every shard.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard that holds the document. A build that answered otherwise would not find what others wrote.
    pub(super) fn of(key: &DocumentKey) -> Self {
        let digest = Sha256::digest(format!("{}/{}", key.kind, key.name));
        Self(digest.first().copied().unwrap_or_default() % SHARDS)
    }

    /// Its tag on the index: `shard-07`.
    pub(super) fn tag(self) -> String {
        format!("{SHARD_TAG}{:02}", self.0)
    }

    /// Its place in a list of all shards.
    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }
}

/// The names of one namespace's secrets.
#[derive(Debug)]
pub(super) struct Names {
    namespace: Namespace,
    prefix: String,
}

impl Names {
    /// The names in `namespace`.
    pub(super) fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            prefix: format!("tollgate/{namespace}"),
        }
    }

    /// The secret that tells of changes.
    pub(super) fn index(&self) -> String {
        format!("{}/index", self.prefix)
    }

    /// The secret that holds a shard's documents.
    pub(super) fn shard(&self, number: ShardNumber) -> String {
        format!("{}/{}", self.prefix, number.tag())
    }

    /// The secret that holds one client's token, or a page of a key set's.
    pub(super) fn token(&self, owner: TokenOwner<'_>) -> String {
        match owner {
            TokenOwner::Key { id, .. } => format!("{}/token/{id}", self.prefix),
            TokenOwner::Page {
                set,
                generation,
                page,
            } => {
                // A set's name may hold what a secret's may not.
                let set = KeyId::derive(&self.namespace, set);
                format!("{}/tokens/{set}/{generation}/{page}", self.prefix)
            }
        }
    }

    /// The value of the index.
    pub(super) fn index_value(&self) -> String {
        let shards: BTreeMap<String, String> = ShardNumber::all()
            .map(|number| (number.tag(), self.shard(number)))
            .collect();
        json!({"format": FORMAT, "shard_count": SHARDS, "shards": shards}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;
    use crate::document::Kind;

    #[test]
    fn a_document_never_moves_to_another_shard() {
        let shard = |kind, name| {
            let name = Name::parse(name).unwrap();
            ShardNumber::of(&DocumentKey { kind, name }).tag()
        };

        assert_eq!(shard(Kind::Key, "acme-ci"), "shard-14");
        assert_eq!(shard(Kind::Scope, "orders:read"), "shard-09");
        assert_eq!(shard(Kind::Upstream, "orders"), "shard-06");
    }

    #[test]
    fn the_index_names_every_shard() {
        let names = Names::new(&Namespace::parse("prod").unwrap());

        let value: serde_json::Value = serde_json::from_str(&names.index_value()).unwrap();

        assert_eq!(value["shards"]["shard-15"], "tollgate/prod/shard-15");
        assert_eq!(value["shards"].as_object().unwrap().len(), 16);
    }
}
