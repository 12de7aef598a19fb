//! Quotas: how many requests over what time, and how many at once.

mod limit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use limit::{BURST_MAX, CONCURRENT_MAX, Limit, REQUESTS_MAX, Window};

use super::check::check_count;
use super::{Declaration, Kind, Spec};
use crate::{Description, Name, Problem, TimeZone};

/// The most limits of one quota.
pub const LIMITS_MAX: usize = 8;
/// The most principals that one quota has limits of their own for.
pub const OVERRIDES_MAX: usize = 1_000;

/// Limits on requests. A request must be within all of them, and is charged to all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// 1 to 8 limits, each counting over another time or in another way.
    pub limits: Vec<Limit>,
    /// What has its own count.
    #[serde(default)]
    pub each: Each,
    /// Over how many processes the limits hold.
    #[serde(default)]
    pub across: Across,
    /// What becomes of requests while the fleet's counters can't be asked: [`OnCounterFailure::Share`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_counter_failure: Option<OnCounterFailure>,
    /// Where days, weeks and months of the calendar begin: UTC where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// Whether it only measures: it refuses nothing, and what it would have refused is told.
    #[serde(default)]
    pub shadow: bool,
    /// The limits of single principals, by their names, in place of everybody's: 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<BTreeMap<Name, Override>>,
}

/// The limits of one principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// 1 to 8 limits, in place of all of the quota's own.
    pub limits: Vec<Limit>,
}

/// What has a count of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Each {
    /// Every principal, over all its credentials; a key that stands alone is its own principal.
    #[default]
    Principal,
    /// Every key.
    Key,
    /// Every client address (IPv6: every /64).
    Address,
    /// Every route.
    Route,
    /// Every deployment of proxies: one count for all its requests.
    Proxy,
}

/// Over how many processes a quota's limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Across {
    /// Over all of a deployment: each process enforces its share of the declared fleet.
    #[default]
    Fleet,
    /// Over each process by itself.
    Process,
}

/// What becomes of requests that a quota counts over a fleet while its counters can't be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCounterFailure {
    /// Each process enforces its share, as without counters.
    #[default]
    Share,
    /// They are let through.
    Allow,
    /// They are refused.
    Deny,
}

impl Declaration for Quota {
    const KIND: Kind = Kind::Quota;

    fn check(&self) -> Result<(), Problem> {
        check_limits(&self.limits)?;
        let overrides = self.overrides.as_ref();
        check_count("overrides", overrides.map(BTreeMap::len), OVERRIDES_MAX)?;
        for (name, exception) in overrides.into_iter().flatten() {
            check_limits(&exception.limits)
                .map_err(|problem| problem.within_entry("overrides", name.as_str()))?;
        }
        if overrides.is_some() && !matches!(self.each, Each::Principal | Each::Key) {
            let message = "they need each = \"principal\" or \"key\": what several principals share has one limit";
            return Err(Problem::field("overrides", message));
        }
        self.check_on_counter_failure()?;
        if self.time_zone.is_some() && !self.all_limits().any(Limit::is_by_calendar) {
            let message = "no limit is per \"day\", \"week\" or \"month\": leave it out";
            return Err(Problem::field("time_zone", message));
        }
        Ok(())
    }
}

impl Quota {
    fn check_on_counter_failure(&self) -> Result<(), Problem> {
        if self.on_counter_failure.is_none() {
            return Ok(());
        }
        let message = if self.across == Across::Process {
            "it needs across = \"fleet\": what each process counts by itself can't fail"
        } else if self.all_limits().all(|limit| limit.concurrent.is_some()) {
            "requests under way are counted by each process, which can't fail: leave it out"
        } else {
            return Ok(());
        };
        Err(Problem::field("on_counter_failure", message))
    }

    fn all_limits(&self) -> impl Iterator<Item = &Limit> {
        let overrides = self.overrides.iter().flat_map(BTreeMap::values);
        let exceptions = overrides.flat_map(|exception| &exception.limits);
        self.limits.iter().chain(exceptions)
    }
}

fn check_limits(limits: &[Limit]) -> Result<(), Problem> {
    check_count("limits", Some(limits.len()), LIMITS_MAX)?;
    for (index, limit) in limits.iter().enumerate() {
        let earlier = limits.get(..index).unwrap_or_default();
        limit
            .check(earlier)
            .map_err(|problem| problem.within("limits", index))?;
    }
    Ok(())
}

impl From<Quota> for Spec {
    fn from(quota: Quota) -> Self {
        Self::Quota(quota)
    }
}
