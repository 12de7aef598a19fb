//! Roles: scopes that are given together, always or under a condition.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::check_set;
use super::{Declaration, Kind, Spec};
use crate::{Condition, Description, Name, Problem, TimeZone};

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
    /// What must hold of a request for the role to give anything to it; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What the condition's hour, minute and weekday go by; `None`: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
}

impl Declaration for Role {
    const KIND: Kind = Kind::Role;

    fn check(&self) -> Result<(), Problem> {
        check_set("scopes", Some(&self.scopes), ROLE_SCOPES_MAX)?;
        if self.time_zone.is_some() && self.condition.is_none() {
            let message = "is what a condition's hours go by: give a condition, or leave it out";
            return Err(Problem::field("time_zone", message));
        }
        Ok(())
    }
}

impl From<Role> for Spec {
    fn from(role: Role) -> Self {
        Self::Role(role)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_zone_is_a_conditions() {
        let with = |more: serde_json::Value| {
            let mut spec = json!({"scopes": ["a"], "time_zone": "Europe/Berlin"});
            spec.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            Role::parse(spec)
                .map(drop)
                .map_err(|problem| problem.to_string())
        };

        assert_eq!(with(json!({"condition": "context.hour > 8"})), Ok(()));
        assert_eq!(
            with(json!({})).unwrap_err(),
            "time_zone: is what a condition's hours go by: give a condition, or leave it out"
        );
    }
}
