//! Schemas as Terraform reads them.

use tollgate_proto::tfplugin6::schema::object::NestingMode;
use tollgate_proto::tfplugin6::schema::{self, Block, Object};
use tollgate_proto::tfplugin6::{Schema as Message, StringKind};

use super::{Attribute, Nesting, Presence, Schema, Shape};
use crate::value::to_json;

impl From<&Schema> for Message {
    fn from(schema: &Schema) -> Self {
        let Schema {
            description,
            attributes,
        } = schema;
        Self {
            version: Schema::VERSION,
            block: Some(Block {
                version: Schema::VERSION,
                attributes: render_all(attributes),
                description: (*description).to_owned(),
                description_kind: StringKind::Markdown.into(),
                ..Block::default()
            }),
        }
    }
}

fn render_all(attributes: &[Attribute]) -> Vec<schema::Attribute> {
    attributes.iter().map(render).collect()
}

fn render(attribute: &Attribute) -> schema::Attribute {
    let (kind, nested_type) = match &attribute.shape {
        Shape::Plain(kind) => (kind.to_json().to_string().into_bytes(), None),
        Shape::Nested(nesting, attributes) => (Vec::new(), Some(nested(*nesting, attributes))),
    };
    schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: kind,
        nested_type,
        description: describe(attribute),
        description_kind: StringKind::Markdown.into(),
        required: attribute.presence == Presence::Required,
        optional: matches!(attribute.presence, Presence::Optional | Presence::Filled),
        computed: attribute.is_computed(),
        sensitive: attribute.sensitive,
        write_only: attribute.write_only,
        ..schema::Attribute::default()
    }
}

fn nested(nesting: Nesting, attributes: &[Attribute]) -> Object {
    let mode = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    Object {
        attributes: render_all(attributes),
        nesting: mode.into(),
        ..Object::default()
    }
}

/// The author's words, and what the rest of the declaration adds to them.
fn describe(attribute: &Attribute) -> String {
    let mut description = attribute.description.to_owned();
    if let Some(default) = attribute.default.as_ref().and_then(to_json) {
        description.extend([" Default: `", &default.to_string(), "`."]);
    }
    if attribute.replaces {
        description.push_str(" Changing it makes a new resource.");
    }
    description
}
