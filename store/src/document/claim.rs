//! What a key claims: as whom it acts, what it may do, what counts it.

use std::collections::BTreeSet;

use super::check::check_set;
use crate::{Name, Problem};

/// The most scopes of one key, or of all keys of a set.
pub const KEY_SCOPES_MAX: usize = 100;
/// The most roles of one key, or of all keys of a set.
pub const KEY_ROLES_MAX: usize = 32;
/// The most quotas of one key, or of all keys of a set.
pub const KEY_QUOTAS_MAX: usize = 8;

/// What a key claims, wherever it is declared: as whom it acts, what it may do, what counts it.
///
/// With a principal it may do what the principal's roles allow, narrowed to its own scopes where it has any, and its
/// quotas count beside the principal's. Without one it stands alone, and may do what its scopes and roles allow
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim<'d> {
    /// The principal that it acts as.
    pub principal: Option<&'d Name>,
    /// Its own scopes.
    pub scopes: Option<&'d BTreeSet<Name>>,
    /// Its own roles; never beside a principal.
    pub roles: Option<&'d BTreeSet<Name>>,
    /// Its own quotas.
    pub quotas: Option<&'d BTreeSet<Name>>,
}

impl Claim<'_> {
    /// Checks that it says what a key needs, and nothing that contradicts itself.
    pub fn check(&self) -> Result<(), Problem> {
        self.check_consistent()?;
        if self.principal.is_none() && self.scopes.is_none() && self.roles.is_none() {
            return Err(Problem::field(
                "scopes",
                "a key needs a principal, or scopes or roles of its own: give one of them",
            ));
        }
        Ok(())
    }

    /// Whether both are told by the very same words of the same documents: then they are equal, and nothing of what they
    /// say has to be looked at. Those that are told elsewhere may be equal, too.
    #[must_use]
    pub fn is_told_with(&self, other: &Self) -> bool {
        fn same<T>(one: Option<&T>, other: Option<&T>) -> bool {
            match (one, other) {
                (None, None) => true,
                (Some(one), Some(other)) => std::ptr::eq(one, other),
                _ => false,
            }
        }
        same(self.principal, other.principal)
            && same(self.scopes, other.scopes)
            && same(self.roles, other.roles)
            && same(self.quotas, other.quotas)
    }

    /// Checks what is said, but not that enough is: a set may leave it to its keys.
    pub(super) fn check_consistent(&self) -> Result<(), Problem> {
        check_set("scopes", self.scopes, KEY_SCOPES_MAX)?;
        check_set("roles", self.roles, KEY_ROLES_MAX)?;
        check_set("quotas", self.quotas, KEY_QUOTAS_MAX)?;
        if let (Some(principal), Some(_)) = (self.principal, self.roles) {
            let principal = principal.as_str();
            let message = format!(
                "the roles of a key that acts as a principal come from principal {principal:?}: remove one of the two"
            );
            return Err(Problem::field("roles", message));
        }
        Ok(())
    }
}
