//! The types of values, as a schema from the wire has them.

use tollgate_proto::tfplugin6::schema::object::NestingMode;
use tollgate_proto::tfplugin6::schema::{Attribute, Object as Nested};
use tollgate_provider::value::Type;

/// The type of an object with these attributes.
pub(crate) fn object_type(attributes: &[Attribute]) -> Type {
    let named = attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), value_type(attribute)));
    Type::Object(named.collect())
}

fn value_type(attribute: &Attribute) -> Type {
    let Some(Nested {
        attributes,
        nesting,
        ..
    }) = &attribute.nested_type
    else {
        return Type::parse(&attribute.r#type).unwrap();
    };
    let object = object_type(attributes);
    match NestingMode::try_from(*nesting).unwrap() {
        NestingMode::Invalid => panic!("{} has no nesting", attribute.name),
        NestingMode::Single => object,
        NestingMode::List => Type::List(Box::new(object)),
        NestingMode::Set => Type::Set(Box::new(object)),
        NestingMode::Map => Type::Map(Box::new(object)),
    }
}
