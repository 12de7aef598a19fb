//! What of a request a condition looks at.

use std::collections::BTreeMap;

use cedar_policy::pst::{BinaryOp, Expr, Literal, SmolStr, UnaryOp, Var};
use http::HeaderName;

use crate::condition::EXPRESSION_DEPTH_MAX;
use crate::place::at;
use crate::schema::ATTRIBUTES;

/// Headers that credentials stand in, which no condition sees.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "cookie",
    "dpop",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
];

/// The most steps of a way like `context.claims.realm_access.roles`, and of others: Cedar takes the square of that.
pub(crate) const WAY_STEPS_MAX: usize = 16;

/// Where a text has a way that is too long, in bytes, whatever it is of.
pub(crate) fn long_way(text: &str) -> Option<usize> {
    let (mut steps, mut is_after_word, mut is_after_gap) = (0, false, false);
    for (offset, character) in text.char_indices() {
        if character.is_whitespace() {
            is_after_gap = true;
            continue;
        }
        match character {
            '.' | '[' => steps += 1,
            ']' | '"' => {}
            // A word after a word begins something else.
            _ if (character.is_alphanumeric() || character == '_')
                && !(is_after_word && is_after_gap) => {}
            _ => steps = 0,
        }
        if steps > WAY_STEPS_MAX {
            return Some(offset);
        }
        is_after_word = character.is_alphanumeric() || "_]\"".contains(character);
        is_after_gap = false;
    }
    None
}

/// What of a request a condition looks at.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Of [`ATTRIBUTES`].
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) claims: BTreeMap<String, Shape>,
    /// How deep its expressions stand within each other.
    pub(crate) depth: usize,
}

/// What a condition takes a claim for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Anything: it asks only whether it is there.
    Any,
    Text,
    Number,
    Truth,
    Texts,
    Record(BTreeMap<String, Shape>),
}

/// What a condition must not use.
#[derive(Debug)]
pub(crate) struct Misuse {
    /// What stands where it is wrong.
    word: String,
    message: String,
}

impl Misuse {
    fn new(word: &str, message: impl Into<String>) -> Self {
        Self {
            word: word.to_owned(),
            message: message.into(),
        }
    }

    /// With the place in `text`.
    pub(crate) fn told(&self, text: &str) -> String {
        at(text, text.find(&self.word).unwrap_or(0), &self.message)
    }
}

impl Uses {
    pub(crate) fn of(expression: &Expr) -> Result<Self, Misuse> {
        let mut uses = Self::default();
        uses.visit(expression, &Shape::Truth, EXPRESSION_DEPTH_MAX)?;
        uses.headers
            .sort_by(|one, other| one.as_str().cmp(other.as_str()));
        uses.headers.dedup();
        uses.attributes.sort_unstable();
        uses.attributes.dedup();
        Ok(uses)
    }

    /// Looks at an expression where a claim would be taken for `shape`.
    fn visit(&mut self, expression: &Expr, shape: &Shape, depth: usize) -> Result<(), Misuse> {
        let Some(depth) = depth.checked_sub(1) else {
            let message = format!(
                "expressions stand at most {EXPRESSION_DEPTH_MAX} deep within each other: write it shorter"
            );
            return Err(Misuse::new("", message));
        };
        self.depth = self.depth.max(EXPRESSION_DEPTH_MAX - depth);
        if let Some(way) = way(expression) {
            return self.note(&way, Some(shape));
        }
        match expression {
            Expr::Var(var) => Err(stranger(variable(var))),
            Expr::Literal(Literal::EntityUID(entity)) => Err(stranger(&entity.to_string())),
            Expr::Is { expr, .. } => self.visit(expr, &Shape::Text, depth),
            Expr::HasAttr { expr, attrs } => match way(expr) {
                Some(mut way) => {
                    way.extend(attrs.iter().map(SmolStr::as_str));
                    self.note(&way, None)
                }
                None => self.visit(expr, &Shape::Text, depth),
            },
            Expr::GetAttr { expr, .. } | Expr::Like { expr, .. } => {
                self.visit(expr, &Shape::Text, depth)
            }
            Expr::UnaryOp { op, expr } => self.visit(expr, &operand(*op), depth),
            Expr::BinaryOp { op, left, right } => {
                let (left_shape, right_shape) = operands(*op, left, right);
                self.visit(left, &left_shape, depth)?;
                self.visit(right, &right_shape, depth)
            }
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => {
                self.visit(cond, &Shape::Truth, depth)?;
                self.visit(then_expr, shape, depth)?;
                self.visit(else_expr, shape, depth)
            }
            Expr::Set(elements) => {
                let mut elements = elements.iter();
                elements.try_for_each(|element| self.visit(element, &Shape::Text, depth))
            }
            Expr::Record(members) => {
                let mut members = members.values();
                members.try_for_each(|member| self.visit(member, &Shape::Text, depth))
            }
            _ => Ok(()),
        }
    }

    /// Notes the use of an attribute by the way to it from `context`; `None`: it is asked only whether it is there.
    fn note(&mut self, way: &[&str], shape: Option<&Shape>) -> Result<(), Misuse> {
        match way {
            [] => Err(Misuse::new(
                "context",
                "the context as a whole is nothing to compare: name an attribute of it, like context.hour",
            )),
            ["headers" | "claims"] if shape.is_some() => {
                let message =
                    "name one of them, like context.headers[\"x-name\"] or context.claims.name";
                Err(Misuse::new(way.first().unwrap_or(&""), message))
            }
            ["headers", name, ..] => {
                self.headers.push(header(name)?);
                Ok(())
            }
            ["claims", claim @ ..] => {
                insert(&mut self.claims, claim, shape);
                Ok(())
            }
            [name, ..] => {
                let known = ATTRIBUTES
                    .iter()
                    .map(|(known, _)| known.trim_end_matches('?'));
                // Of one that is unknown, the schema knows what it may have been.
                self.attributes.extend(known.filter(|known| known == name));
                Ok(())
            }
        }
    }
}

/// The way to an attribute from `context`.
fn way(expression: &Expr) -> Option<Vec<&str>> {
    match expression {
        Expr::Var(Var::Context) => Some(Vec::new()),
        Expr::GetAttr { expr, attr } => {
            let mut way = way(expr)?;
            way.push(attr);
            Some(way)
        }
        _ => None,
    }
}

fn variable(var: &Var) -> &'static str {
    match var {
        Var::Principal => "principal",
        Var::Action => "action",
        Var::Resource => "resource",
        Var::Context => "context",
    }
}

fn stranger(word: &str) -> Misuse {
    let message = format!(
        "a condition is about the request, which context tells of: {word} is nothing to it; who asks is \
         context.principal, what is asked for context.method, context.host and context.path"
    );
    Misuse::new(word, message)
}

/// Whether credentials stand in a header, so that no condition sees it.
#[must_use]
pub fn is_credential(header: &HeaderName) -> bool {
    CREDENTIALS.contains(&header.as_str())
}

fn header(name: &str) -> Result<HeaderName, Misuse> {
    let lower = name.to_ascii_lowercase();
    if CREDENTIALS.contains(&lower.as_str()) {
        let message = format!(
            "a condition never sees {name:?}, which credentials stand in: what a token says is in context.claims"
        );
        return Err(Misuse::new(name, message));
    }
    let parsed = HeaderName::try_from(&lower);
    match parsed {
        Ok(header) if lower == name => Ok(header),
        Ok(_) => {
            let message = format!("names of headers are in lower case here: write {lower:?}");
            Err(Misuse::new(name, message))
        }
        Err(_) => {
            let message =
                format!("{name:?} is no name of a header: write one, like \"x-environment\"");
            Err(Misuse::new(name, message))
        }
    }
}

/// What an operand is taken for.
fn operand(op: UnaryOp) -> Shape {
    match op {
        UnaryOp::Not => Shape::Truth,
        UnaryOp::Neg => Shape::Number,
        UnaryOp::IsEmpty => Shape::Texts,
        _ => Shape::Text,
    }
}

fn operands(op: BinaryOp, left: &Expr, right: &Expr) -> (Shape, Shape) {
    match op {
        BinaryOp::Eq | BinaryOp::NotEq => (shape_of(right), shape_of(left)),
        BinaryOp::Less
        | BinaryOp::LessEq
        | BinaryOp::Greater
        | BinaryOp::GreaterEq
        | BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul => (Shape::Number, Shape::Number),
        BinaryOp::And | BinaryOp::Or => (Shape::Truth, Shape::Truth),
        BinaryOp::Contains => (Shape::Texts, element_of(left)),
        BinaryOp::ContainsAll | BinaryOp::ContainsAny => (Shape::Texts, Shape::Texts),
        _ => (Shape::Text, Shape::Text),
    }
}

/// What an expression is by itself; a claim is a text where nothing tells.
fn shape_of(expression: &Expr) -> Shape {
    match expression {
        Expr::Literal(Literal::Bool(_))
        | Expr::HasAttr { .. }
        | Expr::Like { .. }
        | Expr::UnaryOp {
            op: UnaryOp::Not, ..
        } => Shape::Truth,
        Expr::Literal(Literal::Long(_))
        | Expr::UnaryOp {
            op: UnaryOp::Neg, ..
        } => Shape::Number,
        Expr::BinaryOp { op, .. } => match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul => Shape::Number,
            _ => Shape::Truth,
        },
        Expr::Set(_) => Shape::Texts,
        Expr::GetAttr { attr, .. } => {
            let is_number = ATTRIBUTES.contains(&(attr.as_str(), "Long"));
            if is_number && way(expression).is_some_and(|way| way.len() == 1) {
                Shape::Number
            } else {
                Shape::Text
            }
        }
        _ => Shape::Text,
    }
}

fn element_of(set: &Expr) -> Shape {
    match set {
        Expr::Set(elements) => elements
            .first()
            .map_or(Shape::Text, |first| shape_of(first)),
        _ => Shape::Text,
    }
}

/// The first use that tells what a claim is counts: the schema tells of others that contradict it.
fn insert(claims: &mut BTreeMap<String, Shape>, way: &[&str], shape: Option<&Shape>) {
    match way {
        [] => {}
        [name] => {
            let known = claims.entry((*name).to_owned()).or_insert(Shape::Any);
            if let (Shape::Any, Some(shape)) = (&known, shape) {
                known.clone_from(shape);
            }
        }
        [name, rest @ ..] => {
            let known = claims.entry((*name).to_owned()).or_insert(Shape::Any);
            if *known == Shape::Any {
                *known = Shape::Record(BTreeMap::new());
            }
            if let Shape::Record(members) = known {
                insert(members, rest, shape);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_as_long_as_its_steps_and_ends_with_it() {
        let long = |steps: usize| format!("context{}", ".a".repeat(steps));
        assert_eq!(long_way(&long(WAY_STEPS_MAX)), None);
        assert!(long_way(&long(WAY_STEPS_MAX + 1)).is_some());
        assert!(long_way(&long(WAY_STEPS_MAX + 1).replace('.', " . ")).is_some());
        assert!(long_way(&format!("context{}", "[\"a\"]".repeat(WAY_STEPS_MAX + 1))).is_some());
        let chain = "if context.a then context.b else ".repeat(20);
        assert_eq!(long_way(&chain), None);
        assert_eq!(long_way(&["context.a.b"; 20].join(" && ")), None);
    }
}
