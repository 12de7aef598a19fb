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

impl<T: Clone> RequestTable<T> {
    /// Files `value` under each host and method; `None` stands for every one. What stands there already stays.
    pub(super) fn insert(
        &mut self,
        hosts: Option<&BTreeSet<HostPattern>>,
        methods: Option<&BTreeSet<Method>>,
        value: &T,
    ) {
        let Some(hosts) = hosts else {
            self.every.insert(methods, value);
            return;
        };
        for host in hosts {
            let table = match host.as_str().strip_prefix('*') {
                Some(suffix) => self.wildcard.entry_ref(suffix).or_default(),
                None => self.exact.entry(exact(host)).or_default(),
            };
            table.insert(methods, value);
        }
    }

    /// The most specific value for the request's host and method.
    pub(super) fn find(&self, target: &Target) -> Option<&T> {
        let host = target.host();
        let method = target.method().as_str();
        // A star stands for one label, so that only one wildcard can fit.
        let suffix = host.find('.').and_then(|dot| host.get(dot..));
        let exact = self.exact.get(host);
        exact
            .and_then(|table| table.find(method))
            .or_else(|| self.wildcard.get(suffix?)?.find(method))
            .or_else(|| self.every.find(method))
    }
}

/// An address in the one spelling that a target's host has; a name as it is.
fn exact(host: &HostPattern) -> String {
    match host.as_str().parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.as_str().to_owned(),
    }
}

impl<T: Clone> MethodTable<T> {
    fn insert(&mut self, methods: Option<&BTreeSet<Method>>, value: &T) {
        let Some(methods) = methods else {
            self.every.get_or_insert_with(|| value.clone());
            return;
        };
        for method in methods {
            if self.given(method.as_str()).is_none() {
                self.given.push((method.to_string(), value.clone()));
            }
        }
    }

    fn find(&self, method: &str) -> Option<&T> {
        self.given(method).or(self.every.as_ref())
    }

    fn given(&self, method: &str) -> Option<&T> {
        let fits = |(given, _): &&(String, T)| given == method;
        self.given.iter().find(fits).map(|(_, value)| value)
    }
}
