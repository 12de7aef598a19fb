//! What a condition sees of a request.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use cedar_policy::RestrictedExpression;
use serde_json::Value as Json;

use crate::uses::Shape;

/// The most characters of a text that is told.
const TOLD_CHARS_MAX: usize = 100;

/// Something that a condition sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
    Texts(BTreeSet<String>),
    Address(IpAddr),
    Time(jiff::Timestamp),
    Record(Vec<(String, Value)>),
}

impl Value {
    /// A claim as a condition takes it; `None`: it is absent. The error says that it is something else, which must not
    /// pass for absent: a condition may be about that.
    pub(crate) fn of_claim(claim: Option<&Json>, shape: &Shape) -> Result<Option<Self>, String> {
        let claim = match claim {
            None | Some(Json::Null) => return Ok(None),
            Some(claim) => claim,
        };
        let value = match (shape, claim) {
            (Shape::Any, _) => Self::Text(String::new()),
            (Shape::Text, Json::String(text)) => Self::Text(text.clone()),
            (Shape::Number, Json::Number(number)) => {
                Self::Number(number.as_i64().ok_or("is no whole number of 64 bits")?)
            }
            (Shape::Truth, Json::Bool(truth)) => Self::Truth(*truth),
            // As it may be written (RFC 8693, section 4.2).
            (Shape::Texts, Json::String(text)) => Self::Texts(
                text.split(' ')
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            (Shape::Texts, Json::Array(elements)) => {
                let texts = elements.iter().map(|it| it.as_str().map(str::to_owned));
                Self::Texts(texts.collect::<Option<_>>().ok_or("is no list of texts")?)
            }
            (Shape::Record(shapes), Json::Object(members)) => {
                let mut values = Vec::new();
                for (name, shape) in shapes {
                    let value = Self::of_claim(members.get(name), shape)
                        .map_err(|why| format!("has a {name:?} that {why}"))?;
                    values.extend(value.map(|value| (name.clone(), value)));
                }
                Self::Record(values)
            }
            (Shape::Text, _) => return Err("is no text".to_owned()),
            (Shape::Number, _) => return Err("is no number".to_owned()),
            (Shape::Truth, _) => return Err("is neither true nor false".to_owned()),
            (Shape::Texts, _) => return Err("is no list of texts".to_owned()),
            (Shape::Record(_), _) => return Err("is no object".to_owned()),
        };
        Ok(Some(value))
    }

    /// The same for Cedar.
    pub(crate) fn expression(self) -> Result<RestrictedExpression, String> {
        Ok(match self {
            Self::Text(text) => RestrictedExpression::new_string(text),
            Self::Number(number) => RestrictedExpression::new_long(number),
            Self::Truth(truth) => RestrictedExpression::new_bool(truth),
            Self::Texts(texts) => RestrictedExpression::new_set(
                texts.into_iter().map(RestrictedExpression::new_string),
            ),
            Self::Address(address) => RestrictedExpression::new_ip(address.to_string()),
            Self::Time(time) => RestrictedExpression::new_datetime(format!("{time:.3}")),
            Self::Record(members) => {
                let members = members.into_iter();
                let members = members.map(|(name, value)| Ok((name, value.expression()?)));
                let members = members.collect::<Result<Vec<_>, String>>()?;
                RestrictedExpression::new_record(members).map_err(|error| error.to_string())?
            }
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{:?}", shortened(text)),
            Self::Number(number) => number.fmt(formatter),
            Self::Truth(truth) => truth.fmt(formatter),
            Self::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
                formatter.write_str(&shortened(&format!("[{}]", texts.join(", "))))
            }
            Self::Address(address) => address.fmt(formatter),
            Self::Time(time) => time.fmt(formatter),
            Self::Record(members) => {
                let members = members.iter();
                let members: Vec<_> = members
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                formatter.write_str(&shortened(&format!("{{{}}}", members.join(", "))))
            }
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(TOLD_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
