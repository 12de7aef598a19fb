//! The resources: one file and one line each.

mod issuer;
mod key;
pub(crate) mod key_set;
mod principal;
mod proxy;
mod quota;
mod role;
mod route;
mod scope;
#[cfg(test)]
mod tests;
mod throttle;
mod upstream;

use std::collections::BTreeMap;

pub(crate) use key::place_attributes;
pub(crate) use principal::certificate_subject;
use tollgate_store::document::{MATCHERS_MAX, METADATA_CHARS_MAX, METADATA_ENTRIES_MAX};
use tollgate_store::{Description, HostPattern, Method, Name};

use crate::resource::{Resource, ResourceType};
use crate::schema::Attribute;
use crate::value::Type;

/// Every resource by its name in HCL.
pub(crate) fn all() -> BTreeMap<String, ResourceType> {
    let resources: [Box<dyn Resource>; 10] = [
        Box::new(scope::Scope),
        Box::new(quota::Quota),
        Box::new(role::Role),
        Box::new(issuer::Issuer),
        Box::new(principal::Principal),
        Box::new(key::Key),
        Box::new(key_set::KeySet),
        Box::new(upstream::Upstream),
        Box::new(route::Route),
        Box::new(proxy::Proxy),
    ];
    resources
        .into_iter()
        .map(ResourceType::new)
        .map(|kind| (kind.type_name(), kind))
        .collect()
}

/// The resource `tollgate_key`, for whoever tells of keys.
pub(crate) fn key() -> ResourceType {
    ResourceType::new(Box::new(key::Key))
}

/// The name that every resource has.
fn name() -> Attribute {
    Attribute::required("name", Type::String)
        .check(Name::parse)
        .replaces()
        .describe(
            "The name, unique within the namespace: 1 to 64 letters, digits or any of `. _ : @ / -`, the first a letter \
             or a digit.",
        )
}

/// What a resource is for.
fn description() -> Attribute {
    Attribute::optional("description", Type::String)
        .check(Description::parse)
        .describe("What it is for, in your own words: at most 500 characters.")
}

/// Lets it go although others name it.
fn force_destroy() -> Attribute {
    Attribute::optional("force_destroy", Type::Bool)
        .default(false)
        .local()
        .describe(
            "Whether it is removed although others still name it. Those open nothing from then on.",
        )
}

/// Notes for people.
fn metadata() -> Attribute {
    Attribute::optional("metadata", Type::map_of_strings())
        .check(check_note)
        .at_most(METADATA_ENTRIES_MAX)
        .describe(
            "Notes for people, like an owner: at most 16, of at most 256 characters each. No secrets: every proxy \
             reads them.",
        )
}

fn check_note(text: &str) -> Result<(), String> {
    let characters = text.chars().count();
    if characters <= METADATA_CHARS_MAX {
        return Ok(());
    }
    Err(format!(
        "a note has at most {METADATA_CHARS_MAX} characters, this one {characters}"
    ))
}

/// The names of documents of one kind.
fn names(name: &'static str, most: usize) -> Attribute {
    Attribute::optional(name, Type::set_of_strings())
        .check(Name::parse)
        .at_most(most)
}

/// The methods of a grant or route.
fn methods() -> Attribute {
    Attribute::optional("methods", Type::set_of_strings())
        .check(Method::parse)
        .at_most(MATCHERS_MAX)
        .describe("The request methods, in capitals, like `GET`. Every method where left out.")
}

/// The hosts of a grant or route.
fn hosts() -> Attribute {
    Attribute::optional("hosts", Type::set_of_strings())
        .check(HostPattern::parse)
        .at_most(MATCHERS_MAX)
        .describe(
            "The hosts in lower case, without a port, like `api.example.com`, or `*.example.com` for any one label \
             before it. Every host where left out.",
        )
}
