//! What callers may do, and as whom.

use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::document::{Priority, Quota};

/// What a key may do; keys with the same principal, scopes and quotas share one.
#[derive(Debug)]
pub(crate) struct Access {
    /// `None`: the key stands alone, as its own principal.
    pub(crate) principal: Option<Arc<PrincipalRule>>,
    /// In the order of their names, and so of their numbers.
    pub(crate) scopes: Box<[Arc<ScopeRule>]>,
    pub(crate) quotas: Box<[Arc<QuotaRule>]>,
}

/// A principal that keys act as.
#[derive(Debug)]
pub(crate) struct PrincipalRule {
    /// Shared with every count of the principal.
    pub(crate) name: Arc<Name>,
    pub(crate) enabled: bool,
    /// How soon its requests are shed; `None`: as their routes say.
    pub(crate) priority: Option<Priority>,
}

/// A scope, by the number that its grants are filed under.
#[derive(Debug)]
pub(crate) struct ScopeRule {
    pub(crate) number: u32,
    pub(crate) name: Name,
}

/// A quota and its name.
#[derive(Debug)]
pub(crate) struct QuotaRule {
    /// Shared with every count of the quota.
    pub(crate) name: Arc<Name>,
    pub(crate) quota: Quota,
}
