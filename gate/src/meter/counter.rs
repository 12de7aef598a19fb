//! What one subject has used up of one quota.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;
use tollgate_store::document::{Each, Limit, Quota};
use tollgate_store::{KeyId, Name};

use super::ring::Ring;
use crate::identify::{Proof, QuotaRule};
use crate::{Grant, OverQuota, Principal};

/// The bits of an IPv6 address that tell one subscriber from another: a /64.
const SUBSCRIBER_BITS: u128 = !(u64::MAX as u128);

/// What a count belongs to: a quota and one of its subjects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Counted<'a> {
    quota: Cow<'a, Arc<Name>>,
    subject: Subject<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject<'a> {
    /// A key; one that stands alone is its own principal.
    Key(KeyId),
    /// A principal. No key that stands alone is one, whatever its name.
    Principal(Cow<'a, Arc<Name>>),
    /// Whom an issuer's tokens are about, where that is no principal's subject.
    Bearer(Cow<'a, Arc<str>>),
    /// All who have none share one.
    Address(Option<IpAddr>),
    Route(Cow<'a, Name>),
    Proxy,
}

impl<'a> Counted<'a> {
    pub(super) fn new(rule: &'a QuotaRule, grant: &Grant<'a>, address: Option<IpAddr>) -> Self {
        let subject = match rule.quota.each {
            Each::Principal => Subject::principal(grant.principal()),
            Each::Key => Subject::credential(grant.principal()),
            Each::Address => Subject::Address(address.map(subscriber)),
            Each::Route => Subject::Route(Cow::Borrowed(grant.route())),
            Each::Proxy => Subject::Proxy,
        };
        Self {
            quota: Cow::Borrowed(&rule.name),
            subject,
        }
    }

    pub(super) fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(self)
    }

    fn to_static(&self) -> Counted<'static> {
        Counted {
            quota: Cow::Owned(Arc::clone(&self.quota)),
            subject: match &self.subject {
                Subject::Key(id) => Subject::Key(*id),
                Subject::Principal(name) => Subject::Principal(Cow::Owned(Arc::clone(name))),
                Subject::Bearer(subject) => Subject::Bearer(Cow::Owned(Arc::clone(subject))),
                Subject::Address(address) => Subject::Address(*address),
                Subject::Route(name) => Subject::Route(Cow::Owned(Name::clone(name))),
                Subject::Proxy => Subject::Proxy,
            },
        }
    }
}

impl<'a> Subject<'a> {
    fn principal(principal: &'a Principal<'a>) -> Self {
        match &principal.access().principal {
            Some(rule) => Self::Principal(Cow::Borrowed(&rule.name)),
            None => Self::credential(principal),
        }
    }

    /// What proved who asks.
    fn credential(principal: &'a Principal<'a>) -> Self {
        match principal.proof() {
            Proof::Key(key) => Self::Key(key.id()),
            Proof::Bearer(bearer) => Self::Bearer(Cow::Borrowed(bearer.counted_as())),
        }
    }
}

/// Who an address stands for: itself, or the /64 that it is in, which one subscriber has at least.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// What one subject has used up of one quota: a ring for each period.
#[derive(Debug)]
pub(super) struct Counter {
    counted: Counted<'static>,
    /// Nearly always one or two; the first is found together with the counter.
    rings: SmallVec<[Ring; 1]>,
}

impl Counter {
    pub(super) fn new(counted: &Counted<'_>) -> Self {
        Self {
            counted: counted.to_static(),
            rings: SmallVec::new(),
        }
    }

    pub(super) fn counted(&self) -> &Counted<'static> {
        &self.counted
    }

    /// The limit that leaves no room for one more request, of several the one to wait for longest.
    pub(super) fn over(&mut self, rule: &QuotaRule, now: Duration) -> Option<OverQuota> {
        for limit in &rule.quota.limits {
            let period = limit.per.length();
            if !self.rings.iter().any(|ring| ring.period() == period) {
                self.rings.reserve_exact(1);
                self.rings.push(Ring::new(period));
            }
        }
        let over = |ring: &mut Ring| {
            let limit = limit(&rule.quota, ring)?;
            ring.advance(now);
            let retry_after = ring.wait(limit.requests, now)?;
            Some((limit, retry_after))
        };
        let longest = self.rings.iter_mut().filter_map(over);
        let (limit, retry_after) = longest.max_by_key(|(_, retry_after)| *retry_after)?;
        Some(OverQuota {
            quota: Name::clone(&rule.name),
            limit: limit.requests,
            window: limit.per.length(),
            retry_after,
        })
    }

    /// Charges one request to every limit.
    pub(super) fn charge(&mut self, rule: &QuotaRule) {
        for ring in &mut self.rings {
            if limit(&rule.quota, ring).is_some() {
                ring.charge();
            }
        }
    }

    /// Drops the counts whose windows have passed; whether none is left.
    pub(super) fn forget(&mut self, now: Duration) -> bool {
        self.rings.retain(|ring| !ring.is_idle(now));
        self.rings.is_empty()
    }
}

/// The limit that a ring counts for; `None` once the quota has no limit of that period any more.
fn limit<'q>(quota: &'q Quota, ring: &Ring) -> Option<&'q Limit> {
    let mut limits = quota.limits.iter();
    limits.find(|limit| limit.per.length() == ring.period())
}
