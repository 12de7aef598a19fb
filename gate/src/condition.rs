//! Conditions of roles: what must hold of a request for a role to give anything to it.
//!
//! The engine knows when a condition counts, and not in which language it is written: that is given to
//! [`Snapshot::build`](crate::Snapshot::build).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};
use tollgate_store::document::{CredentialKind, Role};
use tollgate_store::{Name, TimeZone};

use crate::{Now, Presented, Principal, Target};

/// The most roles with conditions that count for one request: of principals and keys, which have as many at most, all of
/// them. Of a token that names more of them, those count whose names come first, and the others give nothing.
pub const CONDITIONAL_ROLES_MAX: usize = 32;

/// A language that conditions are written in.
pub trait ConditionLanguage: fmt::Debug + Send + Sync {
    /// Reads a condition whose hours go by `time_zone`, or else by UTC. The error says where it is wrong, and what would be
    /// right.
    fn read(
        &self,
        text: &tollgate_store::Condition,
        time_zone: Option<&TimeZone>,
    ) -> Result<Arc<dyn Condition>, String>;
}

/// A condition that was read.
pub trait Condition: fmt::Debug + Send + Sync {
    /// Whether it is met. The error says why that can't be told, which counts as not met.
    fn is_met(&self, facts: &Facts<'_>) -> Result<bool, String>;

    /// What it looks at, and how that is: for a person who wonders why it is not met.
    fn told(&self, facts: &Facts<'_>) -> Vec<String>;

    /// The headers that it looks at.
    fn headers(&self) -> &[HeaderName];
}

/// The language in which no condition can be written: a role that has one is left out.
#[derive(Debug, Clone, Copy)]
pub struct NoConditions;

impl ConditionLanguage for NoConditions {
    fn read(
        &self,
        _: &tollgate_store::Condition,
        _: Option<&TimeZone>,
    ) -> Result<Arc<dyn Condition>, String> {
        Err("no condition can be read here".to_owned())
    }
}

/// What comes with a request beside who asks and what for.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'r> {
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// When it is decided.
    pub time: jiff::Timestamp,
    /// Its headers, as the client or a proxy before this one sent them.
    pub headers: &'r HeaderMap,
}

impl<'r> Circumstances<'r> {
    /// Those that a caller is identified in.
    #[must_use]
    pub fn of(presented: &Presented<'r>, now: Now) -> Self {
        Self {
            address: presented.address,
            time: now.wall,
            headers: presented.headers,
        }
    }
}

/// All that a condition may look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'r> {
    /// What comes with the request.
    pub circumstances: &'r Circumstances<'r>,
    /// What it asks for.
    pub target: &'r Target,
    /// The principal that asks; `None` where a credential stands alone.
    pub principal: Option<&'r Name>,
    /// What kind of credential proved it.
    pub credential: Option<CredentialKind>,
    /// What the issuer's token says by which the caller is known, if it is.
    pub claims: Option<&'r Map<String, Value>>,
}

impl<'r> Facts<'r> {
    pub(crate) fn new(
        principal: &'r Principal<'_>,
        target: &'r Target,
        circumstances: &'r Circumstances<'r>,
    ) -> Self {
        Self {
            circumstances,
            target,
            principal: principal.name(),
            credential: principal.credential(),
            claims: principal.claims(),
        }
    }
}

/// A role that gives its scopes only under a condition.
#[derive(Debug)]
pub(crate) struct ConditionalRole {
    pub(crate) name: Name,
    /// As it is written.
    pub(crate) text: tollgate_store::Condition,
    pub(crate) condition: Arc<dyn Condition>,
}

impl ConditionalRole {
    /// What a role has for a condition, if it has one; the error says what is wrong with it.
    pub(crate) fn read(
        name: &Name,
        role: &Role,
        language: &dyn ConditionLanguage,
    ) -> Result<Option<Arc<Self>>, String> {
        let Some(text) = &role.condition else {
            return Ok(None);
        };
        let condition = language.read(text, role.time_zone.as_ref());
        let condition = condition.map_err(|why| format!("has a bad condition: {why}"))?;
        Ok(Some(Arc::new(Self {
            name: name.clone(),
            text: text.clone(),
            condition,
        })))
    }
}
