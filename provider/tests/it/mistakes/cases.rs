//! Wrong values of attributes, by resource.

mod issuer;
mod key;
mod key_set;
mod principal;
mod proxy;
mod quota;
mod role;
mod route;
mod scope;
mod upstream;

use serde_json::Value as Json;

use crate::samples::Sample;

/// An attribute, and a value that is wrong for it.
type Mistake = (&'static str, Json);

/// Every resource, as it is right, and what is wrong with one attribute each.
pub(super) fn all() -> [(Sample, Vec<Mistake>); 10] {
    [
        scope::all(),
        quota::all(),
        key::all(),
        key_set::all(),
        role::all(),
        issuer::all(),
        principal::all(),
        upstream::all(),
        route::all(),
        proxy::all(),
    ]
}

fn many(text: impl Fn(usize) -> String, count: usize) -> Json {
    (0..count).map(text).collect()
}
