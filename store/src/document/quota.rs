//! Quotas: how many requests over what time.

use serde::{Deserialize, Serialize};

use super::check::check_count;
use super::{Declaration, Kind, Spec};
use crate::{Description, Period, Problem};

/// The most limits of one quota.
pub const LIMITS_MAX: usize = 8;
/// The most requests that a limit may name.
pub const REQUESTS_MAX: u32 = 1_000_000_000;

/// Limits on requests. A request must be within all of them, and is charged to all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// 1 to 8 limits, each with a period of its own.
    pub limits: Vec<Limit>,
    /// What has its own count.
    #[serde(default)]
    pub each: Each,
}

/// At most `requests` in any window of the length `per`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many requests: 1 to 1,000,000,000.
    pub requests: u32,
    /// The length of the window.
    pub per: Period,
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
    /// Every proxy: one count for all its requests.
    Proxy,
}

impl Declaration for Quota {
    const KIND: Kind = Kind::Quota;

    fn check(&self) -> Result<(), Problem> {
        check_count("limits", Some(self.limits.len()), LIMITS_MAX)?;
        for (index, limit) in self.limits.iter().enumerate() {
            if !(1..=REQUESTS_MAX).contains(&limit.requests) {
                let message = format!(
                    "{} is out of bounds: it must be 1 to {REQUESTS_MAX}",
                    limit.requests
                );
                return Err(Problem::field("requests", message).within("limits", index));
            }
            let twin = self
                .limits
                .iter()
                .take(index)
                .any(|other| other.per.length() == limit.per.length());
            if twin {
                let message = format!(
                    "{} is the period of an earlier limit: keep the smaller of the two",
                    limit.per
                );
                return Err(Problem::field("per", message).within("limits", index));
            }
        }
        Ok(())
    }
}

impl From<Quota> for Spec {
    fn from(quota: Quota) -> Self {
        Self::Quota(quota)
    }
}
