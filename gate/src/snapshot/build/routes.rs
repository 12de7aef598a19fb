//! Routes to rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::Name;
use tollgate_store::document::{Kind, Upstream};

use super::documents::Documents;
use crate::UpstreamRule;
use crate::authorize::{RouteRule, Routes};

/// The routes of `proxy`, and the upstreams that they name.
pub(super) fn rules(
    documents: &mut Documents<'_>,
    proxy: &Name,
) -> (Routes, BTreeMap<Name, Arc<UpstreamRule>>) {
    let mut routes = Routes::default();
    let mut upstreams: BTreeMap<Name, Arc<UpstreamRule>> = BTreeMap::new();
    let mut taken = HashMap::new();
    let mut ours = std::mem::take(&mut documents.routes);
    ours.retain(|_, route| route.proxy == *proxy);
    for (name, route) in ours {
        let Some(upstream) = documents.upstreams.get(&route.upstream) else {
            let missing = documents.missing(Kind::Upstream, &route.upstream);
            documents.leave_out(Kind::Route, name.as_str(), &format!("names {missing}"));
            continue;
        };
        let requests = (&route.path, &route.hosts, &route.methods);
        if let Err(taken) = taken.try_insert(requests, name) {
            // The earlier by name keeps them, whichever was written first.
            let says = format!(
                "matches the same requests as route {:?}",
                taken.entry.get().as_str()
            );
            documents.leave_out(Kind::Route, name.as_str(), &says);
            continue;
        }
        let upstream = upstreams
            .entry(route.upstream.clone())
            .or_insert_with(|| Arc::new(rule(&route.upstream, upstream)));
        let rule = RouteRule {
            name: Name::clone(name),
            upstream: Arc::clone(upstream),
            upgrades: route.upgrades.clone().unwrap_or_default(),
            cost: route.cost.unwrap_or(1),
            priority: route.priority.unwrap_or_default(),
        };
        routes.insert(route, rule);
    }
    (routes, upstreams)
}

fn rule(name: &Name, upstream: &Upstream) -> UpstreamRule {
    UpstreamRule {
        name: name.clone(),
        upstream: upstream.clone(),
    }
}
