//! Types of values, and the JSON that schemas name them by.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value as Json, json};

use super::DEPTH_MAX;

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// True or false.
    Bool,
    /// A number of any size.
    Number,
    /// A text.
    String,
    /// Any type; each value brings its own.
    Dynamic,
    /// Elements of one type, in order.
    List(Box<Type>),
    /// Elements of one type, without order or repetition.
    Set(Box<Type>),
    /// Elements of one type by key.
    Map(Box<Type>),
    /// Attributes, each with its own type.
    Object(BTreeMap<String, Type>),
    /// Elements, each with its own type.
    Tuple(Vec<Type>),
}

/// A type's JSON that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{json} is not a type")]
pub struct TypeError {
    /// What was there, shortened.
    pub json: String,
}

impl Type {
    /// A list of texts, which is what most lists are.
    #[must_use]
    pub fn list_of_strings() -> Self {
        Self::List(Box::new(Self::String))
    }

    /// A set of texts.
    #[must_use]
    pub fn set_of_strings() -> Self {
        Self::Set(Box::new(Self::String))
    }

    /// A map of texts.
    #[must_use]
    pub fn map_of_strings() -> Self {
        Self::Map(Box::new(Self::String))
    }

    /// The JSON that stands for the type in a schema: `"string"`, `["set","string"]`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool => json!("bool"),
            Self::Number => json!("number"),
            Self::String => json!("string"),
            Self::Dynamic => json!("dynamic"),
            Self::List(element) => json!(["list", element.to_json()]),
            Self::Set(element) => json!(["set", element.to_json()]),
            Self::Map(element) => json!(["map", element.to_json()]),
            Self::Object(attributes) => {
                let attributes: serde_json::Map<_, _> = attributes
                    .iter()
                    .map(|(name, kind)| (name.clone(), kind.to_json()))
                    .collect();
                json!(["object", attributes])
            }
            Self::Tuple(elements) => {
                let elements: Vec<_> = elements.iter().map(Self::to_json).collect();
                json!(["tuple", elements])
            }
        }
    }

    /// Reads a type's JSON.
    pub fn parse(json: &[u8]) -> Result<Self, TypeError> {
        let unreadable = || TypeError {
            json: String::from_utf8_lossy(json).chars().take(100).collect(),
        };
        let value: Json = serde_json::from_slice(json).map_err(|_| unreadable())?;
        from_json(&value, DEPTH_MAX).ok_or_else(unreadable)
    }
}

fn from_json(json: &Json, depth: usize) -> Option<Type> {
    let depth = depth.checked_sub(1)?;
    let inner = |json: &Json| from_json(json, depth);
    let parts = match json {
        Json::String(name) => return simple(name),
        Json::Array(parts) => parts,
        _ => return None,
    };
    match parts.as_slice() {
        [Json::String(name), Json::Object(attributes), ..] if name == "object" => {
            // A third part names the optional attributes of a type constraint: a value's type has none.
            let attributes = attributes
                .iter()
                .map(|(name, kind)| Some((name.clone(), inner(kind)?)));
            attributes.collect::<Option<_>>().map(Type::Object)
        }
        [Json::String(name), Json::Array(elements)] if name == "tuple" => {
            let elements = elements.iter().map(inner);
            elements.collect::<Option<_>>().map(Type::Tuple)
        }
        [Json::String(name), element] => {
            let element = Box::new(inner(element)?);
            match name.as_str() {
                "list" => Some(Type::List(element)),
                "set" => Some(Type::Set(element)),
                "map" => Some(Type::Map(element)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn simple(name: &str) -> Option<Type> {
    match name {
        "bool" => Some(Type::Bool),
        "number" => Some(Type::Number),
        "string" => Some(Type::String),
        "dynamic" => Some(Type::Dynamic),
        _ => None,
    }
}

/// Prints as people say it: `list of string`.
impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => formatter.write_str("bool"),
            Self::Number => formatter.write_str("number"),
            Self::String => formatter.write_str("string"),
            Self::Dynamic => formatter.write_str("value of any type"),
            Self::List(element) => write!(formatter, "list of {element}"),
            Self::Set(element) => write!(formatter, "set of {element}"),
            Self::Map(element) => write!(formatter, "map of {element}"),
            Self::Object(_) => formatter.write_str("object"),
            Self::Tuple(_) => formatter.write_str("tuple"),
        }
    }
}
