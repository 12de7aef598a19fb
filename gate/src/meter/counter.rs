//! What one subject has used up of one quota.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use smallvec::SmallVec;

use super::admission::{Admission, Standing};
use super::counted::Counted;
use super::policy::Policy;
use super::shared::{GiveBack, Leases};
use super::state::{Counting, Rest, State, Weight};
use crate::identify::QuotaRule;
use crate::{Now, OverQuota};

/// What one subject has used up of one quota.
#[derive(Debug)]
pub(super) struct Counter {
    counted: Counted<'static>,
    /// One for each limit. Nearly always there are one or two, which are found together with the counter.
    states: SmallVec<[State; 2]>,
    /// The connection to the fleet's store by which that last learned all that is known here; 0: by none.
    pub(super) heard_in: u32,
    /// What the store lent.
    pub(super) leases: Leases,
}

impl Counter {
    pub(super) fn new(counted: &Counted<'_>) -> Self {
        Self {
            counted: counted.to_static(),
            states: SmallVec::new(),
            heard_in: 0,
            leases: Leases::default(),
        }
    }

    pub(super) fn counted(&self) -> &Counted<'static> {
        &self.counted
    }

    /// The limit that leaves no room for a request of that weight, of several the one to wait for longest.
    pub(super) fn over(&mut self, rule: &QuotaRule, weight: Weight) -> Option<OverQuota> {
        let mut longest: Option<(&Arc<Policy>, Duration, u32)> = None;
        for policy in &rule.policies {
            if !rule.decides(policy, weight.counting) {
                continue;
            }
            let weight = rule.weight(policy, weight);
            let Some(state) = self.state(policy) else {
                continue;
            };
            let Some(wait) = state.wait(&policy.measure, weight) else {
                continue;
            };
            if longest.is_none_or(|(_, longest, _)| wait >= longest) {
                let rest = state.rest(&policy.measure, weight);
                longest = Some((policy, wait, rest.map_or(0, |rest| rest.remaining)));
            }
        }
        let (policy, retry_after, remaining) = longest?;
        Some(OverQuota {
            policy: Arc::clone(policy),
            remaining,
            retry_after,
        })
    }

    /// Charges a request to every limit, and notes in its admission what that means for it.
    pub(super) fn charge(&mut self, rule: &QuotaRule, weight: Weight, admission: &mut Admission) {
        let mut tightest: Option<(&Arc<Policy>, Rest)> = None;
        if weight.counting == Counting::Unheard {
            // The store knows less than this from here on.
            self.heard_in = 0;
        }
        for policy in &rule.policies {
            let is_decided = rule.decides(policy, weight.counting);
            let weight = rule.weight(policy, weight);
            let Some(state) = self.state(policy) else {
                continue;
            };
            if !is_decided {
                state.advance(&policy.measure, weight.now);
            }
            admission
                .under_way
                .0
                .extend(state.charge(&policy.measure, weight));
            if is_decided
                && let Some(rest) = state.rest(&policy.measure, weight)
                && tightest.is_none_or(|(_, tightest)| rest.is_tighter(tightest, weight.cost))
            {
                tightest = Some((policy, rest));
            }
        }
        if let Some((policy, rest)) = tightest.filter(|_| !rule.is_shadow) {
            admission.consider(policy, rest, weight.cost);
        }
    }

    /// What was counted of a limit; it is made where there is nothing yet, and so there always is something.
    fn state(&mut self, policy: &Policy) -> Option<&mut State> {
        let measure = &policy.measure;
        let index = self.states.iter().position(|state| state.is_of(measure));
        let index = index.unwrap_or_else(|| {
            self.states.push(State::new(measure));
            self.states.len() - 1
        });
        self.states.get_mut(index)
    }

    /// What was counted of a limit, where that was any.
    pub(super) fn known(&self, policy: &Policy) -> Option<&State> {
        self.states
            .iter()
            .find(|state| state.is_of(&policy.measure))
    }

    /// Takes what was lent and not spent, of leases that ended before `now` or of all.
    pub(super) fn give_back(
        &mut self,
        now: Option<Duration>,
        returns: &AtomicU64,
    ) -> Vec<GiveBack> {
        let counted = &self.counted;
        self.leases.give_back(|| counted.key(), now, returns)
    }

    /// Drops the counts whose time has passed; whether none is left.
    pub(super) fn forget(&mut self, now: Now) -> bool {
        self.states.retain(|state| !state.is_idle(now));
        self.states.is_empty()
    }
}

impl Rest {
    /// Whether it ends before `other` does for requests of that cost. Of two, it is the same one in whichever order
    /// they come.
    pub(super) fn is_tighter(self, other: Self, cost: u32) -> bool {
        let (least, longest) = (
            other.remaining.cmp(&self.remaining),
            self.more_in.cmp(&other.more_in),
        );
        match (self.remaining < cost, other.remaining < cost) {
            (true, true) => longest.then(least).is_gt(),
            (false, false) => least.then(longest).is_gt(),
            (is_out, _) => is_out,
        }
    }
}

impl From<&Standing> for Rest {
    fn from(standing: &Standing) -> Self {
        Self {
            remaining: standing.remaining,
            more_in: standing.more_in,
        }
    }
}
