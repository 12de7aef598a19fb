//! Values as Terraform has them: like JSON, and besides null a value may be unknown until apply.

mod json;
mod kind;
mod msgpack;
mod number;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

pub use json::{from_json, to_json};
pub use kind::{Type, TypeError};
pub use msgpack::{decode, encode};
pub use number::Number;

/// How deeply values and types may be nested; what Terraform sends for our schemas has four levels.
pub(crate) const DEPTH_MAX: usize = 64;

static NULL: Value = Value::Null;

/// A value of some [`Type`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Left out.
    Null,
    /// Known only after apply. What Terraform may already know about it is not kept: less is always right.
    Unknown,
    /// True or false.
    Bool(bool),
    /// A number, exactly.
    Number(Number),
    /// A text in Unicode's normal form C; made by [`Value::string`].
    String(String),
    /// Elements of one type, in order.
    List(Vec<Value>),
    /// Elements of one type without order; made by [`Value::set`], so that equal sets compare equal.
    Set(Vec<Value>),
    /// Elements of one type by key.
    Map(BTreeMap<String, Value>),
    /// Attributes, each with its own type.
    Object(BTreeMap<String, Value>),
    /// Elements, each with its own type.
    Tuple(Vec<Value>),
    /// A value that brings its type along.
    Dynamic(Box<Dynamic>),
}

/// A value together with its type, where the schema leaves the type open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dynamic {
    /// The type.
    pub kind: Type,
    /// A value of that type.
    pub value: Value,
}

impl Value {
    /// A text; Terraform compares texts in normal form C.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::String(text.nfc().collect())
    }

    /// A set: in one fixed order, and each known element once. Unknown elements may yet turn out to differ.
    #[must_use]
    pub fn set(mut elements: Vec<Self>) -> Self {
        elements.sort();
        elements.dedup_by(|one, other| one == other && one.is_wholly_known());
        Self::Set(elements)
    }

    /// An object or a part of one.
    #[must_use]
    pub fn object<const N: usize>(attributes: [(&str, Self); N]) -> Self {
        let named = attributes.map(|(name, value)| (name.to_owned(), value));
        Self::Object(named.into())
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether neither it nor anything inside it is unknown.
    #[must_use]
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => true,
            Self::List(elements) | Self::Set(elements) | Self::Tuple(elements) => {
                elements.iter().all(Self::is_wholly_known)
            }
            Self::Map(elements) | Self::Object(elements) => {
                elements.values().all(Self::is_wholly_known)
            }
            Self::Dynamic(dynamic) => dynamic.value.is_wholly_known(),
        }
    }

    /// An object's attribute; null where there is none, or where this is no object.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &Self {
        match self {
            Self::Object(attributes) => attributes.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// The text, where it is a known one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

/// Why bytes or JSON are no value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the bytes end in the middle of a value")]
    Truncated,
    /// More bytes follow after the value.
    #[error("{bytes} bytes follow after the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A value of another type.
    #[error("a {expected} was expected, {found} was found")]
    Mismatch {
        /// The type that the schema has.
        expected: Type,
        /// What was there.
        found: String,
    },
    /// An object without one of its attributes.
    #[error("the attribute {name:?} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// An object with an attribute that the schema does not have.
    #[error("there is no attribute {name:?} in the schema")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A number that is not one, or is not finite.
    #[error("{text:?} is not a number")]
    Number {
        /// What was there, shortened.
        text: String,
    },
    /// A type that can't be read.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Text that is not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// Nested too deeply.
    #[error("it is nested more than {DEPTH_MAX} levels deep")]
    Depth,
    /// An error inside an attribute.
    #[error("{attribute}: {source}")]
    Within {
        /// The attribute's name.
        attribute: String,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
}

impl DecodeError {
    fn within(self, attribute: &str) -> Self {
        Self::Within {
            attribute: attribute.to_owned(),
            source: Box::new(self),
        }
    }
}

fn parse_number(text: &str) -> Result<Value, DecodeError> {
    let number = Number::parse(text).ok_or_else(|| DecodeError::Number {
        text: text.chars().take(40).collect(),
    });
    number.map(Value::Number)
}
