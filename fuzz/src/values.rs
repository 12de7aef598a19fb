//! Terraform's values, as `MessagePack` and as JSON.

use std::sync::LazyLock;

use tollgate_provider::value::{Type, decode, encode, from_json, to_json};

/// A type in which every kind of value has its place.
static KIND: LazyLock<Type> = LazyLock::new(|| {
    let nested = Type::Object(
        [
            ("a".to_owned(), Type::String),
            ("b".to_owned(), Type::Number),
        ]
        .into(),
    );
    let fields = [
        ("name", Type::String),
        ("count", Type::Number),
        ("flag", Type::Bool),
        ("list", Type::List(Box::new(nested.clone()))),
        ("set", Type::Set(Box::new(Type::String))),
        ("map", Type::Map(Box::new(nested))),
        ("any", Type::Dynamic),
        ("pair", Type::Tuple(vec![Type::String, Type::Number])),
    ];
    Type::Object(fields.map(|(name, kind)| (name.to_owned(), kind)).into())
});

/// A value that is accepted is written as it is read.
///
/// # Panics
///
/// Where that does not hold.
pub fn values(bytes: &[u8]) {
    for kind in [&*KIND, &Type::Dynamic] {
        if let Ok(value) = decode(bytes, kind) {
            let again = decode(&encode(&value), kind);
            assert_eq!(
                again.as_ref(),
                Ok(&value),
                "MessagePack reads as it is written"
            );
        }
    }
    if let Ok(json) = serde_json::from_slice(bytes)
        && let Ok(value) = from_json(&json, &KIND)
        && let Some(json) = to_json(&value)
    {
        let again = from_json(&json, &KIND);
        assert_eq!(again.as_ref(), Ok(&value), "JSON reads as it is written");
    }
    let _ = Type::parse(bytes);
}
