//! The protocol itself: what is offered, what is not, and what no bytes may do.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::{
    Diagnostic, DynamicValue, RawState, ResourceIdentityData, apply_resource_change,
    configure_provider, get_metadata, get_provider_schema, get_resource_identity_schemas,
    import_resource_state, move_resource_state, plan_action, plan_resource_change,
    read_data_source, read_resource, upgrade_resource_identity, upgrade_resource_state,
    validate_data_resource_config, validate_ephemeral_resource_config, validate_resource_config,
};
use tollgate_provider::TollgateProvider;
use tollgate_provider::value::{Type, Value, decode, encode};
use tonic::{Code, Request};

use crate::samples;
use crate::terraform::{Terraform, wire};
use crate::words::texts;

#[tokio::test]
async fn the_capabilities_are_those_that_the_provider_has() {
    let provider = TollgateProvider::new();

    let metadata = provider.get_metadata(Request::new(get_metadata::Request {}));
    let metadata = metadata.await.unwrap().into_inner();
    let schema = provider.get_provider_schema(Request::new(get_provider_schema::Request {}));
    let schema = schema.await.unwrap().into_inner();

    for capabilities in [metadata.server_capabilities, schema.server_capabilities] {
        let capabilities = capabilities.unwrap();
        assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
        assert!(capabilities.move_resource_state && !capabilities.generate_resource_config);
    }
    assert_eq!(metadata.resources.len(), schema.resource_schemas.len());
    let provider = schema.provider.unwrap().block.unwrap();
    let names: Vec<_> = provider.attributes.iter().map(|one| &one.name).collect();
    assert_eq!(names, ["namespace", "secrets_manager", "directory"]);
}

#[tokio::test]
async fn every_resource_is_identified_by_its_name() {
    let terraform = Terraform::new().await;
    let request = Request::new(get_resource_identity_schemas::Request {});
    let schemas = terraform.provider.get_resource_identity_schemas(request);
    let schemas = schemas.await.unwrap().into_inner();
    assert_eq!(schemas.diagnostics, []);
    assert_eq!(
        schemas.identity_schemas.keys().collect::<BTreeSet<_>>(),
        terraform
            .resources()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .iter()
            .collect()
    );
    let [attribute] = schemas.identity_schemas["tollgate_scope"]
        .identity_attributes
        .as_slice()
    else {
        panic!("one attribute was declared");
    };
    assert_eq!(attribute.name, "name");
    assert!(attribute.required_for_import);
    let sample = samples::scope();
    let config = terraform.config(sample.resource, &sample.full);
    terraform.apply(sample.resource, None, &config).await;

    let name = Value::object([("name", sample.name.into())]);
    let identity = ResourceIdentityData {
        identity_data: Some(wire(&name)),
    };
    let request = import_resource_state::Request {
        type_name: sample.resource.to_owned(),
        identity: Some(identity.clone()),
        ..Default::default()
    };
    let imported = terraform
        .provider
        .import_resource_state(Request::new(request));
    let imported = imported.await.unwrap().into_inner();
    let upgrade = upgrade_resource_identity::Request {
        type_name: sample.resource.to_owned(),
        version: 0,
        raw_identity: Some(RawState {
            json: br#"{"name":"orders:read"}"#.to_vec(),
            ..RawState::default()
        }),
    };
    let upgraded = terraform
        .provider
        .upgrade_resource_identity(Request::new(upgrade));
    let upgraded = upgraded.await.unwrap().into_inner();

    assert_eq!(imported.diagnostics, []);
    assert_eq!(
        imported.imported_resources[0].identity,
        Some(identity.clone())
    );
    assert_eq!(upgraded.upgraded_identity, Some(identity));
}

#[tokio::test]
async fn what_is_not_offered_is_unimplemented() {
    let request = Request::new(plan_action::Request::default());

    let status = TollgateProvider::new().plan_action(request).await;

    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
}

/// Calls every rpc that names a resource with `name` and `value`, and returns what each complained.
async fn call_all(
    provider: &TollgateProvider,
    name: &str,
    value: &DynamicValue,
) -> Vec<Vec<Diagnostic>> {
    let type_name = || name.to_owned();
    let value = || Some(value.clone());
    let validated =
        provider.validate_resource_config(Request::new(validate_resource_config::Request {
            type_name: type_name(),
            config: value(),
            ..Default::default()
        }));
    let upgraded = provider.upgrade_resource_state(Request::new(upgrade_resource_state::Request {
        type_name: type_name(),
        version: 0,
        raw_state: Some(RawState {
            json: value().unwrap().msgpack,
            ..RawState::default()
        }),
    }));
    let read = provider.read_resource(Request::new(read_resource::Request {
        type_name: type_name(),
        current_state: value(),
        ..Default::default()
    }));
    let planned = provider.plan_resource_change(Request::new(plan_resource_change::Request {
        type_name: type_name(),
        prior_state: value(),
        proposed_new_state: value(),
        config: value(),
        prior_private: value().unwrap().msgpack,
        ..Default::default()
    }));
    let applied = provider.apply_resource_change(Request::new(apply_resource_change::Request {
        type_name: type_name(),
        prior_state: value(),
        planned_state: value(),
        config: value(),
        ..Default::default()
    }));
    let imported = provider.import_resource_state(Request::new(import_resource_state::Request {
        type_name: type_name(),
        id: "-".to_owned(),
        ..Default::default()
    }));
    vec![
        validated.await.unwrap().into_inner().diagnostics,
        upgraded.await.unwrap().into_inner().diagnostics,
        read.await.unwrap().into_inner().diagnostics,
        planned.await.unwrap().into_inner().diagnostics,
        applied.await.unwrap().into_inner().diagnostics,
        imported.await.unwrap().into_inner().diagnostics,
    ]
}

#[tokio::test]
async fn an_unknown_resource_is_a_diagnostic_of_every_call() {
    let terraform = Terraform::new().await;
    let null = wire(&Value::Null);

    for problems in call_all(&terraform.provider, "tollgate_moat", &null).await {
        assert_eq!(
            texts(&problems),
            [
                "error @\nThere is no resource tollgate_moat\nThe provider has: tollgate_issuer, tollgate_key, tollgate_key_set, tollgate_principal, tollgate_proxy, \
                 tollgate_quota, tollgate_role, tollgate_route, tollgate_scope, tollgate_upstream."
            ]
        );
    }
}

#[tokio::test]
async fn an_unknown_data_source_or_ephemeral_resource_and_a_move_are_refused_in_words() {
    let provider = TollgateProvider::new();
    let type_name = || "tollgate_moat".to_owned();

    let validated = provider.validate_data_resource_config(Request::new(
        validate_data_resource_config::Request {
            type_name: type_name(),
            config: None,
        },
    ));
    let read = provider.read_data_source(Request::new(read_data_source::Request {
        type_name: type_name(),
        ..Default::default()
    }));
    let ephemeral = provider.validate_ephemeral_resource_config(Request::new(
        validate_ephemeral_resource_config::Request {
            type_name: type_name(),
            ..Default::default()
        },
    ));
    let moved = provider.move_resource_state(Request::new(move_resource_state::Request {
        source_type_name: "tollgate_gate".to_owned(),
        target_type_name: "tollgate_key".to_owned(),
        ..Default::default()
    }));

    for (problems, expected) in [
        (
            validated.await.unwrap().into_inner().diagnostics,
            "There is no data source tollgate_moat",
        ),
        (
            read.await.unwrap().into_inner().diagnostics,
            "There is no data source tollgate_moat",
        ),
        (
            ephemeral.await.unwrap().into_inner().diagnostics,
            "There is no ephemeral resource tollgate_moat",
        ),
        (
            moved.await.unwrap().into_inner().diagnostics,
            "The state of tollgate_gate can't be moved to tollgate_key",
        ),
    ] {
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].summary, expected);
    }
}

#[tokio::test]
async fn a_state_of_a_newer_provider_is_refused() {
    let request = upgrade_resource_state::Request {
        type_name: "tollgate_scope".to_owned(),
        version: 2,
        raw_state: Some(RawState::default()),
    };

    let response = TollgateProvider::new()
        .upgrade_resource_state(Request::new(request))
        .await;

    let response = response.unwrap().into_inner();
    assert_eq!(response.upgraded_state, None);
    assert_eq!(
        response.diagnostics[0].summary,
        "The state of tollgate_scope is too new"
    );
}

#[tokio::test]
async fn attributes_that_the_schema_no_longer_has_are_dropped_from_a_stored_state() {
    let terraform = Terraform::new().await;
    let json =
        br#"{"name":"edge","listen":[{"address":"0.0.0.0:80","retired":true}],"color":"red"}"#;
    let request = upgrade_resource_state::Request {
        type_name: "tollgate_proxy".to_owned(),
        version: 0,
        raw_state: Some(RawState {
            json: json.to_vec(),
            ..RawState::default()
        }),
    };

    let response = terraform
        .provider
        .upgrade_resource_state(Request::new(request))
        .await;

    let response = response.unwrap().into_inner();
    assert_eq!(response.diagnostics, []);
    let state = terraform.unwire("tollgate_proxy", response.upgraded_state.as_ref());
    assert_eq!(state.attribute("name"), &Value::from("edge"));
    assert_eq!(state.attribute("trusted_proxies"), &Value::Null);
}

#[tokio::test]
async fn values_in_json_are_understood() {
    let terraform = Terraform::new().await;
    let request = validate_resource_config::Request {
        type_name: "tollgate_scope".to_owned(),
        config: Some(DynamicValue {
            msgpack: Vec::new(),
            json: br#"{"name":"-","grants":[{"path":"/v1"}]}"#.to_vec(),
        }),
        ..Default::default()
    };

    let response = terraform
        .provider
        .validate_resource_config(Request::new(request))
        .await;

    let problems = response.unwrap().into_inner().diagnostics;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].summary, "Invalid name");
}

#[tokio::test]
async fn what_needs_the_store_says_so_before_the_provider_is_configured() {
    let terraform = Terraform::new().await;
    let provider = TollgateProvider::new();
    let sample = samples::scope();
    let config = terraform.config(sample.resource, &sample.full);
    let request = apply_resource_change::Request {
        type_name: sample.resource.to_owned(),
        prior_state: Some(wire(&Value::Null)),
        planned_state: Some(wire(&config)),
        ..Default::default()
    };

    let response = provider.apply_resource_change(Request::new(request)).await;

    let response = response.unwrap().into_inner();
    assert_eq!(
        response.diagnostics[0].summary,
        "The provider is not configured"
    );
    let state = terraform.unwire(sample.resource, response.new_state.as_ref());
    assert_eq!(state, Value::Null);
}

#[tokio::test]
async fn a_provider_configured_with_what_is_unknown_fails_only_where_it_needs_the_store() {
    let terraform = Terraform::new().await;
    let provider = TollgateProvider::new();
    let schema = provider.get_provider_schema(Request::new(get_provider_schema::Request {}));
    let schema = schema.await.unwrap().into_inner().provider.unwrap();
    let attributes = schema.block.unwrap().attributes;
    let unknown = attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), Value::Unknown));
    let config = wire(&Value::Object(unknown.collect()));

    let configured = provider.configure_provider(Request::new(configure_provider::Request {
        config: Some(config),
        ..Default::default()
    }));
    assert_eq!(configured.await.unwrap().into_inner().diagnostics, []);

    let sample = samples::scope();
    let config = terraform.config(sample.resource, &sample.full);
    let planned = provider.plan_resource_change(Request::new(plan_resource_change::Request {
        type_name: sample.resource.to_owned(),
        prior_state: Some(wire(&Value::Null)),
        proposed_new_state: Some(wire(&config)),
        config: Some(wire(&config)),
        ..Default::default()
    }));
    assert_eq!(planned.await.unwrap().into_inner().diagnostics, []);
    let imported = provider.import_resource_state(Request::new(import_resource_state::Request {
        type_name: sample.resource.to_owned(),
        id: "orders:read".to_owned(),
        ..Default::default()
    }));
    let problems = imported.await.unwrap().into_inner().diagnostics;
    assert_eq!(
        problems[0].summary,
        "The provider's configuration is not known yet"
    );
}

#[tokio::test]
async fn a_configuration_is_planned_with_its_own_bytes() {
    let terraform = Terraform::new().await;
    let sample = samples::route();
    let config = terraform.config(sample.resource, &sample.full);

    let plan = terraform.plan(sample.resource, None, Some(&config)).await;

    assert_eq!(encode(&plan.state), encode(&config));
    assert_eq!(
        decode(&encode(&config), &terraform.kind(sample.resource)),
        Ok(config)
    );
    assert!(matches!(terraform.kind(sample.resource), Type::Object(_)));
}

proptest! {
    #[test]
    fn no_bytes_make_a_call_fail_other_than_by_a_diagnostic(
        which in 0_usize..9,
        bytes in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let terraform = Terraform::new().await;
            let resource = terraform.resources().nth(which).unwrap().to_owned();
            for value in [
                DynamicValue { msgpack: bytes.clone(), json: Vec::new() },
                DynamicValue { msgpack: Vec::new(), json: bytes.clone() },
            ] {
                let complaints = call_all(&terraform.provider, &resource, &value).await;
                let defect = complaints.iter().flatten().find(|one| one.summary == "The provider failed");
                assert_eq!(defect, None);
            }
        });
    }

    #[test]
    fn no_damage_to_a_configuration_makes_a_call_fail_other_than_by_a_diagnostic(
        which in 0_usize..9,
        place: prop::sample::Index,
        byte: u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let terraform = Terraform::new().await;
            let [sample] = samples::all().into_iter().skip(which).take(1).collect::<Vec<_>>().try_into().ok().unwrap();
            let mut msgpack = encode(&terraform.config(sample.resource, &sample.full));
            let index = place.index(msgpack.len());
            msgpack[index] = byte;
            let value = DynamicValue { msgpack, json: Vec::new() };
            let complaints = call_all(&terraform.provider, sample.resource, &value).await;
            let defect = complaints.iter().flatten().find(|one| one.summary == "The provider failed");
            assert_eq!(defect, None);
        });
    }
}
