//! What is allowed and yet hardly meant.

use std::collections::BTreeSet;

use tollgate_store::Name;
use tollgate_store::document::{Across, DocumentId, Entry, Kind, Limit, Proxy, Quota, Spec};

/// Something about a document that is allowed and yet hardly meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advice {
    /// The document.
    pub id: DocumentId,
    /// What it says, and what that does.
    pub says: String,
}

/// What there is to say of quotas: exceptions for principals that do not exist, and limits that each process of the
/// deployment's declared fleet has no whole request of.
///
/// No single document can know either: a principal may come later, and who counts by a quota is elsewhere.
#[must_use]
pub fn advise(entries: &[Entry], proxy: &Name) -> Vec<Advice> {
    let mut principals = BTreeSet::new();
    let mut quotas = Vec::new();
    let mut deployment: Option<&Proxy> = None;
    for entry in entries {
        if entry.id.kind == Kind::Principal.as_str() {
            // Also one that can't be read: it is told of by itself.
            principals.insert(entry.id.name.as_str());
        }
        let Ok(document) = &entry.document else {
            continue;
        };
        match document.spec() {
            Spec::Quota(quota) => quotas.push((&entry.id, quota)),
            Spec::Proxy(declared) if document.name() == proxy => deployment = Some(declared),
            _ => {}
        }
    }
    let mut advice = Vec::new();
    for (id, quota) in quotas {
        let of = |says| Advice {
            id: id.clone(),
            says,
        };
        advice.extend(strangers(quota, &principals).into_iter().map(of));
        if let Some(deployment) = deployment {
            advice.extend(small(quota, deployment).into_iter().map(of));
        }
    }
    advice.sort();
    advice
}

fn strangers(quota: &Quota, principals: &BTreeSet<&str>) -> Vec<String> {
    let names = quota
        .overrides
        .iter()
        .flat_map(|overrides| overrides.keys());
    names
        .filter(|name| !principals.contains(name.as_str()))
        .map(|name| {
            format!(
                "has an override for principal {:?}, which does not exist",
                name.as_str()
            )
        })
        .collect()
}

fn small(quota: &Quota, deployment: &Proxy) -> Vec<String> {
    let fleet = deployment.fleet.as_ref().and_then(|fleet| fleet.size);
    let fleet = fleet.filter(|_| quota.across == Across::Fleet).unwrap_or(1);
    let counts_together = deployment.counters.is_some();
    let overrides = quota
        .overrides
        .iter()
        .flat_map(|overrides| overrides.values());
    let limits = quota.limits.iter();
    let limits = limits.chain(overrides.flat_map(|exception| &exception.limits));
    limits
        .filter_map(move |limit| {
            let (requests, what) = match limit {
                Limit {
                    concurrent: Some(concurrent),
                    ..
                } => (*concurrent, "requests under way".to_owned()),
                Limit {
                    requests: Some(requests),
                    per: Some(per),
                    ..
                } if !counts_together => (*requests, format!("requests per {per}")),
                _ => return None,
            };
            (requests < fleet).then(|| {
                format!(
                    "allows {requests} {what}, fewer than the fleet's {fleet} processes: each of them admits 1, together \
                     more than that"
                )
            })
        })
        .collect()
}
