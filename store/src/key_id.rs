//! A key's public id.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::{Name, Namespace, in_place};

/// How many characters a key's id has.
pub(crate) const KEY_ID_CHARS: usize = 12;

/// What six base62 digits count up to.
const HALF: u128 = 62_u128.pow(6);
const DIGITS: [u8; 62] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key's public id: 12 base62 characters, shown in logs and inside the token.
///
/// It derives from the namespace and the key's name, of a set's key also from the set's, so that a create which was
/// interrupted and is run again finds the token that it had written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct KeyId([u8; KEY_ID_CHARS]);

impl KeyId {
    /// Stands where an id must stand and there is no key: twelve zeros, which no name derives in practice.
    pub const NONE: Self = Self([b'0'; KEY_ID_CHARS]);

    /// The id of the key `name` in `namespace`.
    #[must_use]
    pub fn derive(namespace: &Namespace, name: &Name) -> Self {
        Self::from_digest(
            Sha256::new()
                .chain_update(b"tollgate key id\0")
                .chain_update(namespace.as_str())
                .chain_update(b"\0")
                .chain_update(name.as_str()),
        )
    }

    /// The id of the key `key` of the set `set` in `namespace`. No key that stands by itself has the same, whatever
    /// it is called.
    #[must_use]
    pub fn derive_in_set(namespace: &Namespace, set: &Name, key: &Name) -> Self {
        Self::from_digest(
            Sha256::new()
                .chain_update(b"tollgate key set key id\0")
                .chain_update(namespace.as_str())
                .chain_update(b"\0")
                .chain_update(set.as_str())
                .chain_update(b"\0")
                .chain_update(key.as_str()),
        )
    }

    fn from_digest(digest: Sha256) -> Self {
        let digest = digest.finalize();
        let number = digest.first_chunk().copied().unwrap_or_default();
        let mut number = u128::from_be_bytes(number);
        let mut id = [0; KEY_ID_CHARS];
        // Six digits at a time: dividing what takes two words is slow.
        for half in id.chunks_mut(KEY_ID_CHARS / 2) {
            let mut digits = u64::try_from(number % HALF).unwrap_or_default();
            number /= HALF;
            for slot in half {
                *slot = base62_digit(digits);
                digits /= 62;
            }
        }
        Self(id)
    }

    /// Reads an id; the error says what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        <[u8; KEY_ID_CHARS]>::try_from(text.as_bytes())
            .ok()
            .filter(|id| id.iter().all(u8::is_ascii_alphanumeric))
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is not a key's id: it must have {KEY_ID_CHARS} letters or digits")
            })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The base62 digit for `number` modulo 62.
pub(crate) fn base62_digit(number: u64) -> u8 {
    let index = usize::try_from(number % 62).unwrap_or_default();
    DIGITS.get(index).copied().unwrap_or(b'0')
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.as_str().to_owned()
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        in_place::read(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_always_has_the_same_id_and_another_namespace_another() {
        let name = Name::parse("acme-ci").unwrap();
        let prod = KeyId::derive(&Namespace::parse("prod").unwrap(), &name);
        let test = KeyId::derive(&Namespace::parse("test").unwrap(), &name);

        assert_eq!(
            prod,
            KeyId::derive(&Namespace::parse("prod").unwrap(), &name)
        );
        assert_ne!(prod, test);
        assert_eq!(KeyId::parse(prod.as_str()), Ok(prod));
    }

    #[test]
    fn a_key_of_a_set_has_another_id_than_the_same_key_elsewhere() {
        let namespace = Namespace::parse("prod").unwrap();
        let name = |text| Name::parse(text).unwrap();
        let ids = [
            KeyId::derive_in_set(&namespace, &name("partners"), &name("acme")),
            KeyId::derive_in_set(&namespace, &name("clients"), &name("acme")),
            KeyId::derive_in_set(&namespace, &name("partners/acme"), &name("acme")),
            KeyId::derive(&namespace, &name("acme")),
            KeyId::derive(&namespace, &name("partners/acme")),
        ];

        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }

    #[test]
    fn ids_never_change_since_tokens_hold_them() {
        let namespace = Namespace::parse("prod").unwrap();
        let name = |text| Name::parse(text).unwrap();

        let alone = KeyId::derive(&namespace, &name("acme-ci"));
        let in_set = KeyId::derive_in_set(&namespace, &name("partners"), &name("acme-ci"));
        assert_eq!(alone.as_str(), "bfRjcrR7CKhD");
        assert_eq!(in_set.as_str(), "MQy0mawimLc6");
    }

    #[test]
    fn eleven_or_thirteen_characters_are_no_id() {
        for text in ["", "abcdefghijk", "abcdefghijklm", "abcdefghij-l"] {
            assert!(KeyId::parse(text).is_err(), "{text:?}");
        }
    }
}
