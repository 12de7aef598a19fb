//! Proof that a request is within its quotas.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderValue;
use smallvec::SmallVec;

use super::policy::{Policy, seconds};
use super::state::{Hold, Rest};
use crate::UpstreamRule;
use crate::identify::QuotaRule;

/// Proof that a request is within its quotas and was charged to them. Only [`Meter::admit`](super::Meter::admit) makes
/// one. It counts as a request that is under way until it is dropped.
#[derive(Debug)]
pub struct Admission {
    upstream: Arc<UpstreamRule>,
    pub(super) quotas: SmallVec<[Arc<QuotaRule>; 1]>,
    pub(super) standing: Option<Standing>,
    pub(super) exceeded: Option<Arc<Policy>>,
    pub(super) under_way: UnderWay,
}

/// How a caller stands after a request, by the policy that will refuse it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How many more requests it admits now.
    pub remaining: u32,
    /// The time until it admits more or, where none like this one fits, until one does.
    pub more_in: Duration,
}

impl Standing {
    /// The time until it admits more in whole seconds, rounded up, and at least one.
    #[must_use]
    pub fn more_in_seconds(&self) -> u64 {
        seconds(self.more_in).max(1)
    }
}

/// A request that is under way: limits of concurrency count it until this is dropped.
#[derive(Debug, Default)]
pub struct UnderWay(pub(super) SmallVec<[Hold; 1]>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        for held in &self.0 {
            held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Admission {
    pub(super) fn new(upstream: &Arc<UpstreamRule>) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            quotas: SmallVec::new(),
            standing: None,
            exceeded: None,
            under_way: UnderWay::default(),
        }
    }

    /// Takes note of a policy that counts the caller, in case none refuses it earlier.
    pub(super) fn consider(&mut self, policy: &Arc<Policy>, rest: Rest, cost: u32) {
        let standing = self.standing.as_ref();
        if standing.is_none_or(|other| rest.is_tighter(other.into(), cost)) {
            self.standing = Some(Standing {
                policy: Arc::clone(policy),
                remaining: rest.remaining,
                more_in: rest.more_in,
            });
        }
    }

    /// The upstream that answers.
    #[must_use]
    pub fn upstream(&self) -> &Arc<UpstreamRule> {
        &self.upstream
    }

    /// What is left of it once the answer has begun: what to hold until its last byte.
    #[must_use]
    pub fn under_way(self) -> UnderWay {
        self.under_way
    }

    /// How the caller stands; `None` where nothing counts it over time.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// The policies that count the caller, as members of the field `RateLimit-Policy`.
    pub fn policies(&self) -> impl Iterator<Item = &HeaderValue> {
        let policies = self.quotas.iter().flat_map(|quota| &quota.policies);
        policies.map(|policy| &policy.header)
    }

    /// A limit of a quota that only measures, which would have refused the request.
    #[must_use]
    pub fn exceeded(&self) -> Option<&Arc<Policy>> {
        self.exceeded.as_ref()
    }
}
