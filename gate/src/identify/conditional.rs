//! Scopes that are held under conditions.

use std::sync::Arc;

use smallvec::SmallVec;

use super::access::ScopeRule;
use super::scopes::HeldScopes;
use crate::condition::{CONDITIONAL_ROLES_MAX, ConditionalRole};

/// What a role gives.
#[derive(Debug)]
pub(crate) struct RoleRule {
    pub(crate) scopes: HeldScopes,
    /// `None`: it gives them always.
    pub(crate) conditional: Option<Arc<ConditionalRole>>,
}

/// Scopes that somebody holds for requests that meet the conditions of all those roles: of one, or of a principal's and
/// of a token's that narrows it.
#[derive(Debug, Clone)]
pub(crate) struct ConditionalScopes {
    pub(crate) roles: SmallVec<[Arc<ConditionalRole>; 1]>,
    pub(crate) scopes: HeldScopes,
}

/// Scopes as they are given: always, or under conditions.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenScopes {
    pub(crate) always: HeldScopes,
    pub(crate) conditional: Box<[ConditionalScopes]>,
}

impl From<HeldScopes> for GivenScopes {
    fn from(always: HeldScopes) -> Self {
        Self {
            always,
            conditional: Box::default(),
        }
    }
}

impl GivenScopes {
    /// What scopes and roles give together. Of roles with conditions, the first [`CONDITIONAL_ROLES_MAX`] by name count.
    pub(crate) fn gather<'r>(
        scopes: impl IntoIterator<Item = Arc<ScopeRule>>,
        roles: impl IntoIterator<Item = &'r RoleRule>,
    ) -> Self {
        let mut always: Vec<_> = scopes.into_iter().collect();
        let mut conditional = Vec::new();
        for rule in roles {
            match &rule.conditional {
                None => always.extend(rule.scopes.iter().cloned()),
                Some(role) => conditional.push((role, &rule.scopes)),
            }
        }
        always.sort_unstable_by_key(|scope| scope.number);
        always.dedup_by_key(|scope| scope.number);
        conditional.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        conditional.dedup_by(|(one, _), (other, _)| one.name == other.name);
        let conditional = conditional.into_iter().take(CONDITIONAL_ROLES_MAX);
        let conditional = conditional.map(|(role, scopes)| ConditionalScopes {
            roles: SmallVec::from_iter([Arc::clone(role)]),
            scopes: scopes.clone(),
        });
        Self {
            always: always.into(),
            conditional: conditional.collect(),
        }
    }

    /// What of `own` is also among `others`: always, or under the conditions of both.
    pub(crate) fn common(
        (own, own_conditional): (&HeldScopes, &[ConditionalScopes]),
        others: &Self,
    ) -> Self {
        let mut conditional = Vec::new();
        for other in &others.conditional {
            conditional.push(ConditionalScopes {
                roles: other.roles.clone(),
                scopes: own.common(&other.scopes),
            });
        }
        for held in own_conditional {
            conditional.push(ConditionalScopes {
                roles: held.roles.clone(),
                scopes: held.scopes.common(&others.always),
            });
            conditional.extend(others.conditional.iter().map(|other| held.and(other)));
        }
        conditional.retain(|held| !held.scopes.is_empty());
        Self {
            always: own.common(&others.always),
            conditional: conditional.into(),
        }
    }
}

impl ConditionalScopes {
    /// What is held under the conditions of both.
    fn and(&self, other: &Self) -> Self {
        let is_new = |role: &&Arc<ConditionalRole>| {
            let mut own = self.roles.iter();
            own.all(|own| own.name != role.name)
        };
        let roles = self.roles.iter().chain(other.roles.iter().filter(is_new));
        Self {
            roles: roles.cloned().collect(),
            scopes: self.scopes.common(&other.scopes),
        }
    }
}
