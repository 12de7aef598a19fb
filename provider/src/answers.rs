//! Terraform's calls for what is only asked: data sources, ephemeral resources and functions.

use std::collections::BTreeMap;

use tollgate_proto::tfplugin6::{
    DynamicValue, FunctionError, call_function, close_ephemeral_resource, open_ephemeral_resource,
    read_data_source, renew_ephemeral_resource, validate_data_resource_config,
    validate_ephemeral_resource_config,
};

use crate::TollgateProvider;
use crate::diagnostic::Diagnostic;
use crate::source::SourceType;
use crate::wire::{messages, read, wired, write};

impl TollgateProvider {
    pub(crate) async fn validate_data_source(
        &self,
        request: validate_data_resource_config::Request,
    ) -> validate_data_resource_config::Response {
        let source = self.data_source(&request.type_name);
        let problems = self.validate_source(source, request.config.as_ref()).await;
        validate_data_resource_config::Response {
            diagnostics: messages(problems),
        }
    }

    pub(crate) async fn read_data_source(
        &self,
        request: read_data_source::Request,
    ) -> read_data_source::Response {
        let source = self.data_source(&request.type_name);
        let (state, problems) = self.ask(source, request.config.as_ref()).await;
        read_data_source::Response {
            state,
            diagnostics: wired(problems),
            ..read_data_source::Response::default()
        }
    }

    pub(crate) async fn validate_ephemeral(
        &self,
        request: validate_ephemeral_resource_config::Request,
    ) -> validate_ephemeral_resource_config::Response {
        let source = self.ephemeral_resource(&request.type_name);
        let problems = self.validate_source(source, request.config.as_ref()).await;
        validate_ephemeral_resource_config::Response {
            diagnostics: messages(problems),
        }
    }

    /// Reads what the run needs. It holds nothing open, so that neither a renewal nor private data is asked for.
    pub(crate) async fn open_ephemeral(
        &self,
        request: open_ephemeral_resource::Request,
    ) -> open_ephemeral_resource::Response {
        let source = self.ephemeral_resource(&request.type_name);
        let (result, problems) = self.ask(source, request.config.as_ref()).await;
        open_ephemeral_resource::Response {
            result,
            diagnostics: wired(problems),
            ..open_ephemeral_resource::Response::default()
        }
    }

    /// Nothing ends that would have to be renewed.
    pub(crate) fn renew_ephemeral(
        &self,
        request: &renew_ephemeral_resource::Request,
    ) -> renew_ephemeral_resource::Response {
        let known = self.ephemeral_resource(&request.type_name);
        renew_ephemeral_resource::Response {
            diagnostics: messages(known.map(|_| Vec::new())),
            ..renew_ephemeral_resource::Response::default()
        }
    }

    /// Nothing was left open.
    pub(crate) fn close_ephemeral(
        &self,
        request: &close_ephemeral_resource::Request,
    ) -> close_ephemeral_resource::Response {
        let known = self.ephemeral_resource(&request.type_name);
        close_ephemeral_resource::Response {
            diagnostics: messages(known.map(|_| Vec::new())),
        }
    }

    pub(crate) fn call(&self, request: &call_function::Request) -> call_function::Response {
        let called = match self.functions.get(request.name.as_str()) {
            Some(function) => function.call(&request.arguments),
            None => Err(FunctionError {
                text: format!("the provider tollgate has no function {}", request.name),
                function_argument: None,
            }),
        };
        match called {
            Ok(result) => call_function::Response {
                result: Some(result),
                error: None,
            },
            Err(error) => call_function::Response {
                result: None,
                error: Some(error),
            },
        }
    }

    async fn validate_source(
        &self,
        source: Result<&SourceType, Diagnostic>,
        config: Option<&DynamicValue>,
    ) -> Result<Vec<Diagnostic>, Diagnostic> {
        self.guarded(async {
            let source = source?;
            Ok(source.validate(&read(config, &source.value_type)?))
        })
        .await
    }

    async fn ask(
        &self,
        source: Result<&SourceType, Diagnostic>,
        config: Option<&DynamicValue>,
    ) -> (Option<DynamicValue>, Vec<Diagnostic>) {
        let asked = self.guarded(async {
            let source = source?;
            let config = read(config, &source.value_type)?;
            Ok(source.read(&*self.store()?, &config).await)
        });
        match asked.await {
            Ok((value, problems)) => (value.as_ref().map(write), problems),
            Err(problem) => (None, vec![problem]),
        }
    }

    fn data_source(&self, name: &str) -> Result<&SourceType, Diagnostic> {
        find(&self.data_sources, "data source", name)
    }

    fn ephemeral_resource(&self, name: &str) -> Result<&SourceType, Diagnostic> {
        find(&self.ephemeral_resources, "ephemeral resource", name)
    }
}

fn find<'p>(
    sources: &'p BTreeMap<String, SourceType>,
    what: &str,
    name: &str,
) -> Result<&'p SourceType, Diagnostic> {
    sources.get(name).ok_or_else(|| {
        let known: Vec<_> = sources.keys().map(String::as_str).collect();
        let summary = format!("There is no {what} {name}");
        Diagnostic::error(summary, format!("The provider has: {}.", known.join(", ")))
    })
}
