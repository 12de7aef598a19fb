use super::*;
use crate::schema::{Attribute, Nesting, Presence, Shape};

fn each(attributes: &[Attribute], visit: &mut impl FnMut(&Attribute)) {
    for attribute in attributes {
        visit(attribute);
        if let Shape::Nested(_, inner) = &attribute.shape {
            each(inner, visit);
        }
    }
}

#[test]
fn terraform_accepts_every_schema() {
    for (name, kind) in all() {
        each(&kind.schema.attributes, &mut |attribute| {
            let place = format!("{name}: {}", attribute.name);
            assert!(
                attribute.presence == Presence::Optional || attribute.default.is_none(),
                "{place} is optional, as it has a default"
            );
            assert!(
                !attribute.write_only || !attribute.is_computed(),
                "{place} is written only"
            );
            if let Shape::Nested(Nesting::Set, inner) = &attribute.shape {
                each(inner, &mut |attribute| {
                    assert!(!attribute.is_computed(), "{place} is in a set");
                });
            }
            if let Shape::Nested(_, inner) = &attribute.shape {
                each(inner, &mut |attribute| {
                    assert!(!attribute.replaces, "{place} is nested");
                });
            }
        });
    }
}

#[test]
fn every_resource_is_named_by_its_author_and_described() {
    for (resource, kind) in all() {
        let first = &kind.schema.attributes[0];

        assert_eq!(first.name, "name", "{resource}");
        assert!(first.replaces && first.presence == Presence::Required);
        let message = tollgate_proto::tfplugin6::Schema::from(&kind.schema);
        for attribute in message.block.unwrap().attributes {
            let described = attribute.description.ends_with(['.', ')'])
                || attribute.description.contains("Default:");
            assert!(described, "{resource}: {}", attribute.name);
        }
    }
}
