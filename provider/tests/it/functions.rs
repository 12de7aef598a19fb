//! The functions, in a provider that is never configured.

use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::{call_function, get_functions, get_metadata, get_provider_schema};
use tollgate_provider::TollgateProvider;
use tollgate_provider::value::{Type, Value};
use tollgate_store::{Environment, KeyId, Secret, token};
use tonic::Request;

use crate::asking::call;

fn some_token() -> Secret {
    let id = KeyId::parse("abcdefghij12").unwrap();
    token::generate(&Environment::default(), id).unwrap()
}

#[tokio::test]
async fn a_token_tells_its_keys_id() {
    let provider = TollgateProvider::new();

    let token = some_token().expose().into();
    let id = call(&provider, "key_id", &token, &Type::String).await;

    assert_eq!(id, Ok("abcdefghij12".into()));
}

#[tokio::test]
async fn what_is_no_token_has_no_id_and_is_not_repeated() {
    let provider = TollgateProvider::new();
    let cut = some_token().expose().split_at(60).0.to_owned();

    let error = call(&provider, "key_id", &cut.as_str().into(), &Type::String).await;

    let error = error.unwrap_err();
    assert_eq!(error.function_argument, Some(0));
    assert_eq!(
        error.text,
        "it is not a token of Tollgate: it must be tg_<environment>_<id>_<secret><checksum>, whole and unchanged. Ask \
         key_valid first where it may be another"
    );
}

#[tokio::test]
async fn a_valid_token_is_told_from_every_other_text() {
    let provider = TollgateProvider::new();
    let token = some_token();
    let cut = token.expose().split_at(60).0;

    for (text, expected) in [
        (token.expose(), true),
        (cut, false),
        ("", false),
        ("ghp_0123456789", false),
        ("täg_", false),
    ] {
        let valid = call(&provider, "key_valid", &text.into(), &Type::Bool).await;
        assert_eq!(valid, Ok(expected.into()), "{}", text.len());
    }
}

#[tokio::test]
async fn a_duration_has_seconds() {
    let provider = TollgateProvider::new();
    let seconds =
        async |text: &str| call(&provider, "duration_seconds", &text.into(), &Type::Number).await;

    assert_eq!(seconds("30d").await, Ok(2_592_000.into()));
    let error = seconds("a month").await.unwrap_err();
    assert_eq!(error.function_argument, Some(0));
    assert!(error.text.starts_with("\"a month\" is not a duration"));
}

#[tokio::test]
async fn an_argument_that_is_no_known_text_is_an_error_at_the_argument() {
    let provider = TollgateProvider::new();

    for argument in [Value::Null, Value::Unknown, Value::List(vec![])] {
        let error = call(&provider, "key_valid", &argument, &Type::Bool).await;
        let error = error.unwrap_err();
        assert_eq!(error.text, "it must be a known string, and not null");
        assert_eq!(error.function_argument, Some(0));
    }
}

#[tokio::test]
async fn a_call_with_no_argument_or_to_no_function_is_an_error() {
    let provider = TollgateProvider::new();
    let error = async |name: &str| {
        let request = call_function::Request {
            name: name.to_owned(),
            arguments: Vec::new(),
        };
        let response = provider.call_function(Request::new(request)).await;
        response.unwrap().into_inner().error.unwrap().text
    };

    assert_eq!(
        error("key_id").await,
        "key_id takes one argument, and got 0"
    );
    assert_eq!(
        error("key_secret").await,
        "the provider tollgate has no function key_secret"
    );
}

#[tokio::test]
async fn every_answer_names_the_same_functions() {
    let provider = TollgateProvider::new();

    let schema = provider.get_provider_schema(Request::new(get_provider_schema::Request {}));
    let functions = provider.get_functions(Request::new(get_functions::Request {}));
    let metadata = provider.get_metadata(Request::new(get_metadata::Request {}));

    let schema = schema.await.unwrap().into_inner();
    let functions = functions.await.unwrap().into_inner().functions;
    assert_eq!(schema.functions, functions);
    let metadata = metadata.await.unwrap().into_inner();
    let named: Vec<_> = metadata.functions.iter().map(|one| &one.name).collect();
    assert_eq!(named, ["duration_seconds", "key_id", "key_valid"]);
    for (name, function) in functions {
        let [parameter] = function.parameters.as_slice() else {
            panic!("{name} has one parameter");
        };
        assert_eq!(parameter.r#type, br#""string""#);
        assert!(!parameter.allow_null_value && !parameter.allow_unknown_values);
        assert!(function.description.ends_with('.') && !function.summary.is_empty());
    }
}
