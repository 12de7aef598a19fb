//! What is allowed under conditions only.

use tollgate_store::Name;

use crate::condition::{Circumstances, ConditionalRole, Facts};
use crate::identify::{ConditionalScopes, ScopeRule};
use crate::{Principal, Refusal, Snapshot, Target};

impl Snapshot {
    /// The first scope that allows the request among those that are held under conditions which it meets, in the order of
    /// the roles' names. Only the conditions of roles that would allow it are evaluated.
    pub(super) fn authorize_under_condition<'s>(
        &'s self,
        principal: &'s Principal<'s>,
        target: &Target,
        circumstances: &Circumstances<'_>,
    ) -> Result<(&'s ScopeRule, &'s ConditionalScopes), Refusal> {
        let facts = Facts::new(principal, target, circumstances);
        let mut unmet: Vec<&Name> = Vec::new();
        for held in &principal.access().conditional {
            let Some(scope) = self.grants.find(&held.scopes, target) else {
                continue;
            };
            match held.roles.iter().find(|role| !role.is_met(&facts)) {
                None => return Ok((scope, held)),
                Some(role) => unmet.push(&role.name),
            }
        }
        if let Some(fault) = principal.nothing() {
            return Err(fault.into());
        }
        let caller = principal.kind();
        if unmet.is_empty() {
            return Err(Refusal::OutOfScope { caller });
        }
        unmet.dedup();
        Err(Refusal::ConditionUnmet {
            caller,
            roles: unmet.into_iter().cloned().collect(),
        })
    }
}

impl ConditionalRole {
    /// Whether the request meets its condition. What can't be told is no.
    fn is_met(&self, facts: &Facts<'_>) -> bool {
        self.condition.is_met(facts).unwrap_or(false)
    }
}
