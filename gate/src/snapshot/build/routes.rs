//! Routes to rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::Name;
use tollgate_store::document::{Kind, Route, Upstream};

use super::documents::Documents;
use super::rules::Rules;
use crate::UpstreamRule;
use crate::authorize::{Door, Doors, RouteRule, Routes};

type Upstreams = BTreeMap<Name, Arc<UpstreamRule>>;

/// The routes of `proxy`, and the upstreams that they name.
pub(super) fn rules(
    documents: &mut Documents<'_>,
    rules: &Rules<'_>,
    proxy: &Name,
) -> (Routes, Upstreams) {
    let mut routes = Routes::default();
    let mut upstreams = Upstreams::new();
    let mut taken = HashMap::new();
    // What a route that can't be read would have closed, nobody knows.
    let may_be_open = !documents.is_any_bad(Kind::Route);
    let mut ours = std::mem::take(&mut documents.routes);
    ours.retain(|_, route| route.proxy == *proxy);
    for (&name, &route) in &ours {
        let rule = rule(
            (name, route),
            may_be_open,
            (documents, rules),
            &mut upstreams,
        );
        let requests = (&route.path, &route.hosts, &route.methods);
        // The earlier by name keeps them, whichever was written first.
        let rule = rule.and_then(|rule| match taken.try_insert(requests, name) {
            Ok(_) => Ok(rule),
            Err(taken) => Err(format!(
                "matches the same requests as route {:?}",
                taken.entry.get().as_str()
            )),
        });
        match rule {
            Ok(rule) => routes.insert(route, rule),
            Err(says) => {
                documents.leave_out(Kind::Route, name.as_str(), &says);
            }
        }
    }
    if ours.values().any(|route| is_particular(route)) {
        routes.declare(doors(ours.values().copied(), may_be_open));
    }
    (routes, upstreams)
}

fn rule(
    (name, route): (&Name, &Route),
    may_be_open: bool,
    (documents, rules): (&Documents<'_>, &Rules<'_>),
    upstreams: &mut Upstreams,
) -> Result<RouteRule, String> {
    let missing = || documents.missing(Kind::Upstream, &route.upstream);
    let upstream = documents.upstreams.get(&route.upstream);
    let upstream = upstream.ok_or_else(|| format!("names {}", missing()))?;
    let anonymous_quotas = rules.all_quotas(route.anonymous_quotas.as_ref(), documents)?;
    let upstream = upstreams
        .entry(route.upstream.clone())
        .or_insert_with(|| Arc::new(upstream_rule(&route.upstream, upstream)));
    Ok(RouteRule {
        name: name.clone(),
        upstream: Arc::clone(upstream),
        upgrades: route.upgrades.clone().unwrap_or_default(),
        cost: route.cost.unwrap_or(1),
        priority: route.priority.unwrap_or_default(),
        body_bytes_max: route.body_bytes_max,
        door: door(route, may_be_open),
        anonymous_quotas,
    })
}

/// Whom each route would let in, also one that is left out. Of two for the same requests, the one that is closed counts.
fn doors<'d>(routes: impl Iterator<Item = &'d Route>, may_be_open: bool) -> Doors {
    let mut routes: Vec<_> = routes
        .map(|route| (door(route, may_be_open), route))
        .collect();
    routes.sort_by_key(|(door, _)| door.is_open);
    let mut doors = Doors::default();
    for (door, route) in routes {
        doors.insert(route, &door);
    }
    doors
}

/// Whether it says whom it lets in.
fn is_particular(route: &Route) -> bool {
    route.anonymous == Some(true) || route.credentials.is_some()
}

fn door(route: &Route, may_be_open: bool) -> Door {
    Door {
        is_open: may_be_open && route.anonymous == Some(true),
        kinds: route.credentials.clone(),
    }
}

fn upstream_rule(name: &Name, upstream: &Upstream) -> UpstreamRule {
    UpstreamRule {
        name: name.clone(),
        upstream: upstream.clone(),
    }
}
