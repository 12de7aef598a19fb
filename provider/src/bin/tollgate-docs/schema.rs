//! The attributes of a block, as the registry's pages list them: by who gives their value, nested ones below.

use tollgate_proto::tfplugin6::schema::object::NestingMode;
use tollgate_proto::tfplugin6::schema::{Attribute, Block};
use tollgate_provider::value::Type;

use crate::failure::Failure;
use crate::markdown::{join, prose};
use crate::pages::unsupported;

/// Renders the attributes of the block of `place`; nothing where it has none.
pub(crate) fn render(place: &str, block: &Block) -> Result<String, Failure> {
    if !block.block_types.is_empty() {
        return Err(unsupported(
            place,
            "it has blocks, give it nested attributes instead",
        ));
    }
    let fields = fields(place, &block.attributes)?;
    if fields.is_empty() {
        return Ok(String::new());
    }
    let mut parts = vec!["## Schema".to_owned()];
    for presence in Presence::ALL {
        let list = list(&fields, presence, "");
        if !list.is_empty() {
            parts.push(format!("### {}", presence.heading()));
            parts.push(list);
        }
    }
    nested(&fields, "", &mut parts);
    Ok(join(parts))
}

/// What a page says of an attribute.
#[derive(Debug)]
struct Field {
    name: String,
    presence: Presence,
    /// Its type, and what else to know about its value.
    kind: Vec<String>,
    description: String,
    /// What the objects in it hold.
    inner: Vec<Field>,
}

/// Who gives an attribute its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
    ReadOnly,
}

impl Presence {
    const ALL: [Self; 3] = [Self::Required, Self::Optional, Self::ReadOnly];

    fn heading(self) -> &'static str {
        match self {
            Self::Required => "Required",
            Self::Optional => "Optional",
            Self::ReadOnly => "Read-Only",
        }
    }
}

fn fields(place: &str, attributes: &[Attribute]) -> Result<Vec<Field>, Failure> {
    let fields = attributes.iter().map(|attribute| field(place, attribute));
    fields.collect()
}

fn field(place: &str, attribute: &Attribute) -> Result<Field, Failure> {
    let place = format!("{place}.{}", attribute.name);
    let presence = match attribute {
        Attribute { required: true, .. } => Presence::Required,
        Attribute { optional: true, .. } => Presence::Optional,
        _ => Presence::ReadOnly,
    };
    let (words, inner) = shape(&place, attribute, presence)?;
    let notes = [
        (attribute.sensitive, "Sensitive"),
        (attribute.write_only, "Write-only"),
        (attribute.deprecated, "Deprecated"),
    ];
    let notes = notes.into_iter().filter(|(applies, _)| *applies);
    let kind = [words]
        .into_iter()
        .chain(notes.map(|(_, note)| note.to_owned()));
    let description = format!(
        "{} {}",
        attribute.description, attribute.deprecation_message
    );
    Ok(Field {
        name: attribute.name.clone(),
        presence,
        kind: kind.collect(),
        description: prose(description.trim()),
        inner,
    })
}

/// What an attribute's values are called, and what the objects in them hold.
fn shape(
    place: &str,
    attribute: &Attribute,
    presence: Presence,
) -> Result<(String, Vec<Field>), Failure> {
    let Some(object) = &attribute.nested_type else {
        let kind = Type::parse(&attribute.r#type);
        let kind = kind.map_err(|error| unsupported(place, &error.to_string()))?;
        return Ok((type_words(&kind), parts(&kind, presence)));
    };
    let words = match object.nesting() {
        NestingMode::Single => "Object",
        NestingMode::List => "List of Object",
        NestingMode::Set => "Set of Object",
        NestingMode::Map => "Map of Object",
        NestingMode::Invalid => return Err(unsupported(place, "it has no nesting mode")),
    };
    Ok((words.to_owned(), fields(place, &object.attributes)?))
}

/// A type as the registry's pages name it.
pub(crate) fn type_words(kind: &Type) -> String {
    match kind {
        Type::Bool => "Boolean".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::String => "String".to_owned(),
        Type::Dynamic => "Dynamic".to_owned(),
        Type::List(element) => format!("List of {}", type_words(element)),
        Type::Set(element) => format!("Set of {}", type_words(element)),
        Type::Map(element) => format!("Map of {}", type_words(element)),
        Type::Object(_) => "Object".to_owned(),
        Type::Tuple(_) => "Tuple".to_owned(),
    }
}

/// The parts of the objects in a type, which have no description of their own.
fn parts(kind: &Type, presence: Presence) -> Vec<Field> {
    match kind {
        Type::List(element) | Type::Set(element) | Type::Map(element) => parts(element, presence),
        Type::Object(attributes) => {
            let fields = attributes.iter().map(|(name, kind)| Field {
                name: name.clone(),
                presence,
                kind: vec![type_words(kind)],
                description: String::new(),
                inner: parts(kind, presence),
            });
            fields.collect()
        }
        Type::Bool | Type::Number | Type::String | Type::Dynamic | Type::Tuple(_) => Vec::new(),
    }
}

/// The attributes of one presence, one line each; nothing where there are none.
fn list(fields: &[Field], presence: Presence, path: &str) -> String {
    let fields = fields.iter().filter(|field| field.presence == presence);
    let lines = fields.map(|field| {
        let mut parts = vec![format!("- `{}` ({})", field.name, field.kind.join(", "))];
        parts.extend((!field.description.is_empty()).then(|| field.description.clone()));
        if !field.inner.is_empty() {
            let anchor = anchor(&join_path(path, &field.name));
            parts.push(format!("See [below](#{anchor})."));
        }
        parts.join(" ") + "\n"
    });
    lines.collect()
}

/// A part of its own for the objects of each attribute that holds some, outer ones first.
fn nested(fields: &[Field], path: &str, parts: &mut Vec<String>) {
    for field in fields.iter().filter(|field| !field.inner.is_empty()) {
        let path = join_path(path, &field.name);
        parts.push(format!(
            "<a id=\"{}\"></a>\n### Nested Schema for `{path}`",
            anchor(&path)
        ));
        for presence in Presence::ALL {
            let list = list(&field.inner, presence, &path);
            if !list.is_empty() {
                parts.push(format!("{}:", presence.heading()));
                parts.push(list);
            }
        }
        nested(&field.inner, &path, parts);
    }
}

fn join_path(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The registry's own form, so that links to it from elsewhere work.
fn anchor(path: &str) -> String {
    format!("nestedatt--{}", path.replace('.', "--"))
}
