//! How Terraform asks: data sources, ephemeral resources and functions.

use serde_json::Value as Json;
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::{
    Diagnostic, DynamicValue, FunctionError, Schema, call_function, close_ephemeral_resource,
    get_provider_schema, open_ephemeral_resource, read_data_source, validate_data_resource_config,
    validate_ephemeral_resource_config,
};
use tollgate_provider::value::{Type, Value, decode, from_json};
use tonic::Request;

use crate::schema::object_type;
use crate::terraform::{Terraform, wire};

/// An answer, or what is wrong. There may be warnings beside an answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) value: Option<Value>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Asked {
    /// The answer, where nothing at all was complained of.
    pub(crate) fn answer(self) -> Value {
        assert_eq!(self.diagnostics, []);
        self.value.unwrap()
    }
}

impl Terraform {
    /// Validates and reads a data source; what `config` leaves out is null.
    pub(crate) async fn ask(&self, source: &str, config: &Json) -> Asked {
        let schemas = self.all_schemas().await.data_source_schemas;
        let (kind, config) = typed(&schemas[source], config);
        let diagnostics = self.validate_data(source, &config).await;
        if !diagnostics.is_empty() {
            return Asked {
                value: None,
                diagnostics,
            };
        }
        let request = read_data_source::Request {
            type_name: source.to_owned(),
            config: Some(wire(&config)),
            ..Default::default()
        };
        let response = self.provider.read_data_source(Request::new(request)).await;
        let response = self.record(response.unwrap().into_inner());
        assert_eq!(response.deferred, None);
        let value = answered(response.state.as_ref(), &kind, &config);
        Asked {
            value,
            diagnostics: response.diagnostics,
        }
    }

    /// Validates a data source's configuration.
    pub(crate) async fn validate_data(&self, source: &str, config: &Value) -> Vec<Diagnostic> {
        let request = validate_data_resource_config::Request {
            type_name: source.to_owned(),
            config: Some(wire(config)),
        };
        let response = self
            .provider
            .validate_data_resource_config(Request::new(request))
            .await;
        self.record(response.unwrap().into_inner()).diagnostics
    }

    /// Validates, opens and closes an ephemeral resource. The answer holds secrets, and is not recorded.
    pub(crate) async fn open(&self, source: &str, config: &Json) -> Asked {
        let schemas = self.all_schemas().await.ephemeral_resource_schemas;
        let (kind, config) = typed(&schemas[source], config);
        let request = validate_ephemeral_resource_config::Request {
            type_name: source.to_owned(),
            config: Some(wire(&config)),
        };
        let response = self
            .provider
            .validate_ephemeral_resource_config(Request::new(request))
            .await;
        let diagnostics = self.record(response.unwrap().into_inner()).diagnostics;
        if !diagnostics.is_empty() {
            return Asked {
                value: None,
                diagnostics,
            };
        }
        let request = open_ephemeral_resource::Request {
            type_name: source.to_owned(),
            config: Some(wire(&config)),
            client_capabilities: None,
        };
        let response = self
            .provider
            .open_ephemeral_resource(Request::new(request))
            .await;
        let response = response.unwrap().into_inner();
        assert_eq!((&response.private, &response.deferred), (&None, &None));
        let close = close_ephemeral_resource::Request {
            type_name: source.to_owned(),
            private: response.private,
        };
        let closed = self
            .provider
            .close_ephemeral_resource(Request::new(close))
            .await;
        assert_eq!(
            self.record(closed.unwrap().into_inner()).diagnostics,
            [],
            "whatever was opened is closed"
        );
        Asked {
            value: answered(response.result.as_ref(), &kind, &config),
            diagnostics: response.diagnostics,
        }
    }

    /// The configuration of a data source; what it leaves out is null.
    pub(crate) async fn data_config(&self, source: &str, config: &Json) -> Value {
        typed(
            &self.all_schemas().await.data_source_schemas[source],
            config,
        )
        .1
    }

    async fn all_schemas(&self) -> get_provider_schema::Response {
        let request = Request::new(get_provider_schema::Request {});
        let response = self.provider.get_provider_schema(request).await;
        response.unwrap().into_inner()
    }
}

/// Calls a function with one text, as Terraform does: in a process that is not configured.
pub(crate) async fn call(
    provider: &impl Provider,
    function: &str,
    argument: &Value,
    result: &Type,
) -> Result<Value, FunctionError> {
    let request = call_function::Request {
        name: function.to_owned(),
        arguments: vec![wire(argument)],
    };
    let response = provider.call_function(Request::new(request)).await;
    let response = response.unwrap().into_inner();
    match (response.result, response.error) {
        (Some(value), None) => Ok(decode(&value.msgpack, result).unwrap()),
        (None, Some(error)) => Err(error),
        both => panic!("either a result or an error: {both:?}"),
    }
}

fn typed(schema: &Schema, config: &Json) -> (Type, Value) {
    let kind = object_type(&schema.block.as_ref().unwrap().attributes);
    let config = from_json(config, &kind).unwrap();
    (kind, config)
}

/// What Terraform demands of an answer: all of it is known, and what was asked stands in it.
fn answered(value: Option<&DynamicValue>, kind: &Type, config: &Value) -> Option<Value> {
    let value = decode(&value?.msgpack, kind).unwrap();
    assert!(value.is_wholly_known());
    let Value::Object(asked) = config else {
        panic!("{config:?} is no object");
    };
    for (name, asked) in asked {
        assert!(asked.is_null() || value.attribute(name) == asked, "{name}");
    }
    Some(value)
}
