//! Checks of a configuration: each attribute by itself, so that one that is still unknown hides no other's mistake.

use tollgate_store::Step;

use super::{Attribute, Nesting, Presence, Shape};
use crate::diagnostic::{Diagnostic, Path};
use crate::value::{Number, Value};

/// What is wrong with `object`, the value at `path` that has these attributes. What is unknown is never wrong.
pub(crate) fn check(attributes: &[Attribute], object: &Value, path: &Path) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for attribute in attributes {
        let path = path.then_attribute(attribute.name);
        let value = object.attribute(attribute.name);
        if let Some(message) = check_presence(attribute, value) {
            problems.push(Diagnostic::invalid(path, message));
            continue;
        }
        problems.extend(check_count(attribute, value, &path));
        problems.extend(check_elements(value, &path));
        check_value(attribute, value, &path, &mut problems);
    }
    problems
}

/// What is written only, to a Terraform that would keep it in its state all the same.
pub(crate) fn refuse_write_only(attributes: &[Attribute], object: &Value) -> Vec<Diagnostic> {
    let given = attributes
        .iter()
        .filter(|attribute| attribute.write_only && !object.attribute(attribute.name).is_null());
    let message = "this version of Terraform would keep it in the state: it must be Terraform 1.11, OpenTofu 1.11 or newer; \
                   or give token_sha256, which is no secret, in its place";
    given
        .map(|attribute| Diagnostic::invalid(Path::attribute(attribute.name), message))
        .collect()
}

/// The path to what a document's parser complains about, as far as the schema reaches.
pub(crate) fn locate(attributes: &[Attribute], steps: &[Step]) -> Path {
    let mut path = Path::default();
    let mut attributes = Some(attributes);
    let mut steps = steps.iter();
    while let Some(Step::Field(name)) = steps.next() {
        let Some(attribute) = attributes.and_then(|all| all.iter().find(|one| one.name == name))
        else {
            return path;
        };
        path = path.then_attribute(attribute.name);
        attributes = match &attribute.shape {
            Shape::Plain(_) => None,
            Shape::Nested(Nesting::Single, inner) => Some(inner),
            Shape::Nested(nesting, inner) => {
                path = match (nesting, steps.next()) {
                    (Nesting::List, Some(Step::Index(index))) => path.then_index(*index),
                    (Nesting::Map, Some(Step::Field(key))) => path.then_key(key),
                    _ => return path,
                };
                Some(inner)
            }
        };
    }
    path
}

/// Terraform itself lets a null pass for a required attribute, and a value for one that only the provider sets.
fn check_presence(attribute: &Attribute, value: &Value) -> Option<&'static str> {
    match attribute.presence {
        Presence::Required if value.is_null() => Some("it must be given, and is null"),
        Presence::Computed if !value.is_null() => {
            Some("the provider sets it: remove it from the configuration")
        }
        _ => None,
    }
}

fn check_value(attribute: &Attribute, value: &Value, path: &Path, problems: &mut Vec<Diagnostic>) {
    match value {
        Value::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check_value(attribute, element, &path.then_index(index), problems);
            }
        }
        Value::Set(elements) => {
            for element in elements {
                check_value(attribute, element, path, problems);
            }
        }
        Value::Map(elements) => {
            for (key, element) in elements {
                let path = path.then_key(key);
                if let Some(Err(message)) = attribute.keys.map(|check| check(key)) {
                    problems.push(Diagnostic::invalid(path.clone(), &message));
                }
                check_value(attribute, element, &path, problems);
            }
        }
        Value::Object(_) => {
            if let Shape::Nested(_, inner) = &attribute.shape {
                problems.extend(check(inner, value, path));
            }
        }
        Value::String(text) => {
            let checked = attribute.text.as_ref().map(|known| (known.check)(text));
            if let Some(Err(message)) = checked {
                problems.push(Diagnostic::invalid(path.clone(), &message));
            }
        }
        Value::Number(number) => problems.extend(check_number(attribute, number, path)),
        Value::Null | Value::Unknown | Value::Bool(_) | Value::Tuple(_) | Value::Dynamic(_) => {}
    }
}

fn check_number(attribute: &Attribute, number: &Number, path: &Path) -> Option<Diagnostic> {
    let bounds = attribute.bounds.as_ref()?;
    let is_within = number
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .is_some_and(|number| bounds.contains(&number));
    let message = || {
        let (least, most) = (bounds.start(), bounds.end());
        format!("{number} is out of bounds: it must be a whole number, {least} to {most}")
    };
    (!is_within).then(|| Diagnostic::invalid(path.clone(), &message()))
}

/// An element that is null would be left out of the document without a word.
fn check_elements(value: &Value, path: &Path) -> Option<Diagnostic> {
    let null = match value {
        Value::List(elements) => {
            let index = elements.iter().position(Value::is_null);
            index.map(|index| path.then_index(index))
        }
        Value::Map(elements) => {
            let mut elements = elements.iter();
            let null = elements.find(|(_, element)| element.is_null());
            null.map(|(key, _)| path.then_key(key))
        }
        Value::Set(elements) => {
            let has_null = elements.iter().any(Value::is_null);
            has_null.then(|| path.clone())
        }
        _ => None,
    };
    null.map(|path| Diagnostic::invalid(path, "an element must not be null: leave it out"))
}

fn check_count(attribute: &Attribute, value: &Value, path: &Path) -> Option<Diagnostic> {
    let bounds = attribute.count.as_ref()?;
    let count = match value {
        Value::List(elements) => elements.len(),
        Value::Map(elements) => elements.len(),
        // Unknown elements may turn out to be the same one.
        Value::Set(elements) if elements.is_empty() || value.is_wholly_known() => elements.len(),
        _ => return None,
    };
    if bounds.contains(&count) {
        return None;
    }
    let message = match (count, attribute.presence) {
        (0, super::Presence::Required) => "it must have at least one element".to_owned(),
        (0, _) => "it must not be empty: give at least one element, or leave it out".to_owned(),
        _ => format!(
            "it has {count} elements, at most {} are allowed",
            bounds.end()
        ),
    };
    Some(Diagnostic::invalid(path.clone(), &message))
}
