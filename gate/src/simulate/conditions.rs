//! What becomes of the conditions of a caller's roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::condition::{Circumstances, ConditionalRole, Facts};
use crate::{Principal, Target};

/// A role of the caller that gives something only under a condition, and what becomes of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionFinding {
    /// The role.
    pub role: String,
    /// The condition, as it is written.
    pub condition: String,
    /// Whether the request meets it.
    pub is_met: bool,
    /// What it looks at and how that is, like `context.hour is 22`, or else why nobody can tell.
    pub because: Vec<String>,
}

/// Scopes that the caller holds under the conditions of all those roles.
#[derive(Debug, Clone)]
pub(super) struct ConditionalFinding {
    pub(super) roles: Vec<ConditionFinding>,
    pub(super) scopes: Vec<String>,
}

impl ConditionalFinding {
    pub(super) fn is_met(&self) -> bool {
        self.roles.iter().all(|role| role.is_met)
    }
}

/// All that the caller holds under conditions.
pub(super) fn findings(
    principal: &Principal<'_>,
    target: &Target,
    circumstances: &Circumstances<'_>,
) -> Vec<ConditionalFinding> {
    let facts = Facts::new(principal, target, circumstances);
    let conditional = principal.access().conditional.iter();
    let found = conditional.map(|held| ConditionalFinding {
        roles: held
            .roles
            .iter()
            .map(|role| finding(role, &facts))
            .collect(),
        scopes: held
            .scopes
            .iter()
            .map(|scope| scope.name.to_string())
            .collect(),
    });
    found.collect()
}

/// Each role once.
pub(super) fn by_role(findings: &[ConditionalFinding]) -> Vec<ConditionFinding> {
    let roles = findings.iter().flat_map(|finding| &finding.roles);
    let by_name: BTreeMap<_, _> = roles.map(|role| (&role.role, role)).collect();
    by_name.into_values().cloned().collect()
}

fn finding(role: &Arc<ConditionalRole>, facts: &Facts<'_>) -> ConditionFinding {
    let outcome = role.condition.is_met(facts);
    let told = role.condition.told(facts);
    ConditionFinding {
        role: role.name.to_string(),
        condition: role.text.to_string(),
        is_met: outcome == Ok(true),
        because: outcome.err().into_iter().chain(told).collect(),
    }
}
