//! The provider's own configuration, down to the store that it opens.

use serde_json::{Value as Json, json};
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::{
    Diagnostic, DynamicValue, apply_resource_change, configure_provider,
};
use tollgate_provider::TollgateProvider;
use tollgate_store::backend::{Location, open};
use tonic::Request;

use crate::samples;
use crate::terraform::{Terraform, namespace, wire};
use crate::words::texts;

async fn configure(provider: &TollgateProvider, config: &Json) -> Vec<Diagnostic> {
    let request = configure_provider::Request {
        config: Some(DynamicValue {
            msgpack: Vec::new(),
            json: config.to_string().into_bytes(),
        }),
        ..Default::default()
    };
    let response = provider.configure_provider(Request::new(request)).await;
    response.unwrap().into_inner().diagnostics
}

#[tokio::test]
async fn a_directory_holds_what_is_applied_and_the_token_apart_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let terraform = Terraform::new().await;
    let provider = TollgateProvider::new();
    let path = folder.path().to_str().unwrap();

    let problems = configure(&provider, &json!({"namespace": "prod", "directory": path})).await;
    assert_eq!(texts(&problems), [""; 0]);
    let location = Location::Directory(folder.path().to_owned());
    let store = open(&location, &namespace()).await.unwrap();
    samples::write_named(&*store).await;
    let sample = samples::key();
    let config = terraform.config(sample.resource, &sample.full);
    let plan = terraform.plan(sample.resource, None, Some(&config)).await;
    let request = apply_resource_change::Request {
        type_name: sample.resource.to_owned(),
        planned_state: Some(wire(&plan.state)),
        ..Default::default()
    };
    let applied = provider.apply_resource_change(Request::new(request)).await;

    let applied = applied.unwrap().into_inner();
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    let state = terraform.unwire(sample.resource, applied.new_state.as_ref());
    let token_file = state.attribute("secret_id").as_str().unwrap();
    let token = std::fs::read_to_string(token_file).unwrap();
    assert!(token.starts_with("tg_test_"));
    assert!(!format!("{state:?}").contains(token.trim()));
}

#[tokio::test]
async fn a_wrong_configuration_opens_nothing() {
    let provider = TollgateProvider::new();

    let problems = configure(&provider, &json!({"namespace": "Prod", "directory": "./x"})).await;

    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].summary, "Invalid namespace");
}
