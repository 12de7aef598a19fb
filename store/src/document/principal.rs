//! Principals: users and systems that may own many credentials.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_metadata, check_set, enabled};
use super::{Declaration, Kind, Priority, Spec, Subject};
use crate::{Cidr, Description, Name, Problem};

/// The most roles of one principal.
pub const PRINCIPAL_ROLES_MAX: usize = 32;
/// The most quotas of one principal.
pub const PRINCIPAL_QUOTAS_MAX: usize = 8;
/// The most subjects of one principal.
pub const PRINCIPAL_SUBJECTS_MAX: usize = 32;
/// The most address blocks of one principal.
pub const PRINCIPAL_CIDRS_MAX: usize = 32;

/// A user or a system that may own many credentials, which share its quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What it is, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Whether it is a person or a machine, for those who read it: both are treated alike.
    #[serde(default)]
    pub kind: PrincipalKind,
    /// The roles it has: 1 to 32. Without any it may do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Name>>,
    /// The quotas that all its credentials are counted by: 1 to 8; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<BTreeSet<Name>>,
    /// How soon its requests are shed where an upstream is throttled, whatever their routes say; as those say where
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// By what callers without a key are this principal: issuers' tokens and clients' certificates, 1 to 32; none where
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<Subject>>,
    /// From where its credentials open anything: 1 to 32 blocks; everywhere where left out. A key's own blocks must
    /// hold the address, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<BTreeSet<Cidr>>,
    /// Whether its credentials open anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Notes of the author's, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A machine, a service, an organisation.
    #[default]
    System,
}

impl Declaration for Principal {
    const KIND: Kind = Kind::Principal;

    fn check(&self) -> Result<(), Problem> {
        check_set("roles", self.roles.as_ref(), PRINCIPAL_ROLES_MAX)?;
        check_set("quotas", self.quotas.as_ref(), PRINCIPAL_QUOTAS_MAX)?;
        let subjects = self.subjects.as_deref();
        check_count("subjects", subjects.map(<[_]>::len), PRINCIPAL_SUBJECTS_MAX)?;
        check_set(
            "allowed_cidrs",
            self.allowed_cidrs.as_ref(),
            PRINCIPAL_CIDRS_MAX,
        )?;
        check_metadata(self.metadata.as_ref())
    }
}

impl From<Principal> for Spec {
    fn from(principal: Principal) -> Self {
        Self::Principal(principal)
    }
}
