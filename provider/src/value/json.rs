//! Values in JSON: stored states, and the documents that values become.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{DEPTH_MAX, DecodeError, Dynamic, Number, Type, Value, parse_number};

/// Reads JSON as a value of the type `kind`. Attributes that the type does not have are dropped, and those that are
/// left out are null: a state may have been written by an older schema.
pub fn from_json(json: &Json, kind: &Type) -> Result<Value, DecodeError> {
    read(json, kind, DEPTH_MAX)
}

/// The JSON for a document: what is null or unknown is left out.
#[must_use]
pub fn to_json(value: &Value) -> Option<Json> {
    match value {
        Value::Null | Value::Unknown => None,
        Value::Bool(flag) => Some(Json::Bool(*flag)),
        Value::Number(number) => Some(number_to_json(number)),
        Value::String(text) => Some(Json::String(text.clone())),
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            Some(Json::Array(elements.iter().filter_map(to_json).collect()))
        }
        Value::Map(elements) | Value::Object(elements) => {
            let given = elements
                .iter()
                .filter_map(|(key, element)| Some((key.clone(), to_json(element)?)));
            Some(Json::Object(given.collect()))
        }
        Value::Dynamic(dynamic) => to_json(&dynamic.value),
    }
}

fn number_to_json(number: &Number) -> Json {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => whole.into(),
        (None, Some(whole)) => whole.into(),
        // A fraction, or too large for any document: its parser says so.
        (None, None) => number
            .to_string()
            .parse::<f64>()
            .map_or(Json::Null, Json::from),
    }
}

fn read(json: &Json, kind: &Type, depth: usize) -> Result<Value, DecodeError> {
    let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
    match (kind, json) {
        (_, Json::Null) => Ok(Value::Null),
        (Type::Bool, Json::Bool(flag)) => Ok(Value::Bool(*flag)),
        (Type::Number, Json::Number(number)) => parse_number(&number.to_string()),
        (Type::Number, Json::String(text)) => parse_number(text),
        (Type::String, Json::String(text)) => Ok(Value::string(text)),
        (Type::List(element), Json::Array(elements)) => {
            read_all(elements, element, depth).map(Value::List)
        }
        (Type::Set(element), Json::Array(elements)) => {
            read_all(elements, element, depth).map(Value::set)
        }
        (Type::Map(element), Json::Object(elements)) => {
            let values = elements
                .iter()
                .map(|(key, json)| Ok((key.clone(), read(json, element, depth)?)));
            values.collect::<Result<_, _>>().map(Value::Map)
        }
        (Type::Object(attributes), Json::Object(values)) => read_object(values, attributes, depth),
        (Type::Tuple(kinds), Json::Array(elements)) if kinds.len() == elements.len() => {
            let pairs = elements.iter().zip(kinds);
            let values = pairs.map(|(json, kind)| read(json, kind, depth));
            values.collect::<Result<_, _>>().map(Value::Tuple)
        }
        (Type::Dynamic, Json::Object(parts)) => read_dynamic(parts, depth),
        (expected, found) => Err(DecodeError::Mismatch {
            expected: expected.clone(),
            found: name(found).to_owned(),
        }),
    }
}

fn read_all(elements: &[Json], kind: &Type, depth: usize) -> Result<Vec<Value>, DecodeError> {
    elements
        .iter()
        .map(|element| read(element, kind, depth))
        .collect()
}

fn read_object(
    values: &serde_json::Map<String, Json>,
    attributes: &BTreeMap<String, Type>,
    depth: usize,
) -> Result<Value, DecodeError> {
    let read_attribute = |(name, kind): (&String, &Type)| {
        let json = values.get(name).unwrap_or(&Json::Null);
        let value = read(json, kind, depth).map_err(|error| error.within(name))?;
        Ok((name.clone(), value))
    };
    let attributes = attributes.iter().map(read_attribute);
    attributes.collect::<Result<_, _>>().map(Value::Object)
}

/// `{"type": …, "value": …}`, as stored states have it.
fn read_dynamic(parts: &serde_json::Map<String, Json>, depth: usize) -> Result<Value, DecodeError> {
    let part = |name: &str| {
        parts.get(name).ok_or_else(|| DecodeError::Missing {
            name: name.to_owned(),
        })
    };
    let kind = Type::parse(part("type")?.to_string().as_bytes())?;
    let value = read(part("value")?, &kind, depth)?;
    Ok(Value::Dynamic(Box::new(Dynamic { kind, value })))
}

fn name(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
