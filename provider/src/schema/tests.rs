use tollgate_proto::tfplugin6::Schema as Message;
use tollgate_store::{Name, Period, Step};

use super::*;
use crate::diagnostic::{Diagnostic, Path};

fn schema() -> Schema {
    Schema {
        description: "A test.",
        attributes: vec![
            Attribute::required("name", Type::String)
                .check(Name::parse)
                .replaces()
                .describe("Its name."),
            Attribute::optional("tags", Type::set_of_strings())
                .check(Name::parse)
                .at_most(2),
            Attribute::optional("color", Type::String)
                .default("red")
                .describe("Its colour."),
            Attribute::required(
                "limits",
                Shape::list([
                    Attribute::required("requests", Type::Number).bounds(1..=10),
                    Attribute::required("per", Type::String)
                        .check_meaning(Period::parse, Period::length),
                ]),
            )
            .at_most(2),
            Attribute::optional("secret", Type::String)
                .sensitive()
                .write_only(),
            Attribute::computed("id", Type::String),
        ],
    }
}

fn limit(requests: Value, per: Value) -> Value {
    Value::object([("requests", requests), ("per", per)])
}

fn problems(object: &Value) -> Vec<Diagnostic> {
    check(&schema().attributes, object, &Path::default())
}

#[test]
fn a_schema_is_rendered_with_its_words_and_flags() {
    let message = Message::from(&schema());

    let block = message.block.unwrap();
    assert_eq!(block.description, "A test.");
    let [name, tags, color, limits, secret, id] = block.attributes.as_slice() else {
        panic!("six attributes were declared");
    };
    assert_eq!(
        name.description,
        "Its name. Changing it makes a new resource."
    );
    assert!(name.required && !name.optional && !name.computed);
    assert_eq!(tags.r#type, br#"["set","string"]"#);
    assert_eq!(color.description, "Its colour. Default: `\"red\"`.");
    assert!(color.optional && color.computed);
    let nested = limits.nested_type.as_ref().unwrap();
    assert_eq!((nested.nesting, nested.attributes.len()), (2, 2));
    assert!(limits.r#type.is_empty());
    assert!(secret.sensitive && secret.write_only && !secret.computed);
    assert!(id.computed && !id.optional && !id.required);
}

#[test]
fn what_is_unknown_hides_no_other_mistake() {
    let object = Value::object([
        ("name", Value::Unknown),
        (
            "limits",
            Value::List(vec![
                limit(Value::Unknown, "1m".into()),
                limit(11.into(), "soon".into()),
            ]),
        ),
    ]);

    let limit = Path::attribute("limits").then_index(1);
    assert_eq!(
        problems(&object),
        [
            Diagnostic::invalid(
                limit.then_attribute("requests"),
                "11 is out of bounds: it must be a whole number, 1 to 10."
            ),
            Diagnostic::invalid(
                limit.then_attribute("per"),
                "\"soon\" is not a duration: write a whole number and one unit of ms, s, m, h or d, like \"90s\""
            ),
        ]
    );
}

#[test]
fn a_wrong_element_of_a_set_is_reported_at_the_set() {
    let object = Value::object([
        ("name", "a".into()),
        ("limits", Value::List(vec![limit(1.into(), "1m".into())])),
        ("tags", Value::set(vec!["-".into(), "ok".into()])),
    ]);

    let [problem] = problems(&object).try_into().unwrap();

    assert_eq!(problem, problem.clone().at(Path::attribute("tags")));
}

#[test]
fn counts_are_checked_where_they_are_known() {
    let empty = Value::object([("name", "a".into()), ("limits", Value::List(vec![]))]);
    let full = Value::object([
        ("name", "a".into()),
        ("limits", Value::List(vec![limit(1.into(), "1m".into())])),
        ("tags", Value::set(vec!["a".into(), "b".into(), "c".into()])),
    ]);
    let open = Value::object([
        ("name", "a".into()),
        ("limits", Value::List(vec![limit(1.into(), "1m".into())])),
        (
            "tags",
            Value::set(vec!["a".into(), Value::Unknown, Value::Unknown]),
        ),
    ]);

    assert_eq!(
        problems(&empty),
        [Diagnostic::invalid(
            Path::attribute("limits"),
            "it must have at least one element"
        )]
    );
    assert_eq!(
        problems(&full),
        [Diagnostic::invalid(
            Path::attribute("tags"),
            "it has 3 elements, at most 2 are allowed"
        )]
    );
    assert_eq!(problems(&open), []);
}

#[test]
fn a_required_attribute_is_given_and_a_computed_one_is_not() {
    let limits = Value::List(vec![limit(1.into(), Value::Null)]);
    let object = Value::object([
        ("name", Value::Null),
        ("id", "mine".into()),
        ("limits", limits),
    ]);

    let wrong = problems(&object);

    let told = |name, message| Diagnostic::invalid(Path::attribute(name), message);
    assert_eq!(
        wrong,
        [
            told("name", "it must be given, and is null"),
            Diagnostic::invalid(
                Path::attribute("limits")
                    .then_index(0)
                    .then_attribute("per"),
                "it must be given, and is null",
            ),
            told(
                "id",
                "the provider sets it: remove it from the configuration"
            ),
        ]
    );
}

#[test]
fn a_parsers_complaint_is_found_in_the_schema_as_far_as_it_reaches() {
    let schema = schema();
    let field = |name: &str| Step::Field(name.to_owned());
    for (steps, expected) in [
        (
            vec![field("limits"), Step::Index(1), field("per")],
            "limits[1].per",
        ),
        (vec![field("tags"), Step::Index(1)], "tags"),
        (vec![field("versions"), Step::Index(1)], ""),
        (vec![], ""),
    ] {
        assert_eq!(locate(&schema.attributes, &steps).to_string(), expected);
    }
}

#[test]
fn two_texts_can_mean_the_same() {
    let schema = schema();
    let Shape::Nested(_, limits) = &schema.attributes[3].shape else {
        panic!("limits are nested");
    };

    assert!(limits[1].means_the_same("60s", "1m"));
    assert!(!limits[1].means_the_same("61s", "1m"));
    assert!(!limits[1].means_the_same("soon", "soon"));
}
