//! What a condition may be about, as Cedar checks it.

use std::collections::BTreeMap;

use cedar_policy::{EntityUid, Schema};

use crate::uses::{Shape, Uses};

/// Attributes that are always the same, with their types in Cedar; `?` where one may be absent.
pub(crate) const ATTRIBUTES: [(&str, &str); 10] = [
    ("address?", "ipaddr"),
    ("credential", "String"),
    ("host", "String"),
    ("hour", "Long"),
    ("method", "String"),
    ("minute", "Long"),
    ("path", "String"),
    ("principal?", "String"),
    ("time", "datetime"),
    ("weekday", "Long"),
];

/// The schema that a condition with those uses is checked by.
pub(crate) fn of(uses: &Uses) -> Result<Schema, String> {
    let mut context = String::new();
    for (name, kind) in ATTRIBUTES {
        context.extend([name, ": ", kind, ", "]);
    }
    let headers = uses.headers.iter();
    let headers: Vec<_> = headers
        .map(|name| format!("{:?}?: String", name.as_str()))
        .collect();
    let text = format!(
        "entity Caller; entity Gateway; action request appliesTo {{ principal: [Caller], resource: [Gateway], \
         context: {{ {context} headers: {{ {} }}, claims: {} }} }};",
        headers.join(", "),
        record(&uses.claims)
    );
    let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| error.to_string())?;
    Ok(schema)
}

/// Who asks, does and is asked in that schema.
pub(crate) fn entities() -> Option<[EntityUid; 3]> {
    let entity = |text: &str| text.parse::<EntityUid>().ok();
    Some([
        entity("Caller::\"caller\"")?,
        entity("Action::\"request\"")?,
        entity("Gateway::\"gateway\"")?,
    ])
}

fn record(members: &BTreeMap<String, Shape>) -> String {
    let members = members.iter();
    let members: Vec<_> = members
        .map(|(name, shape)| format!("{name:?}?: {}", kind(shape)))
        .collect();
    format!("{{ {} }}", members.join(", "))
}

fn kind(shape: &Shape) -> String {
    match shape {
        // Whatever it is, the condition asks only whether it is there.
        Shape::Any | Shape::Text => "String".to_owned(),
        Shape::Number => "Long".to_owned(),
        Shape::Truth => "Bool".to_owned(),
        Shape::Texts => "Set<String>".to_owned(),
        Shape::Record(members) => record(members),
    }
}
