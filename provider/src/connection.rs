//! The store that the provider was configured with: opened once, shared by all calls.

use std::sync::Arc;

use tollgate_store::backend::{self, Location};

use crate::config::{Setup, setup};
use crate::diagnostic::{Diagnostic, Path};
use crate::store::Store;
use crate::value::Value;
use crate::{TollgateProvider, lock, origin};

/// What the provider was configured with.
#[derive(Debug, Clone)]
pub(crate) enum Connection {
    /// Nothing yet.
    None,
    /// Something that is known after another resource was made.
    Unknown,
    /// A store.
    Open(Arc<Store>),
}

impl TollgateProvider {
    /// Opens the store that a configuration names.
    pub(crate) async fn open(&self, config: &Value) -> Result<(), Diagnostic> {
        let environment = |name: &str| std::env::var(name).ok();
        let connection = match setup(config, &environment)? {
            Setup::Unknown => Connection::Unknown,
            Setup::Known(location, namespace) => {
                let backend = backend::open(&location, &namespace).await;
                let attribute = match location {
                    Location::Directory(_) => "directory",
                    Location::SecretsManager(_) => "secrets_manager",
                };
                let backend = backend.map_err(|error| {
                    let problem = Diagnostic::error("The store can't be opened", error.to_string());
                    problem.at(Path::attribute(attribute))
                })?;
                tracing::debug!(place = backend.place(), "the store is open");
                let origin = origin::find(&environment);
                Connection::Open(Arc::new(Store::new(backend, namespace, origin)))
            }
        };
        self.connect(connection);
        Ok(())
    }

    /// The open store.
    pub(crate) fn store(&self) -> Result<Arc<Store>, Diagnostic> {
        match &*lock(&self.connection) {
            Connection::Open(store) => Ok(Arc::clone(store)),
            Connection::Unknown => Err(Diagnostic::error(
                "The provider's configuration is not known yet",
                "It depends on something that is made by the same apply, so that nothing can be read from the store. \
                 Make that first: `terraform apply -target=ADDRESS`, or give the provider known values.",
            )),
            Connection::None => Err(Diagnostic::error(
                "The provider is not configured",
                "Terraform asked for the store before it configured the provider: this is a defect of Terraform or of \
                 the provider.",
            )),
        }
    }

    /// The open store, if there is one yet.
    pub(crate) fn open_store(&self) -> Option<Arc<Store>> {
        match &*lock(&self.connection) {
            Connection::Open(store) => Some(Arc::clone(store)),
            Connection::Unknown | Connection::None => None,
        }
    }

    pub(crate) fn connect(&self, connection: Connection) {
        *lock(&self.connection) = connection;
    }
}
