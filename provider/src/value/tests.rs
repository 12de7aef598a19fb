use proptest::prelude::*;
use serde_json::json;

use super::*;

fn strings(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::string(text)).collect()
}

#[test]
fn the_bytes_are_those_that_terraform_sends() {
    let cases: [(Value, Type, &[u8]); 9] = [
        (Value::Unknown, Type::String, &[0xd4, 0, 0]),
        (Value::Null, Type::String, &[0xc0]),
        (true.into(), Type::Bool, &[0xc3]),
        (5.into(), Type::Number, &[0x05]),
        ((-1).into(), Type::Number, &[0xff]),
        (300.into(), Type::Number, &[0xcd, 0x01, 0x2c]),
        ("hi".into(), Type::String, &[0xa2, b'h', b'i']),
        (
            Value::List(strings(&["a"])),
            Type::list_of_strings(),
            &[0x91, 0xa1, b'a'],
        ),
        (
            Value::object([("a", Value::Null)]),
            Type::Object([("a".to_owned(), Type::Bool)].into()),
            &[0x81, 0xa1, b'a', 0xc0],
        ),
    ];
    for (value, kind, bytes) in cases {
        assert_eq!(encode(&value), bytes, "{value:?}");
        assert_eq!(decode(bytes, &kind), Ok(value));
    }
}

#[test]
fn a_number_too_large_for_an_integer_is_a_text_and_stays_exact() {
    let bytes = [&[0xb3], "9223372036854775808".as_bytes()].concat();

    let value = decode(&bytes, &Type::Number).unwrap();

    assert_eq!(encode(&value), bytes);
}

#[test]
fn numbers_are_read_in_every_form() {
    let seven = Ok(Value::from(7));
    for bytes in [
        &[0x07][..],
        &[0xcc, 7],
        &[0xd1, 0, 7],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
        &[0xcb, 0x40, 0x1c, 0, 0, 0, 0, 0, 0],
        &[0xa1, b'7'],
    ] {
        assert_eq!(decode(bytes, &Type::Number), seven, "{bytes:x?}");
    }
}

#[test]
fn what_is_known_about_an_unknown_value_is_passed_over() {
    // Extension 12 with the body {1: false}: not null.
    let refined = [0xc7, 3, 12, 0x81, 0x01, 0xc2];

    assert_eq!(decode(&refined, &Type::String), Ok(Value::Unknown));
    assert_eq!(encode(&Value::Unknown), [0xd4, 0, 0]);
}

#[test]
fn an_extension_that_nobody_knows_is_an_error_and_so_is_a_huge_refinement() {
    assert!(decode(&[0xd5, 0, 0, 0], &Type::String).is_err());
    let huge = [&[0xc8, 0x04, 0x01, 12][..], &[0; 1_025]].concat();
    assert!(decode(&huge, &Type::String).is_err());
}

#[test]
fn a_dynamic_value_brings_its_type() {
    let bytes = [&[0x92, 0xc4, 8][..], br#""string""#, &[0xa1, b'x']].concat();

    let value = decode(&bytes, &Type::Dynamic).unwrap();

    let (kind, inner) = (Type::String, Value::string("x"));
    assert_eq!(
        value,
        Value::Dynamic(Box::new(Dynamic { kind, value: inner }))
    );
    assert_eq!(encode(&value), bytes);
}

#[test]
fn a_dynamic_value_inside_itself_ends_somewhere() {
    let level = [&[0x92, 0xc4, 9][..], br#""dynamic""#].concat();

    let error = decode(&level.repeat(10_000), &Type::Dynamic);

    assert_eq!(error, Err(DecodeError::Depth));
}

#[test]
fn a_length_that_nothing_follows_allocates_nothing() {
    let bytes = [0xdd, 0xff, 0xff, 0xff, 0xff];

    let error = decode(&bytes, &Type::list_of_strings());

    assert_eq!(error, Err(DecodeError::Truncated));
}

#[test]
fn every_attribute_is_there_and_none_besides() {
    let kind = Type::Object([("a".to_owned(), Type::Bool)].into());

    assert_eq!(
        decode(&[0x80], &kind).unwrap_err().to_string(),
        "the attribute \"a\" is missing"
    );
    assert_eq!(
        decode(&[0x81, 0xa1, b'b', 0xc0], &kind)
            .unwrap_err()
            .to_string(),
        "there is no attribute \"b\" in the schema"
    );
    assert_eq!(
        decode(&[0x81, 0xa1, b'a', 0x01], &kind)
            .unwrap_err()
            .to_string(),
        "a: a bool was expected, FixPos(1) was found"
    );
}

#[test]
fn texts_are_compared_in_normal_form_c() {
    let decomposed = decode(&[0xa3, b'e', 0xcc, 0x81], &Type::String);

    assert_eq!(decomposed, Ok(Value::string("é")));
}

#[test]
fn a_set_is_the_same_in_any_order() {
    let kind = Type::set_of_strings();
    let one = decode(&[0x92, 0xa1, b'a', 0xa1, b'b'], &kind);
    let other = decode(&[0x92, 0xa1, b'b', 0xa1, b'a'], &kind);

    assert_eq!(one, other);
    assert_eq!(
        Value::set(strings(&["a", "a"])),
        Value::set(strings(&["a"]))
    );
}

#[test]
fn two_unknown_elements_of_a_set_may_yet_differ() {
    let value = Value::set(vec![Value::Unknown, Value::Unknown]);

    assert_eq!(encode(&value), [0x92, 0xd4, 0, 0, 0xd4, 0, 0]);
}

#[test]
fn a_stored_state_of_an_older_schema_is_read() {
    let kind = Type::Object(
        [
            ("kept".to_owned(), Type::set_of_strings()),
            ("new".to_owned(), Type::Number),
        ]
        .into(),
    );

    let value = from_json(&json!({"kept": ["b", "a"], "dropped": 1}), &kind).unwrap();

    let kept = Value::set(strings(&["a", "b"]));
    assert_eq!(
        value,
        Value::object([("kept", kept.clone()), ("new", Value::Null)])
    );
    assert_eq!(
        to_json(&Value::object([("kept", kept), ("later", Value::Unknown)])),
        Some(json!({"kept": ["a", "b"]}))
    );
}

#[test]
fn a_type_is_read_with_optional_attributes_and_refused_when_odd() {
    let object = Type::parse(br#"["object",{"a":["list","string"]},["a"]]"#).unwrap();

    assert_eq!(
        object.to_json(),
        json!(["object", {"a": ["list", "string"]}])
    );
    for odd in ["", "1", "\"text\"", "[\"list\"]", "[\"pair\",\"string\"]"] {
        assert!(Type::parse(odd.as_bytes()).is_err(), "{odd}");
    }
    let deep = "[\"list\",".repeat(100) + "\"bool\"" + &"]".repeat(100);
    assert!(Type::parse(deep.as_bytes()).is_err());
}

fn kinds() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::Number),
        Just(Type::String),
        Just(Type::Dynamic)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|kind| Type::List(Box::new(kind))),
            inner.clone().prop_map(|kind| Type::Set(Box::new(kind))),
            inner.clone().prop_map(|kind| Type::Map(Box::new(kind))),
            prop::collection::btree_map("[a-z]{1,4}", inner.clone(), 0..4).prop_map(Type::Object),
            prop::collection::vec(inner, 0..4).prop_map(Type::Tuple),
        ]
    })
}

fn values(kind: Type) -> BoxedStrategy<Value> {
    let known: BoxedStrategy<Value> = match kind {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Number => numbers().boxed(),
        Type::String => any::<String>()
            .prop_map(|text| Value::string(&text))
            .boxed(),
        Type::List(kind) => prop::collection::vec(values(*kind), 0..4)
            .prop_map(Value::List)
            .boxed(),
        Type::Set(kind) => prop::collection::vec(values(*kind), 0..4)
            .prop_map(Value::set)
            .boxed(),
        Type::Map(kind) => prop::collection::btree_map("[a-z]{0,4}", values(*kind), 0..4)
            .prop_map(Value::Map)
            .boxed(),
        Type::Object(attributes) => attributes
            .into_iter()
            .map(|(name, kind)| (Just(name), values(kind)))
            .collect::<Vec<_>>()
            .prop_map(|attributes| Value::Object(attributes.into_iter().collect()))
            .boxed(),
        Type::Tuple(kinds) => kinds
            .into_iter()
            .map(values)
            .collect::<Vec<_>>()
            .prop_map(Value::Tuple)
            .boxed(),
        Type::Dynamic => values(Type::String)
            .prop_map(|value| {
                let kind = Type::String;
                Value::Dynamic(Box::new(Dynamic { kind, value }))
            })
            .boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 1 => Just(Value::Unknown), 6 => known].boxed()
}

fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| Number::from_f64(number)
            .map(Value::Number)),
        "-?[0-9]{1,60}(\\.[0-9]{1,60})?"
            .prop_filter_map("a number", |text| Number::parse(&text).map(Value::Number)),
    ]
}

proptest! {
    #[test]
    fn every_value_reads_back((kind, value) in kinds().prop_flat_map(|kind| (Just(kind.clone()), values(kind)))) {
        prop_assert_eq!(decode(&encode(&value), &kind), Ok(value));
    }

    #[test]
    fn every_type_reads_back(kind in kinds()) {
        prop_assert_eq!(Type::parse(kind.to_json().to_string().as_bytes()), Ok(kind));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(kind in kinds(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &kind);
        let _ = Type::parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_value_makes_the_decoder_panic(
        (kind, value) in kinds().prop_flat_map(|kind| (Just(kind.clone()), values(kind))),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = encode(&value);
        let index = place.index(bytes.len());
        bytes[index] = byte;
        let _ = decode(&bytes, &kind);
    }
}
