//! What conditions of roles look at, and what becomes of them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};
use tollgate_conditions::is_credential;
use tollgate_gate::ConditionFinding;

use crate::schema::{Attribute, Shape};
use crate::value::Type;

/// The most headers that a question has.
const HEADERS_MAX: usize = 32;

/// The request's headers.
pub(super) fn headers_attribute() -> Attribute {
    Attribute::optional("headers", Type::map_of_strings())
        .check(check_value)
        .check_keys(check_name)
        .at_most(HEADERS_MAX)
        .describe(
            "The headers that it has, which conditions of roles may look at: at most 32, by their names in lower case. \
             Credentials have no place here.",
        )
}

/// What becomes of the conditions.
pub(super) fn conditions_attribute() -> Attribute {
    let condition = [
        Attribute::computed("role", Type::String).describe("The role."),
        Attribute::computed("condition", Type::String).describe("Its condition."),
        Attribute::computed("met", Type::Bool).describe("Whether the request meets it."),
        Attribute::computed("because", Type::list_of_strings())
            .describe("What it looks at and how that is, like `context.hour is 22`."),
    ];
    Attribute::computed("conditions", Shape::list(condition)).describe(
        "The caller's roles that have conditions, in the order of their names, and what becomes of those.",
    )
}

/// The headers as a proxy would read them; what is none was refused before.
pub(super) fn read(headers: &BTreeMap<String, String>) -> HeaderMap {
    let read = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    read.collect()
}

pub(super) fn told(of: &ConditionFinding) -> Json {
    json!({
        "role": of.role,
        "condition": of.condition,
        "met": of.is_met,
        "because": of.because,
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let header = HeaderName::try_from(name).ok();
    let header = header.filter(|header| header.as_str() == name);
    let header = header.ok_or_else(|| {
        format!("{name:?} is no name of a header in lower case: write one, like \"x-environment\"")
    })?;
    if is_credential(&header) {
        return Err(format!(
            "credentials stand in {name:?}, which no condition sees and no state may hold: leave it out"
        ));
    }
    Ok(())
}

/// Without the value, which is nobody's business.
fn check_value(value: &str) -> Result<(), String> {
    let is_value = HeaderValue::try_from(value).is_ok();
    is_value
        .then_some(())
        .ok_or_else(|| "this can't stand in a header: it holds a control character".to_owned())
}
