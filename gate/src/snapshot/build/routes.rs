//! Routes to rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::Name;
use tollgate_store::document::{Kind, Upstream};

use super::documents::{Documents, left_out};
use crate::authorize::{RouteRule, Routes};
use crate::{Rejected, UpstreamRule};

/// The routes of `proxy`, and the upstreams that they name.
pub(super) fn rules(
    documents: &Documents<'_>,
    proxy: &Name,
    rejected: &mut Vec<Rejected>,
) -> (Routes, BTreeMap<Name, Arc<UpstreamRule>>) {
    let mut routes = Routes::default();
    let mut upstreams: BTreeMap<Name, Arc<UpstreamRule>> = BTreeMap::new();
    let mut taken = HashMap::new();
    let ours = documents.routes.iter();
    for (name, route) in ours.filter(|(_, route)| route.proxy == *proxy) {
        let Some(upstream) = documents.upstreams.get(&route.upstream) else {
            let missing = documents.missing(Kind::Upstream, &route.upstream);
            rejected.push(left_out(Kind::Route, name, &format!("names {missing}")));
            continue;
        };
        let requests = (&route.path, &route.hosts, &route.methods);
        if let Err(taken) = taken.try_insert(requests, *name) {
            // The earlier by name keeps them, whichever was written first.
            let says = format!(
                "matches the same requests as route {:?}",
                taken.entry.get().as_str()
            );
            rejected.push(left_out(Kind::Route, name, &says));
            continue;
        }
        let upstream = upstreams
            .entry(route.upstream.clone())
            .or_insert_with(|| Arc::new(rule(&route.upstream, upstream)));
        let rule = RouteRule {
            name: Name::clone(name),
            upstream: Arc::clone(upstream),
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
