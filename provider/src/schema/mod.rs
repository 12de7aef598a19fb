//! Schemas: what a resource's attributes are called, hold and mean. One declaration serves Terraform's schema, the
//! checks, the plan and the documentation.

mod check;
mod render;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

pub(crate) use check::{check, locate, refuse_write_only};

use crate::value::{Type, Value};

/// The attributes of a resource or of the provider.
#[derive(Debug)]
pub(crate) struct Schema {
    /// What it is, in Markdown.
    pub(crate) description: &'static str,
    /// The attributes; a nested one is an attribute too, never a block.
    pub(crate) attributes: Vec<Attribute>,
}

impl Schema {
    /// The version of the stored states. 1 has attributes that 0 had not, some of them with defaults.
    pub(crate) const VERSION: i64 = 1;

    /// The type of the resource's values.
    pub(crate) fn value_type(&self) -> Type {
        object_type(&self.attributes)
    }
}

/// One attribute; made by [`Attribute::required`], [`Attribute::optional`], [`Attribute::filled`] or
/// [`Attribute::computed`].
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the protocol's flags, each by itself"
)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    pub(crate) default: Option<Value>,
    pub(crate) sensitive: bool,
    pub(crate) write_only: bool,
    pub(crate) replaces: bool,
    /// It stands in the state alone, and in no document.
    pub(crate) local: bool,
    description: &'static str,
    text: Option<Text>,
    keys: Option<TextCheck>,
    bounds: Option<RangeInclusive<u32>>,
    count: Option<RangeInclusive<usize>>,
}

/// Who gives an attribute its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Its author must.
    Required,
    /// Its author may.
    Optional,
    /// Its author may, and otherwise the provider does.
    Filled,
    /// The provider does.
    Computed,
}

/// What an attribute holds.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A value of a type.
    Plain(Type),
    /// Objects with attributes of their own.
    Nested(Nesting, Vec<Attribute>),
}

/// How many objects a nested attribute holds, and how they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// One.
    Single,
    /// Any number, in order.
    List,
    /// Any number, without order.
    #[allow(dead_code, reason = "no resource has one yet; plan and checks know it")]
    Set,
    /// Any number, by key.
    Map,
}

impl Shape {
    /// One object.
    pub(crate) fn single(attributes: impl Into<Vec<Attribute>>) -> Self {
        Self::Nested(Nesting::Single, attributes.into())
    }

    /// A list of objects.
    pub(crate) fn list(attributes: impl Into<Vec<Attribute>>) -> Self {
        Self::Nested(Nesting::List, attributes.into())
    }

    /// Objects by key.
    pub(crate) fn map(attributes: impl Into<Vec<Attribute>>) -> Self {
        Self::Nested(Nesting::Map, attributes.into())
    }

    fn value_type(&self) -> Type {
        match self {
            Self::Plain(kind) => kind.clone(),
            Self::Nested(nesting, attributes) => {
                let object = object_type(attributes);
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::List(Box::new(object)),
                    Nesting::Set => Type::Set(Box::new(object)),
                    Nesting::Map => Type::Map(Box::new(object)),
                }
            }
        }
    }
}

impl From<Type> for Shape {
    fn from(kind: Type) -> Self {
        Self::Plain(kind)
    }
}

impl Attribute {
    /// An attribute that its author must give.
    pub(crate) fn required(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self {
            name,
            shape: shape.into(),
            presence: Presence::Required,
            default: None,
            sensitive: false,
            write_only: false,
            replaces: false,
            local: false,
            description: "",
            text: None,
            keys: None,
            bounds: None,
            count: None,
        }
    }

    /// An attribute that its author may leave out.
    pub(crate) fn optional(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self {
            presence: Presence::Optional,
            ..Self::required(name, shape)
        }
    }

    /// An attribute that the provider fills in where its author leaves it out.
    pub(crate) fn filled(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self {
            presence: Presence::Filled,
            ..Self::required(name, shape)
        }
    }

    /// An attribute that the provider fills in.
    pub(crate) fn computed(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self {
            presence: Presence::Computed,
            ..Self::required(name, shape)
        }
    }

    /// What it is for, in Markdown.
    pub(crate) fn describe(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The value that stands for null.
    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// A change makes a new resource.
    pub(crate) fn replaces(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// The same, as the provider tells it of something that is declared elsewhere; `None` where no
    /// document tells of it.
    pub(crate) fn answered(self) -> Option<Self> {
        if self.local {
            return None;
        }
        let shape = match self.shape {
            Shape::Nested(nesting, inner) => {
                let inner = inner.into_iter().filter_map(Self::answered);
                Shape::Nested(nesting, inner.collect())
            }
            plain @ Shape::Plain(_) => plain,
        };
        Some(Self {
            sensitive: self.sensitive,
            description: self.description,
            ..Self::computed(self.name, shape)
        })
    }

    /// It stands in the state alone: no document tells of it.
    pub(crate) fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Terraform hides it in its output.
    pub(crate) fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Terraform passes it on and never keeps it; what it is for, no document tells.
    pub(crate) fn write_only(mut self) -> Self {
        self.write_only = true;
        self.local()
    }

    /// Every text in it must be one that `parse` reads.
    pub(crate) fn check<T: 'static>(self, parse: fn(&str) -> Result<T, String>) -> Self {
        self.text(Text {
            check: Box::new(move |text| parse(text).map(drop)),
            same: Box::new(|one, other| one == other),
        })
    }

    /// Every text in it must be one that `parse` reads, and two texts of the same `meaning` are no difference.
    pub(crate) fn check_meaning<T: 'static, M: PartialEq + 'static>(
        self,
        parse: fn(&str) -> Result<T, String>,
        meaning: fn(&T) -> M,
    ) -> Self {
        let read = move |text: &str| parse(text).ok().as_ref().map(meaning);
        self.text(Text {
            check: Box::new(move |text| parse(text).map(drop)),
            same: Box::new(move |one, other| read(one).is_some_and(|one| read(other) == Some(one))),
        })
    }

    /// Every key of the map must be one that `parse` reads.
    pub(crate) fn check_keys(mut self, parse: TextCheck) -> Self {
        self.keys = Some(parse);
        self
    }

    /// It must be a whole number within these bounds.
    pub(crate) fn bounds(mut self, bounds: RangeInclusive<u32>) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// It must have 1 to `most` elements.
    pub(crate) fn at_most(mut self, most: usize) -> Self {
        self.count = Some(1..=most);
        self
    }

    /// Whether two texts in it mean the same.
    pub(crate) fn means_the_same(&self, one: &str, other: &str) -> bool {
        let same = self.text.as_ref().map(|text| &text.same);
        same.is_some_and(|same| same(one, other))
    }

    /// Whether the provider may give it a value that its author did not.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.presence, Presence::Computed | Presence::Filled) || self.default.is_some()
    }

    fn text(mut self, text: Text) -> Self {
        self.text = Some(text);
        self
    }
}

type TextCheck = fn(&str) -> Result<(), String>;
type Check = dyn Fn(&str) -> Result<(), String> + Send + Sync;
type Same = dyn Fn(&str, &str) -> bool + Send + Sync;

/// What is known about the texts of an attribute.
struct Text {
    check: Box<Check>,
    same: Box<Same>,
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Text")
    }
}

fn object_type(attributes: &[Attribute]) -> Type {
    let attributes = attributes
        .iter()
        .map(|attribute| (attribute.name.to_owned(), attribute.shape.value_type()));
    Type::Object(attributes.collect())
}
