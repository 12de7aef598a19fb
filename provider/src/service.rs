//! The rpcs of Terraform's plugin protocol.

use std::pin::Pin;

use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::{
    ServerCapabilities, apply_resource_change, call_function, close_ephemeral_resource,
    configure_provider, configure_state_store, delete_state, generate_resource_config,
    get_functions, get_metadata, get_provider_schema, get_resource_identity_schemas, get_states,
    import_resource_state, invoke_action, list_resource, lock_state, move_resource_state,
    open_ephemeral_resource, plan_action, plan_resource_change, read_data_source, read_resource,
    read_state_bytes, renew_ephemeral_resource, stop_provider, unlock_state,
    upgrade_resource_identity, upgrade_resource_state, validate_action_config,
    validate_data_resource_config, validate_ephemeral_resource_config,
    validate_list_resource_config, validate_provider_config, validate_resource_config,
    validate_state_store, write_state_bytes,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{TollgateProvider, config, functions, identity, source};

/// Answers that the provider's protocol has an rpc which the provider does not offer.
macro_rules! not_offered {
    ($($rpc:ident: $request:ty => $response:ty;)*) => {$(
        fn $rpc<'provider, 'call>(
            &'provider self,
            _request: Request<$request>,
        ) -> Answer<'call, $response>
        where
            'provider: 'call,
            Self: 'call,
        {
            Box::pin(async {
                Err(Status::unimplemented(concat!("tollgate does not offer ", stringify!($rpc))))
            })
        }
    )*};
}

/// What an rpc returns.
type Answer<'call, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'call>>;
/// Of the streams that the provider does not offer.
type NoStream<T> = tokio_stream::Empty<Result<T, Status>>;

#[tonic::async_trait]
impl Provider for TollgateProvider {
    async fn get_metadata(
        &self,
        _request: Request<get_metadata::Request>,
    ) -> Result<Response<get_metadata::Response>, Status> {
        let names = self.resources.keys().cloned();
        let resources = names.map(|type_name| get_metadata::ResourceMetadata { type_name });
        let names = self.data_sources.keys().cloned();
        let data_sources = names.map(|type_name| get_metadata::DataSourceMetadata { type_name });
        let names = self.ephemeral_resources.keys().cloned();
        let ephemeral = names.map(|type_name| get_metadata::EphemeralMetadata { type_name });
        let names = self.functions.keys().map(|name| (*name).to_owned());
        let functions = names.map(|name| get_metadata::FunctionMetadata { name });
        Ok(Response::new(get_metadata::Response {
            server_capabilities: Some(capabilities()),
            resources: resources.collect(),
            data_sources: data_sources.collect(),
            ephemeral_resources: ephemeral.collect(),
            functions: functions.collect(),
            ..get_metadata::Response::default()
        }))
    }

    async fn get_provider_schema(
        &self,
        _request: Request<get_provider_schema::Request>,
    ) -> Result<Response<get_provider_schema::Response>, Status> {
        let resources = self.resources.iter();
        let schemas = resources.map(|(name, kind)| (name.clone(), (&kind.schema).into()));
        Ok(Response::new(get_provider_schema::Response {
            provider: Some((&config::schema()).into()),
            resource_schemas: schemas.collect(),
            data_source_schemas: source::schemas(&self.data_sources),
            ephemeral_resource_schemas: source::schemas(&self.ephemeral_resources),
            functions: functions::declarations(&self.functions),
            server_capabilities: Some(capabilities()),
            ..get_provider_schema::Response::default()
        }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<validate_provider_config::Request>,
    ) -> Result<Response<validate_provider_config::Response>, Status> {
        let answer = self.validate_config(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn configure_provider(
        &self,
        request: Request<configure_provider::Request>,
    ) -> Result<Response<configure_provider::Response>, Status> {
        Ok(Response::new(self.configure(request.into_inner()).await))
    }

    async fn validate_resource_config(
        &self,
        request: Request<validate_resource_config::Request>,
    ) -> Result<Response<validate_resource_config::Response>, Status> {
        let answer = self.validate_resource(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Result<Response<upgrade_resource_state::Response>, Status> {
        Ok(Response::new(self.upgrade(request.into_inner()).await))
    }

    async fn read_resource(
        &self,
        request: Request<read_resource::Request>,
    ) -> Result<Response<read_resource::Response>, Status> {
        Ok(Response::new(self.read(request.into_inner()).await))
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Result<Response<plan_resource_change::Response>, Status> {
        Ok(Response::new(self.plan(request.into_inner()).await))
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Result<Response<apply_resource_change::Response>, Status> {
        Ok(Response::new(self.apply(request.into_inner()).await))
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Result<Response<import_resource_state::Response>, Status> {
        Ok(Response::new(self.import(request.into_inner()).await))
    }

    async fn stop_provider(
        &self,
        _request: Request<stop_provider::Request>,
    ) -> Result<Response<stop_provider::Response>, Status> {
        self.stop_calls();
        Ok(Response::new(stop_provider::Response::default()))
    }

    async fn move_resource_state(
        &self,
        request: Request<move_resource_state::Request>,
    ) -> Result<Response<move_resource_state::Response>, Status> {
        Ok(Response::new(self.move_state(request.into_inner()).await))
    }

    async fn get_functions(
        &self,
        _request: Request<get_functions::Request>,
    ) -> Result<Response<get_functions::Response>, Status> {
        Ok(Response::new(get_functions::Response {
            functions: functions::declarations(&self.functions),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(
        &self,
        request: Request<call_function::Request>,
    ) -> Result<Response<call_function::Response>, Status> {
        Ok(Response::new(self.call(&request.into_inner())))
    }

    async fn get_resource_identity_schemas(
        &self,
        _request: Request<get_resource_identity_schemas::Request>,
    ) -> Result<Response<get_resource_identity_schemas::Response>, Status> {
        let names = self.resources.keys().cloned();
        Ok(Response::new(get_resource_identity_schemas::Response {
            identity_schemas: names.map(|name| (name, identity::schema())).collect(),
            diagnostics: Vec::new(),
        }))
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<upgrade_resource_identity::Request>,
    ) -> Result<Response<upgrade_resource_identity::Response>, Status> {
        let answer = self.upgrade_identity(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<validate_data_resource_config::Request>,
    ) -> Result<Response<validate_data_resource_config::Response>, Status> {
        let answer = self.validate_data_source(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Result<Response<read_data_source::Response>, Status> {
        let answer = self.read_data_source(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<validate_ephemeral_resource_config::Request>,
    ) -> Result<Response<validate_ephemeral_resource_config::Response>, Status> {
        let answer = self.validate_ephemeral(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<open_ephemeral_resource::Request>,
    ) -> Result<Response<open_ephemeral_resource::Response>, Status> {
        let answer = self.open_ephemeral(request.into_inner()).await;
        Ok(Response::new(answer))
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<renew_ephemeral_resource::Request>,
    ) -> Result<Response<renew_ephemeral_resource::Response>, Status> {
        Ok(Response::new(self.renew_ephemeral(&request.into_inner())))
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<close_ephemeral_resource::Request>,
    ) -> Result<Response<close_ephemeral_resource::Response>, Status> {
        Ok(Response::new(self.close_ephemeral(&request.into_inner())))
    }

    type ListResourceStream = NoStream<list_resource::Event>;
    type ReadStateBytesStream = NoStream<read_state_bytes::Response>;
    type InvokeActionStream = NoStream<invoke_action::Event>;

    not_offered! {
        generate_resource_config: generate_resource_config::Request => generate_resource_config::Response;
        list_resource: list_resource::Request => Self::ListResourceStream;
        validate_list_resource_config: validate_list_resource_config::Request => validate_list_resource_config::Response;
        validate_state_store_config: validate_state_store::Request => validate_state_store::Response;
        configure_state_store: configure_state_store::Request => configure_state_store::Response;
        read_state_bytes: read_state_bytes::Request => Self::ReadStateBytesStream;
        write_state_bytes: Streaming<write_state_bytes::RequestChunk> => write_state_bytes::Response;
        lock_state: lock_state::Request => lock_state::Response;
        unlock_state: unlock_state::Request => unlock_state::Response;
        get_states: get_states::Request => get_states::Response;
        delete_state: delete_state::Request => delete_state::Response;
        plan_action: plan_action::Request => plan_action::Response;
        invoke_action: invoke_action::Request => Self::InvokeActionStream;
        validate_action_config: validate_action_config::Request => validate_action_config::Response;
    }
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        plan_destroy: true,
        // One call for the schema in a plan instead of one a process.
        get_provider_schema_optional: true,
        move_resource_state: true,
        ..ServerCapabilities::default()
    }
}
