//! Keys as they are declared, each by itself or in a set.

use smol_str::{SmolStr, format_smolstr};
use tollgate_store::document::{Claim, Key, KeySet, SetKey};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name};

use crate::identify::Credential;

/// A key as it is declared. There may be millions at once: it says where everything stands, and repeats nothing.
pub(super) struct Candidate<'e> {
    pub(super) id: KeyId,
    declared: Declared<'e>,
}

#[derive(Clone, Copy)]
enum Declared<'e> {
    Alone {
        name: &'e Name,
        key: &'e Key,
    },
    InSet {
        set: (&'e Name, &'e KeySet),
        name: &'e Name,
        key: &'e SetKey,
    },
}

impl<'e> Candidate<'e> {
    /// A key that stands by itself.
    pub(super) fn alone(name: &'e Name, key: &'e Key) -> Self {
        Self {
            id: key.id,
            declared: Declared::Alone { name, key },
        }
    }

    /// A key of a set.
    pub(super) fn in_set(set: (&'e Name, &'e KeySet), name: &'e Name, key: &'e SetKey) -> Self {
        Self {
            id: set.1.key_id(set.0, name),
            declared: Declared::InSet { set, name, key },
        }
    }

    /// What it is called in logs; of a key of a set: `<set>/<key>`.
    pub(super) fn name(&self) -> SmolStr {
        match self.declared {
            Declared::Alone { name, .. } => name.as_str().into(),
            Declared::InSet {
                set: (set, _),
                name,
                ..
            } => format_smolstr!("{set}/{name}"),
        }
    }

    /// As whom it acts, what it may do, and what counts it.
    pub(super) fn claim(&self) -> Claim<'e> {
        match self.declared {
            Declared::Alone { key, .. } => key.claim(),
            Declared::InSet {
                set: (_, set), key, ..
            } => key.claim(set),
        }
    }

    /// What is said of the key itself.
    pub(super) fn credential(&self) -> Credential<'e> {
        match self.declared {
            Declared::Alone { key, .. } => Credential {
                id: self.id,
                is_in_set: false,
                enabled: key.enabled,
                not_before: key.not_before.as_ref(),
                expires_at: key.expires_at.as_ref(),
                allowed_cidrs: key.allowed_cidrs.as_ref(),
                versions: &key.versions,
            },
            Declared::InSet {
                set: (_, set), key, ..
            } => Credential {
                id: self.id,
                is_in_set: true,
                enabled: set.enabled && key.enabled,
                not_before: key.not_before.as_deref(),
                expires_at: key.expires_at.as_deref(),
                allowed_cidrs: key.allowed_cidrs.as_deref(),
                versions: &key.versions,
            },
        }
    }

    /// Its tokens that were made elsewhere.
    pub(super) fn foreign(&self) -> impl Iterator<Item = Verifier> + use<'e> {
        let versions = match self.declared {
            Declared::Alone { key, .. } => key.versions.as_slice(),
            Declared::InSet { key, .. } => &key.versions,
        };
        let foreign = versions.iter().filter(|version| version.imported);
        foreign.map(|version| version.sha256)
    }
}
