//! The Terraform provider `tollgate`: declares keys, scopes, quotas, upstreams, routes and proxies, and keeps them as
//! documents in a store. The binary beside this library only carries it to Terraform.
//!
//! `value` and `plan` are the only places that know of unknown values. `resources` says what each kind of resource
//! holds; `apply` and `read` do the work for all of them. `data` and `ephemeral` say what can be asked, and `source` asks
//! it.

mod answers;
mod apply;
mod call;
mod calls;
mod claims;
mod clock;
mod config;
mod connection;
mod data;
mod diagnostic;
mod ephemeral;
mod failure;
mod functions;
mod identity;
mod origin;
mod plan;
mod plans;
mod private;
mod read;
mod references;
mod resource;
mod resources;
mod schema;
mod service;
mod source;
mod store;
mod timeouts;
pub mod value;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tollgate_store::Namespace;
use tollgate_store::backend::Backend;
use tollgate_store::document::Origin;

use connection::Connection;
use functions::Function;
use resource::ResourceType;
use source::SourceType;
use store::Store;

/// The provider's version, which is the binary's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The provider: answers Terraform's calls, as `tollgate_proto::tfplugin6::provider_server::Provider`.
#[derive(Debug)]
pub struct TollgateProvider {
    resources: BTreeMap<String, ResourceType>,
    data_sources: BTreeMap<String, SourceType>,
    ephemeral_resources: BTreeMap<String, SourceType>,
    functions: BTreeMap<&'static str, Function>,
    connection: Mutex<Connection>,
    /// Cancelled and made anew when Terraform asks to stop: calls in flight end, later ones are served.
    stop: Mutex<CancellationToken>,
}

impl TollgateProvider {
    /// A provider that Terraform has still to configure.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resources: resources::all(),
            data_sources: data::all(),
            ephemeral_resources: ephemeral::all(),
            functions: functions::all(),
            connection: Mutex::new(Connection::None),
            stop: Mutex::default(),
        }
    }

    /// A provider that works with a store that is open already, in place of one that its configuration names, for a
    /// state of that origin.
    #[must_use]
    pub fn with_backend(
        backend: Arc<dyn Backend>,
        namespace: Namespace,
        origin: Option<Origin>,
    ) -> Self {
        let provider = Self::new();
        let store = Store::new(backend, namespace, origin);
        provider.connect(Connection::Open(Arc::new(store)));
        provider
    }
}

impl Default for TollgateProvider {
    fn default() -> Self {
        Self::new()
    }
}

/// Each of these holds one value that is replaced as a whole, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
