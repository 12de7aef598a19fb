//! A decision with everything that was looked at, for a person who wants to see for themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_store::document::{self, Across, Each, Entry, Kind, OnCounterFailure, Quota, Spec};
use tollgate_store::{HostPattern, Method, Name, PathPattern};

use super::{ConditionFinding, ConditionalFinding, Decision, Question, Stage, reason, target};
use crate::authorize::Grants;
use crate::identify::{HeldScopes, ScopeRule};
use crate::meter::policies;
use crate::{Rejected, Snapshot, Target};

/// The most scopes, routes or targets that are told of; of more, how many.
const LISTED_MAX: usize = 100;

/// A decision, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// What was looked at, in that order, up to what decided.
    pub findings: Vec<Finding>,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it says, as a sentence or a part of one.
    pub says: String,
    /// Whether it lets the request go on; `None` where it does not matter.
    pub fits: Option<bool>,
    /// What it consists of.
    pub findings: Vec<Finding>,
}

/// What is explained.
#[derive(Debug, Clone, Copy)]
pub struct Documents<'d> {
    /// What the snapshot was built of.
    pub entries: &'d [Entry],
    /// The proxy that it was built for.
    pub proxy: &'d Name,
    /// What it left out.
    pub rejected: &'d [Rejected],
}

impl Snapshot {
    /// Decides as [`Snapshot::simulate`] does, and tells what was looked at. `documents` must be what this snapshot was
    /// built of.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>, documents: &Documents<'_>) -> Explanation {
        let (decision, progress, reached) = self.decide(question, documents.rejected);
        let mut findings = vec![finding(
            format!("request: {}", reason::request(question)),
            reached > Stage::Request,
        )];
        if let Some(page) = progress.page {
            let says = format!("page of the proxy itself, for everybody: {}", page.as_str());
            findings.push(finding(says, true));
        } else if let Ok(target) = target(question) {
            if reached >= Stage::Caller {
                let who = format!("caller: {}", reason::who(&progress));
                findings.push(finding(who, reached > Stage::Caller));
            }
            if reached >= Stage::Scope {
                let mut found = documents.scopes(&progress.held, &target);
                found.extend(documents.conditional(&progress.conditional, &target));
                findings.push(with("scopes", found, reached > Stage::Scope));
            }
            if reached >= Stage::Route {
                let found = documents.routes(&target);
                findings.push(with("routes", found, reached > Stage::Route));
            }
            if reached >= Stage::Quota {
                let found = documents.quotas(&decision);
                findings.push(with("quotas", found, reached > Stage::Quota));
            }
        }
        if decision.allowed
            && let Some(name) = &decision.upstream
        {
            let says = format!("upstream: {name:?}");
            let findings_of_it = documents.targets(name);
            findings.push(Finding {
                findings: findings_of_it,
                ..finding(says, true)
            });
        }
        Explanation { decision, findings }
    }
}

impl Documents<'_> {
    /// Each scope that the caller holds, with its grants.
    fn scopes(&self, held: &[String], target: &Target) -> Vec<Finding> {
        let told = held.iter().take(LISTED_MAX).map(|name| {
            let scope = self.specs().find_map(|(other, spec)| match spec {
                Spec::Scope(scope) if other.as_str() == name => Some((other, scope)),
                _ => None,
            });
            let grants = scope.into_iter().flat_map(|(name, scope)| {
                let grants = scope.grants.iter();
                grants.map(move |grant| Pattern::of_grant(name, grant))
            });
            let findings: Vec<_> = grants
                .map(|grant| {
                    let (says, fits) = grant.compared(target);
                    finding(format!("grant {says}"), fits)
                })
                .collect();
            let fits = findings.iter().any(|grant| grant.fits == Some(true));
            Finding {
                findings,
                ..finding(format!("scope {name:?}"), fits)
            }
        });
        bounded(told.collect(), held.len(), "scopes")
    }

    /// The scopes that the caller holds under conditions, with what becomes of those.
    fn conditional(&self, held: &[ConditionalFinding], target: &Target) -> Vec<Finding> {
        let told = held.iter().take(LISTED_MAX).map(|held| {
            let mut findings: Vec<_> = held.roles.iter().map(condition).collect();
            let scopes = self.scopes(&held.scopes, target);
            let is_allowed = scopes.iter().any(|scope| scope.fits == Some(true));
            findings.extend(scopes);
            let names: Vec<_> = held
                .roles
                .iter()
                .map(|it| format!("{:?}", it.role))
                .collect();
            let says = format!("under the condition of role {}", names.join(" and role "));
            Finding {
                findings,
                ..finding(says, held.is_met() && is_allowed)
            }
        });
        bounded(told.collect(), held.len(), "roles with conditions")
    }

    /// The routes of the proxy whose path fits.
    fn routes(&self, target: &Target) -> Vec<Finding> {
        let ours = self.specs().filter_map(|(name, spec)| match spec {
            Spec::Route(route) if route.proxy == *self.proxy => {
                Some(Pattern::of_route(name, route))
            }
            _ => None,
        });
        let near = ours.filter(|route| route.by_path().fits(target));
        let told: Vec<_> = near
            .map(|route| {
                let name = route.name.as_str();
                let (says, fits) = route.compared(target);
                match self.left_out(Kind::Route, route.name) {
                    None => finding(format!("route {name:?}: {says}"), fits),
                    Some(because) => {
                        finding(format!("route {name:?} is left out: {because}"), false)
                    }
                }
            })
            .collect();
        let count = told.len();
        bounded(told.into_iter().take(LISTED_MAX).collect(), count, "routes")
    }

    fn quotas(&self, decision: &Decision) -> Vec<Finding> {
        let told = decision.quotas.iter().map(|name| {
            let quota = self.specs().find_map(|(other, spec)| match spec {
                Spec::Quota(quota) if other.as_str() == name => {
                    let limits = limits(other, quota);
                    Some(format!("{limits}, {}", self.counted_by(quota)))
                }
                _ => None,
            });
            let has_room = decision.quota.as_ref() != Some(name);
            let says = format!("quota {name:?}: {}", quota.unwrap_or_default());
            finding(says, has_room)
        });
        told.collect()
    }

    /// Who counts a quota's requests.
    fn counted_by(&self, quota: &Quota) -> &'static str {
        let proxy = self.specs().find_map(|(name, spec)| match spec {
            Spec::Proxy(proxy) if name == self.proxy => Some(proxy),
            _ => None,
        });
        let is_concurrent = quota.limits.iter().all(|limit| limit.concurrent.is_some());
        match proxy {
            Some(proxy) if quota.across == Across::Fleet => {
                let has_counters = proxy.counters.is_some() && !is_concurrent;
                match quota.on_counter_failure.unwrap_or_default() {
                    OnCounterFailure::Share if has_counters => {
                        "counted over the fleet, by shares of it while the counters can't be asked"
                    }
                    OnCounterFailure::Allow if has_counters => {
                        "counted over the fleet, let through while the counters can't be asked"
                    }
                    OnCounterFailure::Deny if has_counters => {
                        "counted over the fleet, refused while the counters can't be asked"
                    }
                    _ if proxy.fleet.is_some() => {
                        "counted by each process, as its share of the fleet"
                    }
                    _ => "counted by each process",
                }
            }
            _ => "counted by each process",
        }
    }

    fn targets(&self, upstream: &str) -> Vec<Finding> {
        let targets = self.specs().find_map(|(name, spec)| match spec {
            Spec::Upstream(found) if name.as_str() == upstream => Some(found.targets.as_slice()),
            _ => None,
        });
        let told = targets.unwrap_or_default().iter().map(|target| Finding {
            says: format!("target {target}"),
            fits: None,
            findings: Vec::new(),
        });
        told.collect()
    }

    fn specs(&self) -> impl Iterator<Item = (&Name, &Spec)> {
        let documents = self.entries.iter();
        let good = documents.filter_map(|entry| entry.document.as_ref().ok());
        good.map(|document| (document.name(), document.spec()))
    }

    fn left_out(&self, kind: Kind, name: &Name) -> Option<&str> {
        let mut rejected = self.rejected.iter();
        let found =
            rejected.find(|it| it.id.kind == kind.as_str() && it.id.name == name.as_str())?;
        Some(&found.reason)
    }
}

/// What a grant or a route matches.
#[derive(Debug, Clone, Copy)]
struct Pattern<'d> {
    /// The scope's or the route's.
    name: &'d Name,
    path: &'d PathPattern,
    hosts: Option<&'d BTreeSet<HostPattern>>,
    methods: Option<&'d BTreeSet<Method>>,
}

impl<'d> Pattern<'d> {
    fn of_grant(name: &'d Name, grant: &'d document::Grant) -> Self {
        Self {
            name,
            path: &grant.path,
            hosts: grant.hosts.as_ref(),
            methods: grant.methods.as_ref(),
        }
    }

    fn of_route(name: &'d Name, route: &'d document::Route) -> Self {
        Self {
            name,
            path: &route.path,
            hosts: route.hosts.as_ref(),
            methods: route.methods.as_ref(),
        }
    }

    fn by_path(self) -> Self {
        Self {
            hosts: None,
            ..self.by_host()
        }
    }

    fn by_host(self) -> Self {
        Self {
            methods: None,
            ..self
        }
    }

    /// Asks what decides requests, about this pattern alone.
    fn fits(self, target: &Target) -> bool {
        let scope = Arc::new(ScopeRule {
            number: 0,
            name: self.name.clone(),
        });
        let grant = document::Grant {
            methods: self.methods.cloned(),
            hosts: self.hosts.cloned(),
            path: self.path.clone(),
        };
        let mut grants = Grants::default();
        grants.insert(&scope, &grant);
        let held = HeldScopes::from(vec![scope]);
        grants.find(&held, target).is_some()
    }

    /// What it is, whether it fits, and what of it does not.
    fn compared(self, target: &Target) -> (String, bool) {
        let (methods, hosts) = (
            one_of(self.methods, "any method"),
            one_of(self.hosts, "any host"),
        );
        let which = format!("{methods} {hosts} {}", self.path);
        if self.fits(target) {
            return (format!("{which} fits"), true);
        }
        let misfit = if !self.by_path().fits(target) {
            "the path"
        } else if !self.by_host().fits(target) {
            "the host"
        } else {
            "the method"
        };
        (format!("{which} does not fit: {misfit} is another"), false)
    }
}

/// A condition, and what it looks at.
fn condition(of: &ConditionFinding) -> Finding {
    let is_met = if of.is_met { "is met" } else { "is not met" };
    let text: Vec<_> = of.condition.split_whitespace().collect();
    let because = of.because.iter().map(|because| Finding {
        says: because.clone(),
        fits: None,
        findings: Vec::new(),
    });
    Finding {
        findings: because.take(LISTED_MAX).collect(),
        ..finding(
            format!(
                "condition of role {:?} {is_met}: {}",
                of.role,
                text.join(" ")
            ),
            of.is_met,
        )
    }
}

fn one_of<T: ToString>(words: Option<&BTreeSet<T>>, any: &str) -> String {
    let Some(words) = words else {
        return format!("({any})");
    };
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    words.join(",")
}

fn limits(name: &Name, quota: &Quota) -> String {
    let each = match quota.each {
        Each::Principal => "principal",
        Each::Key => "key",
        Each::Address => "address",
        Each::Route => "route",
        Each::Proxy => "proxy",
    };
    let policies = policies(&Arc::new(name.clone()), quota, &quota.limits);
    let limits: Vec<_> = policies
        .iter()
        .map(|policy| policy.measure.to_string())
        .collect();
    format!("{}, of each {each}", limits.join(" and "))
}

fn finding(says: String, fits: bool) -> Finding {
    Finding {
        says,
        fits: Some(fits),
        findings: Vec::new(),
    }
}

fn with(what: &str, findings: Vec<Finding>, fits: bool) -> Finding {
    let none = if findings.is_empty() { " none" } else { "" };
    Finding {
        findings,
        ..finding(format!("{what}:{none}"), fits)
    }
}

fn bounded(mut findings: Vec<Finding>, count: usize, what: &str) -> Vec<Finding> {
    if count > findings.len() {
        findings.push(Finding {
            says: format!("and {} more {what}", count - findings.len()),
            fits: None,
            findings: Vec::new(),
        });
    }
    findings
}
