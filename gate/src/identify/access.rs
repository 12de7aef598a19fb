//! What callers may do, and as whom.

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_store::document::{Across, Each, Limit, OnCounterFailure, Priority, Quota};
use tollgate_store::{Cidr, Name};

use super::conditional::ConditionalScopes;
use super::scopes::HeldScopes;
use crate::meter::{Counting, Measure, Policy, Weight, policies};

/// What a key may do; keys with the same principal, scopes and quotas share one.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// `None`: the key stands alone, as its own principal.
    pub(crate) principal: Option<Arc<PrincipalRule>>,
    /// In the order of their names, and so of their numbers.
    pub(crate) scopes: HeldScopes,
    /// What it may do beside under conditions, in the order of the roles' names; mostly nothing.
    pub(crate) conditional: Box<[ConditionalScopes]>,
    pub(crate) quotas: Box<[Arc<QuotaRule>]>,
}

/// A principal that keys act as.
#[derive(Debug)]
pub(crate) struct PrincipalRule {
    /// Shared with every count of the principal.
    pub(crate) name: Arc<Name>,
    pub(crate) enabled: bool,
    /// From where its credentials open anything; `None`: from everywhere.
    pub(crate) allowed: Option<Box<[Cidr]>>,
    /// How soon its requests are shed; `None`: as their routes say.
    pub(crate) priority: Option<Priority>,
}

/// Whether an address is in any of those blocks. From nowhere is from none of them.
pub(super) fn is_within(address: Option<IpAddr>, blocks: &[Cidr]) -> bool {
    let holds = |block: &Cidr| address.is_some_and(|address| block.contains(address));
    blocks.iter().any(holds)
}

/// A scope, by the number that its grants are filed under.
#[derive(Debug)]
pub(crate) struct ScopeRule {
    pub(crate) number: u32,
    pub(crate) name: Name,
}

/// A quota, as one principal or everybody is counted by it.
#[derive(Debug)]
pub(crate) struct QuotaRule {
    /// Shared with every count of the quota.
    pub(crate) name: Arc<Name>,
    pub(crate) each: Each,
    /// Whether each process has all of what it allows, rather than its share.
    pub(crate) is_per_process: bool,
    /// What becomes of requests while the fleet's counters can't be asked.
    pub(crate) on_counter_failure: OnCounterFailure,
    /// Whether it only measures.
    pub(crate) is_shadow: bool,
    pub(crate) policies: Box<[Arc<Policy>]>,
}

impl QuotaRule {
    /// What everybody is counted by who is no exception.
    pub(crate) fn new(name: &Arc<Name>, quota: &Quota) -> Self {
        Self::with(name, quota, &quota.limits)
    }

    /// What the principals are counted by that are exceptions.
    pub(crate) fn exceptions<'q>(name: &Arc<Name>, quota: &'q Quota) -> Vec<(&'q Name, Self)> {
        let exceptions = quota.overrides.iter().flatten();
        let rules = exceptions
            .map(|(principal, exception)| (principal, Self::with(name, quota, &exception.limits)));
        rules.collect()
    }

    fn with(name: &Arc<Name>, quota: &Quota, limits: &[Limit]) -> Self {
        Self {
            name: Arc::clone(name),
            each: quota.each,
            is_per_process: quota.across == Across::Process,
            on_counter_failure: quota.on_counter_failure.unwrap_or_default(),
            is_shadow: quota.shadow,
            policies: policies(name, quota, limits),
        }
    }

    /// What a request weighs by one of its limits.
    pub(crate) fn weight(&self, policy: &Policy, weight: Weight) -> Weight {
        let is_whole =
            self.is_per_process || (weight.counting == Counting::Store && self.is_shared(policy));
        let fleet = if is_whole { 1 } else { weight.fleet };
        Weight { fleet, ..weight }
    }

    /// Whether one of its limits is counted over the fleet, by a store where there is one. Requests under way are
    /// counted by each process, which alone knows when they end.
    pub(crate) fn is_shared(&self, policy: &Policy) -> bool {
        !self.is_per_process && !matches!(policy.measure, Measure::Concurrent { .. })
    }

    /// The limits that are counted over the fleet.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.iter().filter(|policy| self.is_shared(policy))
    }

    /// Whether one of its limits is decided by what this process counted.
    pub(crate) fn decides(&self, policy: &Policy, counting: Counting) -> bool {
        match counting {
            Counting::Share => true,
            Counting::Store => !self.is_shared(policy),
            Counting::Unheard => {
                self.on_counter_failure != OnCounterFailure::Allow || !self.is_shared(policy)
            }
        }
    }
}
