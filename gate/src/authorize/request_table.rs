//! Values by host and method, for requests whose path is settled.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;
use tollgate_store::{HostPattern, Method};

use crate::Target;

/// Values by host and method; an exact host comes before a wildcard, a wildcard before every host, and a method that
/// is given before every method.
#[derive(Debug)]
pub(super) struct RequestTable<T> {
    exact: HashMap<String, MethodTable<T>>,
    /// By what follows the star: `.example.com`.
    wildcard: HashMap<String, MethodTable<T>>,
    every: MethodTable<T>,
}

#[derive(Debug)]
struct MethodTable<T> {
    /// A handful: searching them is quicker than hashing.
    given: Vec<(String, T)>,
    every: Option<T>,
}

// Derived, both would ask for `T: Default` where nothing needs it.
impl<T> Default for RequestTable<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            every: MethodTable::default(),
        }
    }
}

impl<T> Default for MethodTable<T> {
    fn default() -> Self {
        Self {
            given: Vec::new(),
            every: None,
        }
    }
}

impl<T> RequestTable<T> {
    /// Files `value` under each host and method; `None` stands for every one. What stands there already stays.
    pub(super) fn insert(
        &mut self,
        hosts: Option<&BTreeSet<HostPattern>>,
        methods: Option<&BTreeSet<Method>>,
        value: &T,
    ) where
        T: Clone,
    {
        self.alter(hosts, methods, &mut |slot| {
            slot.get_or_insert_with(|| value.clone());
        });
    }

    /// Lets `alter` have what stands under each host and method; `None` stands for every one.
    pub(super) fn alter(
        &mut self,
        hosts: Option<&BTreeSet<HostPattern>>,
        methods: Option<&BTreeSet<Method>>,
        alter: &mut impl FnMut(&mut Option<T>),
    ) {
        let Some(hosts) = hosts else {
            self.every.alter(methods, alter);
            return;
        };
        for host in hosts {
            let table = match host.as_str().strip_prefix('*') {
                Some(suffix) => self.wildcard.entry_ref(suffix).or_default(),
                None => self.exact.entry(exact(host)).or_default(),
            };
            table.alter(methods, alter);
        }
    }

    /// The most specific value for the request's host and method.
    pub(super) fn find(&self, target: &Target) -> Option<&T> {
        self.fitting(target).next()
    }

    /// Every value for the request's host and method, the most specific first: six at most.
    pub(super) fn fitting(&self, target: &Target) -> impl Iterator<Item = &T> {
        let host = target.host();
        let method = target.method().as_str();
        // A star stands for one label, so that only one wildcard can fit.
        let suffix = host
            .bytes()
            .position(|byte| byte == b'.')
            .and_then(|dot| host.get(dot..));
        let exact = || (!self.exact.is_empty()).then(|| self.exact.get(host))?;
        let wildcard = move || {
            let suffix = suffix.filter(|_| !self.wildcard.is_empty())?;
            self.wildcard.get(suffix)
        };
        let tables = [exact(), wildcard(), Some(&self.every)]
            .into_iter()
            .flatten();
        tables.flat_map(move |table| table.fitting(method))
    }
}

/// An address in the one spelling that a target's host has; a name as it is.
fn exact(host: &HostPattern) -> String {
    match host.as_str().parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.as_str().to_owned(),
    }
}

impl<T> MethodTable<T> {
    fn alter(
        &mut self,
        methods: Option<&BTreeSet<Method>>,
        alter: &mut impl FnMut(&mut Option<T>),
    ) {
        let Some(methods) = methods else {
            alter(&mut self.every);
            return;
        };
        for method in methods {
            let mut given = self.given.iter();
            let place = given.position(|(given, _)| given == method.as_str());
            let mut slot = place.map(|place| self.given.swap_remove(place).1);
            alter(&mut slot);
            self.given
                .extend(slot.map(|value| (method.to_string(), value)));
        }
    }

    fn fitting(&self, method: &str) -> impl Iterator<Item = &T> {
        let fits = |(given, _): &&(String, T)| given == method;
        let given = self.given.iter().find(fits).map(|(_, value)| value);
        given.into_iter().chain(&self.every)
    }
}
