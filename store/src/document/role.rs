//! Roles: scopes that are given together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::check_set;
use super::{Declaration, Kind, Spec};
use crate::{Description, Name, Problem};

/// The most scopes of one role.
pub const ROLE_SCOPES_MAX: usize = 100;

/// Scopes that are given together, to principals and to keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The scopes that whoever has it holds: 1 to 100.
    pub scopes: BTreeSet<Name>,
}

impl Declaration for Role {
    const KIND: Kind = Kind::Role;

    fn check(&self) -> Result<(), Problem> {
        check_set("scopes", Some(&self.scopes), ROLE_SCOPES_MAX)
    }
}

impl From<Role> for Spec {
    fn from(role: Role) -> Self {
        Self::Role(role)
    }
}
