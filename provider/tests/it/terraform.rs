//! A small Terraform: calls the provider in Terraform's order and holds it to Terraform's rules.

mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use prost::Message;
use serde_json::Value as Json;
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::schema::Attribute;
use tollgate_proto::tfplugin6::{
    AttributePath, ClientCapabilities, Diagnostic, DynamicValue, RawState, apply_resource_change,
    get_provider_schema, import_resource_state, plan_resource_change, read_resource,
    upgrade_resource_state, validate_resource_config,
};
use tollgate_provider::TollgateProvider;
use tollgate_provider::value::{Type, Value, decode, encode, from_json, to_json};
use tollgate_store::backend::{Backend, Memory};
use tollgate_store::document::{DocumentKey, Kind, Origin};
use tollgate_store::{Name, Namespace};
use tonic::Request;

use crate::samples;
use crate::schema::object_type;
use rules::{assert_consistent, assert_planned};

/// What a state file holds of one resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) state: Value,
    pub(crate) private: Vec<u8>,
}

/// What came of an apply or a refresh.
#[derive(Debug)]
pub(crate) struct Result {
    pub(crate) object: Option<Object>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Value,
    pub(crate) state: Value,
    pub(crate) private: Vec<u8>,
    pub(crate) replaces: Vec<AttributePath>,
    /// Warnings; where there is an error, nothing else counts.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

pub(crate) struct Terraform {
    pub(crate) provider: TollgateProvider,
    pub(crate) store: Memory,
    origin: Origin,
    schemas: BTreeMap<String, Vec<Attribute>>,
    /// Every response of the provider, as it goes over the wire.
    responses: Mutex<Vec<Vec<u8>>>,
}

impl Terraform {
    pub(crate) async fn new() -> Self {
        let store = Memory::new(&namespace());
        Self::with(Arc::new(store.clone()), store).await
    }

    /// With a backend that stands before `store`.
    pub(crate) async fn with(backend: Arc<dyn Backend>, store: Memory) -> Self {
        Self::of("here", backend, store).await
    }

    /// For a state of that origin.
    pub(crate) async fn of(origin: &str, backend: Arc<dyn Backend>, store: Memory) -> Self {
        samples::write_named(&store).await;
        let origin = Origin::of(&[origin.as_bytes()]);
        let provider = TollgateProvider::with_backend(backend, namespace(), Some(origin.clone()));
        let request = Request::new(get_provider_schema::Request {});
        let response = provider.get_provider_schema(request).await.unwrap();
        let schemas = response.into_inner().resource_schemas.into_iter();
        Self {
            provider,
            store,
            origin,
            schemas: schemas
                .map(|(name, schema)| (name, schema.block.unwrap().attributes))
                .collect(),
            responses: Mutex::default(),
        }
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(String::as_str)
    }

    pub(crate) fn attributes(&self, resource: &str) -> &[Attribute] {
        &self.schemas[resource]
    }

    pub(crate) fn kind(&self, resource: &str) -> Type {
        object_type(&self.schemas[resource])
    }

    /// A configuration; what it leaves out is null.
    pub(crate) fn config(&self, resource: &str, json: &Json) -> Value {
        from_json(json, &self.kind(resource)).unwrap()
    }

    pub(crate) async fn validate(&self, resource: &str, config: &Value) -> Vec<Diagnostic> {
        let request = validate_resource_config::Request {
            type_name: resource.to_owned(),
            config: Some(wire(config)),
            client_capabilities: Some(ClientCapabilities {
                write_only_attributes_allowed: true,
                ..ClientCapabilities::default()
            }),
        };
        let response = self
            .provider
            .validate_resource_config(Request::new(request))
            .await
            .unwrap();
        self.record(response.into_inner()).diagnostics
    }

    /// Plans a create, an update or (without a configuration) a destroy.
    pub(crate) async fn plan(
        &self,
        resource: &str,
        prior: Option<&Object>,
        config: Option<&Value>,
    ) -> Plan {
        let null = Value::Null;
        let prior_state = prior.map_or(&null, |prior| &prior.state);
        let private = prior.map(|prior| prior.private.clone());
        let config = config.unwrap_or(&null);
        let plan = self.plan_with(resource, (prior_state, config), private.unwrap_or_default());
        let plan = plan.await;
        assert!(plan.diagnostics.iter().all(|told| told.severity == 2));
        self.assert_valid(resource, prior_state, config, &plan.state);
        plan
    }

    /// Plans, with what was known beside a state, whatever comes of it. Like Terraform, in a process of its own.
    pub(crate) async fn plan_with(
        &self,
        resource: &str,
        states: (&Value, &Value),
        private: Vec<u8>,
    ) -> Plan {
        let run = self.run();
        self.plan_within(&run, resource, states, private).await
    }

    /// A process of its own, for the plans of one run.
    pub(crate) fn run(&self) -> TollgateProvider {
        let store = Arc::new(self.store.clone());
        TollgateProvider::with_backend(store, namespace(), Some(self.origin.clone()))
    }

    /// Plans beside the other resources of a run.
    pub(crate) async fn plan_within(
        &self,
        run: &TollgateProvider,
        resource: &str,
        (prior, config): (&Value, &Value),
        private: Vec<u8>,
    ) -> Plan {
        let request = plan_resource_change::Request {
            type_name: resource.to_owned(),
            prior_state: Some(wire(prior)),
            proposed_new_state: Some(wire(config)),
            config: Some(wire(config)),
            prior_private: private,
            ..plan_resource_change::Request::default()
        };
        let response = run.plan_resource_change(Request::new(request)).await;
        let response = self.record(response.unwrap().into_inner());
        assert!(!response.legacy_type_system);
        let state = response.planned_state.as_ref();
        Plan {
            config: config.clone(),
            state: state.map_or(Value::Null, |state| self.unwire(resource, Some(state))),
            private: response.planned_private,
            replaces: response.requires_replace,
            diagnostics: response.diagnostics,
        }
    }

    /// Validates, plans and applies; a replacement is a destroy and a create.
    pub(crate) async fn apply(
        &self,
        resource: &str,
        prior: Option<&Object>,
        config: &Value,
    ) -> Result {
        let problems = self.validate(resource, config).await;
        if !problems.is_empty() {
            return Result {
                object: prior.cloned(),
                diagnostics: problems,
            };
        }
        let mut plan = self.plan(resource, prior, Some(config)).await;
        let mut prior = prior;
        if !plan.replaces.is_empty() {
            let destroyed = self.destroy(resource, prior.unwrap()).await;
            assert_eq!(destroyed.diagnostics, []);
            prior = None;
            let create = (&Value::Null, config);
            plan = self.plan_with(resource, create, plan.private).await;
        }
        self.apply_plan(resource, prior, plan).await
    }

    pub(crate) async fn destroy(&self, resource: &str, prior: &Object) -> Result {
        let plan = self.plan(resource, Some(prior), None).await;
        self.apply_plan(resource, Some(prior), plan).await
    }

    pub(crate) async fn apply_plan(
        &self,
        resource: &str,
        prior: Option<&Object>,
        plan: Plan,
    ) -> Result {
        let null = Value::Null;
        let request = apply_resource_change::Request {
            type_name: resource.to_owned(),
            prior_state: Some(wire(prior.map_or(&null, |prior| &prior.state))),
            planned_state: Some(wire(&plan.state)),
            planned_private: plan.private,
            config: Some(wire(&plan.config)),
            ..apply_resource_change::Request::default()
        };
        let response = self
            .provider
            .apply_resource_change(Request::new(request))
            .await
            .unwrap();
        let response = self.record(response.into_inner());
        let state = self.unwire(resource, response.new_state.as_ref());
        assert!(
            state.is_wholly_known(),
            "nothing is unknown after apply: {state:?}"
        );
        if !response
            .diagnostics
            .iter()
            .any(|problem| problem.severity == 1)
        {
            assert_consistent(&plan.state, &state);
        }
        Result {
            object: object(state, response.private),
            diagnostics: response.diagnostics,
        }
    }

    /// Reads a state from its file and compares it with the store.
    pub(crate) async fn refresh(&self, resource: &str, stored: &Object) -> Result {
        let json = to_json(&stored.state).unwrap();
        let upgrade = upgrade_resource_state::Request {
            type_name: resource.to_owned(),
            version: 1,
            raw_state: Some(RawState {
                json: json.to_string().into_bytes(),
                ..RawState::default()
            }),
        };
        let upgraded = self
            .provider
            .upgrade_resource_state(Request::new(upgrade))
            .await
            .unwrap();
        let upgraded = self.record(upgraded.into_inner());
        assert_eq!(upgraded.diagnostics, []);
        assert_eq!(
            self.unwire(resource, upgraded.upgraded_state.as_ref()),
            stored.state
        );
        let request = read_resource::Request {
            type_name: resource.to_owned(),
            current_state: upgraded.upgraded_state,
            private: stored.private.clone(),
            ..read_resource::Request::default()
        };
        let response = self
            .provider
            .read_resource(Request::new(request))
            .await
            .unwrap();
        let response = self.record(response.into_inner());
        let state = self.unwire(resource, response.new_state.as_ref());
        assert!(state.is_wholly_known());
        Result {
            object: object(state, response.private),
            diagnostics: response.diagnostics,
        }
    }

    pub(crate) async fn import(&self, resource: &str, id: &str) -> Result {
        let request = import_resource_state::Request {
            type_name: resource.to_owned(),
            id: id.to_owned(),
            ..import_resource_state::Request::default()
        };
        let response = self
            .provider
            .import_resource_state(Request::new(request))
            .await
            .unwrap();
        let mut response = self.record(response.into_inner());
        assert_eq!(
            response.imported_resources.is_empty(),
            response
                .diagnostics
                .iter()
                .any(|problem| problem.severity == 1),
            "nothing imported without an error would be taken for success"
        );
        let imported = response.imported_resources.pop();
        Result {
            object: imported.map(|imported| Object {
                state: self.unwire(resource, imported.state.as_ref()),
                private: imported.private,
            }),
            diagnostics: response.diagnostics,
        }
    }

    /// Whether any response so far contains `text`.
    pub(crate) fn has_answered(&self, text: &str) -> bool {
        let contains = |bytes: &Vec<u8>| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        self.responses.lock().unwrap().iter().any(contains)
    }

    pub(crate) fn unwire(&self, resource: &str, value: Option<&DynamicValue>) -> Value {
        let value = value.expect("a value is answered");
        decode(&value.msgpack, &self.kind(resource)).unwrap()
    }

    pub(crate) fn record<M: Message>(&self, response: M) -> M {
        self.responses
            .lock()
            .unwrap()
            .push(response.encode_to_vec());
        response
    }

    /// What Terraform demands of a plan.
    fn assert_valid(&self, resource: &str, prior: &Value, config: &Value, planned: &Value) {
        if config.is_null() {
            assert!(planned.is_null(), "a destroy plans null");
            return;
        }
        assert_planned(
            resource,
            self.attributes(resource),
            (prior, config, planned),
        );
    }
}

pub(crate) fn key(kind: &str, name: &str) -> DocumentKey {
    DocumentKey {
        kind: Kind::parse(kind).unwrap(),
        name: Name::parse(name).unwrap(),
    }
}

pub(crate) fn namespace() -> Namespace {
    Namespace::parse("prod").unwrap()
}

pub(crate) fn wire(value: &Value) -> DynamicValue {
    DynamicValue {
        msgpack: encode(value),
        json: Vec::new(),
    }
}

/// A value with one attribute changed.
pub(crate) fn with(value: &Value, name: &str, attribute: Value) -> Value {
    let Value::Object(mut attributes) = value.clone() else {
        panic!("{value:?} is no object");
    };
    attributes.insert(name.to_owned(), attribute);
    Value::Object(attributes)
}

fn object(state: Value, private: Vec<u8>) -> Option<Object> {
    (!state.is_null()).then_some(Object { state, private })
}
