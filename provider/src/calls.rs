//! Terraform's calls, one function each: reads the request, has the work done, and writes the response.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tollgate_proto::tfplugin6::{
    DynamicValue, apply_resource_change, configure_provider, import_resource_state,
    move_resource_state, plan_resource_change, read_resource, upgrade_resource_identity,
    upgrade_resource_state, validate_provider_config, validate_resource_config,
};

use crate::call::{Change, Fallback, Outcome};
use crate::config;
use crate::diagnostic::Diagnostic;
use crate::identity;
use crate::plan::Plan;
use crate::private::Private;
use crate::resource::ResourceType;
use crate::schema::Schema;
use crate::wire::{messages, read, read_json, split, wired, write};
use crate::{TollgateProvider, lock};

/// How long a call may take to end once Terraform asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

impl TollgateProvider {
    pub(crate) async fn validate_config(
        &self,
        request: validate_provider_config::Request,
    ) -> validate_provider_config::Response {
        let problems = self.guarded(async {
            let kind = config::schema().value_type();
            Ok(config::validate(&read(request.config.as_ref(), &kind)?))
        });
        validate_provider_config::Response {
            diagnostics: messages(problems.await),
        }
    }

    pub(crate) async fn configure(
        &self,
        request: configure_provider::Request,
    ) -> configure_provider::Response {
        let problems = self.guarded(async {
            let config = read(request.config.as_ref(), &config::schema().value_type())?;
            let problems = config::validate(&config);
            if problems.is_empty() {
                self.open(&config).await?;
            }
            Ok(problems)
        });
        configure_provider::Response {
            diagnostics: messages(problems.await),
        }
    }

    pub(crate) async fn validate_resource(
        &self,
        request: validate_resource_config::Request,
    ) -> validate_resource_config::Response {
        let problems = self.guarded(async {
            let kind = self.resource_type(&request.type_name)?;
            let config = read(request.config.as_ref(), &kind.value_type)?;
            let keeps_secrets = request
                .client_capabilities
                .is_some_and(|client| client.write_only_attributes_allowed);
            let mut problems = kind.validate(&config);
            if !keeps_secrets {
                problems.extend(kind.refuse_write_only(&config));
            }
            Ok(problems)
        });
        validate_resource_config::Response {
            diagnostics: messages(problems.await),
        }
    }

    /// Reads a stored state under today's schema.
    pub(crate) async fn upgrade(
        &self,
        request: upgrade_resource_state::Request,
    ) -> upgrade_resource_state::Response {
        let state = self.guarded(async {
            let kind = self.resource_type(&request.type_name)?;
            if request.version > Schema::VERSION {
                return Err(newer_state(&request.type_name));
            }
            let json = request.raw_state.unwrap_or_default().json;
            let state = read_json(&json, &kind.value_type)?;
            Ok(if request.version < Schema::VERSION {
                kind.with_defaults(state)
            } else {
                state
            })
        });
        let (state, diagnostics) = split(state.await);
        upgrade_resource_state::Response {
            upgraded_state: state.as_ref().map(write),
            diagnostics,
        }
    }

    pub(crate) async fn read(&self, request: read_resource::Request) -> read_resource::Response {
        let outcome = self.guarded(async {
            let kind = self.resource_type(&request.type_name)?;
            let state = read(request.current_state.as_ref(), &kind.value_type)?;
            let private = Private::from_bytes(&request.private);
            Ok(kind.read(&*self.store()?, &state, private).await)
        });
        match outcome.await {
            Ok(outcome) => read_resource::Response {
                new_identity: identity::of(&outcome.state),
                new_state: Some(write(&outcome.state)),
                private: outcome.private.to_bytes(),
                diagnostics: wired(outcome.diagnostics),
                ..read_resource::Response::default()
            },
            Err(problem) => read_resource::Response {
                new_identity: request.current_identity.clone(),
                new_state: request.current_state.clone(),
                private: request.private.clone(),
                diagnostics: vec![problem.into()],
                ..read_resource::Response::default()
            },
        }
    }

    pub(crate) async fn plan(
        &self,
        request: plan_resource_change::Request,
    ) -> plan_resource_change::Response {
        let planned = self.guarded(async {
            let kind = self.resource_type(&request.type_name)?;
            let read = |value: &Option<DynamicValue>| read(value.as_ref(), &kind.value_type);
            let (prior, config) = (read(&request.prior_state)?, read(&request.config)?);
            let plan = if read(&request.proposed_new_state)?.is_null() {
                Plan::destroy()
            } else {
                let private = Private::from_bytes(&request.prior_private);
                kind.plan(&prior, &config, &private)
            };
            // Terraform hands the create of a replacement what it knew of the object that goes.
            let is_renewal = !request.prior_private.is_empty();
            let told = match self.open_store() {
                Some(store) => kind.check_plan(&store, &prior, &plan, is_renewal).await?,
                None => None,
            };
            Ok((plan, told))
        });
        let (planned, mut diagnostics) = split(planned.await);
        let (state, replaces) = match planned {
            Some((Plan { state, replaces }, told)) => {
                diagnostics.extend(wired(told.into_iter().collect()));
                (Some(state), replaces)
            }
            None => (None, Vec::new()),
        };
        plan_resource_change::Response {
            planned_identity: state.as_ref().and_then(identity::of),
            planned_state: state.as_ref().map(write),
            requires_replace: replaces.into_iter().map(Into::into).collect(),
            planned_private: request.prior_private,
            diagnostics,
            ..plan_resource_change::Response::default()
        }
    }

    pub(crate) async fn apply(
        &self,
        request: apply_resource_change::Request,
    ) -> apply_resource_change::Response {
        let change = self.resource_type(&request.type_name).and_then(|kind| {
            let read = |value: &Option<DynamicValue>| read(value.as_ref(), &kind.value_type);
            let change = Change {
                prior: read(&request.prior_state)?,
                planned: read(&request.planned_state)?,
                config: read(&request.config)?,
                private: Private::from_bytes(&request.planned_private),
            };
            Ok((kind, change))
        });
        let (kind, change) = match change {
            Ok(change) => change,
            Err(problem) => {
                return apply_resource_change::Response {
                    new_state: request.prior_state,
                    private: request.planned_private,
                    diagnostics: vec![problem.into()],
                    ..apply_resource_change::Response::default()
                };
            }
        };
        let fallback = change.fallback();
        let outcome = self.guarded(self.carry_out(kind, &change, &fallback)).await;
        let outcome = outcome.unwrap_or_else(|problem| fallback.outcome(problem));
        apply_resource_change::Response {
            new_identity: identity::of(&outcome.state),
            new_state: Some(write(&outcome.state)),
            private: outcome.private.to_bytes(),
            diagnostics: wired(outcome.diagnostics),
            ..apply_resource_change::Response::default()
        }
    }

    pub(crate) async fn import(
        &self,
        request: import_resource_state::Request,
    ) -> import_resource_state::Response {
        let outcome = self.guarded(async {
            let kind = self.resource_type(&request.type_name)?;
            let name = match &request.identity {
                Some(identity) if request.id.is_empty() => identity::name(identity)?,
                _ => request.id.clone(),
            };
            kind.import(&*self.store()?, &name).await
        });
        match outcome.await {
            Ok(outcome) => import_resource_state::Response {
                imported_resources: vec![import_resource_state::ImportedResource {
                    type_name: request.type_name,
                    identity: identity::of(&outcome.state),
                    state: Some(write(&outcome.state)),
                    private: outcome.private.to_bytes(),
                }],
                diagnostics: wired(outcome.diagnostics),
                ..import_resource_state::Response::default()
            },
            Err(problem) => import_resource_state::Response {
                diagnostics: vec![problem.into()],
                ..import_resource_state::Response::default()
            },
        }
    }

    /// Takes over the state of a resource of the same type that another provider of this name kept.
    pub(crate) async fn move_state(
        &self,
        request: move_resource_state::Request,
    ) -> move_resource_state::Response {
        let moved = self.guarded(async {
            let kind = self.resource_type(&request.target_type_name)?;
            check_source(&request)?;
            if request.source_schema_version > Schema::VERSION {
                return Err(newer_state(&request.source_type_name));
            }
            let json = request.source_state.clone().unwrap_or_default().json;
            Ok(kind.with_defaults(read_json(&json, &kind.value_type)?))
        });
        let (state, diagnostics) = split(moved.await);
        move_resource_state::Response {
            target_identity: state.as_ref().and_then(identity::of),
            target_state: state.as_ref().map(write),
            target_private: request.source_private,
            diagnostics,
        }
    }

    /// Reads a stored identity.
    pub(crate) async fn upgrade_identity(
        &self,
        request: upgrade_resource_identity::Request,
    ) -> upgrade_resource_identity::Response {
        let upgraded = self.guarded(async {
            self.resource_type(&request.type_name)?;
            identity::upgrade(&request.raw_identity.unwrap_or_default())
        });
        let (upgraded_identity, diagnostics) = split(upgraded.await);
        upgrade_resource_identity::Response {
            upgraded_identity,
            diagnostics,
        }
    }

    /// Ends the calls in flight; later ones are served again.
    pub(crate) fn stop_calls(&self) {
        std::mem::take(&mut *lock(&self.stop)).cancel();
    }

    async fn carry_out(
        &self,
        kind: &ResourceType,
        change: &Change,
        fallback: &Fallback,
    ) -> Result<Outcome, Diagnostic> {
        let store = self.store()?;
        Ok(kind.apply(&store, change, fallback).await)
    }

    fn resource_type(&self, name: &str) -> Result<&ResourceType, Diagnostic> {
        self.resources.get(name).ok_or_else(|| {
            let known: Vec<_> = self.resources.keys().map(String::as_str).collect();
            let summary = format!("There is no resource {name}");
            Diagnostic::error(summary, format!("The provider has: {}.", known.join(", ")))
        })
    }

    /// Does a call's work. Where Terraform asks to stop, it has a moment to end: an object whose create is cut off is
    /// tainted, and made anew by the next apply. A panic is an error of this call only.
    pub(crate) async fn guarded<T>(
        &self,
        work: impl Future<Output = Result<T, Diagnostic>>,
    ) -> Result<T, Diagnostic> {
        let stop = lock(&self.stop).clone();
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(panicked())),
            () = stopped => Err(Diagnostic::error(
                "The call was stopped",
                "Terraform asked the provider to stop before the call had ended. Plan again to see how far it came.",
            )),
        }
    }
}

fn panicked() -> Diagnostic {
    Diagnostic::error(
        "The provider failed",
        "The call ran into a defect of the provider. Please report it, with what TF_LOG=debug shows; plan again to see \
         how far the call came.",
    )
}

/// A state can be moved between resources of one type: from a provider at another address, such as one that was built
/// by hand. Nothing else holds what a resource of ours is made of.
fn check_source(request: &move_resource_state::Request) -> Result<(), Diagnostic> {
    let (source, target) = (&request.source_type_name, &request.target_type_name);
    let provider = &request.source_provider_address;
    if source == target && provider.rsplit('/').next() == Some("tollgate") {
        return Ok(());
    }
    Err(Diagnostic::error(
        format!("The state of {source} can't be moved to {target}"),
        format!(
            "A {target} can be moved from a {target} alone, also of a provider \"tollgate\" at another address; this is \
             {source} of {provider}, which holds nothing that a {target} is made of. Remove the `moved` block: what it \
             names is then removed, unless a `removed` block keeps it, and the {target} is created, or imported by its \
             name where it exists."
        ),
    ))
}

fn newer_state(name: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The state of {name} is too new"),
        format!(
            "A newer version of the provider wrote it, and this one, {}, can't read it: upgrade the provider.",
            crate::VERSION
        ),
    )
}
