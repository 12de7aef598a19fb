//! What is allowed under conditions only.

use smallvec::SmallVec;
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
        let mut outcomes = Outcomes {
            facts: Facts::new(principal, target, circumstances),
            known: SmallVec::new(),
        };
        let mut unmet: Vec<&Name> = Vec::new();
        for held in &principal.access().conditional {
            let Some(scope) = self.grants.find(&held.scopes, target) else {
                continue;
            };
            match held.roles.iter().find(|role| !outcomes.is_met(role)) {
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
        unmet.sort_unstable();
        unmet.dedup();
        Err(Refusal::ConditionUnmet {
            caller,
            roles: unmet.into_iter().cloned().collect(),
        })
    }
}

/// What became of the conditions that were evaluated for one request: each is once, however many scopes hang on it.
struct Outcomes<'s, 'f> {
    facts: Facts<'f>,
    known: SmallVec<[(&'s Name, bool); 4]>,
}

impl<'s> Outcomes<'s, '_> {
    /// Whether the request meets a role's condition. What can't be told is no.
    fn is_met(&mut self, role: &'s ConditionalRole) -> bool {
        let known = self.known.iter().find(|(name, _)| **name == role.name);
        if let Some((_, is_met)) = known {
            return *is_met;
        }
        let is_met = role.condition.is_met(&self.facts).unwrap_or(false);
        self.known.push((&role.name, is_met));
        is_met
    }
}
