//! The store, for commands that read it once.

use std::time::Duration;

use tollgate_store::backend::{self, Depth};
use tollgate_store::document::Entry;

use super::serve;
use crate::config::Config;
use crate::failure::Failure;
use crate::watch::PollFault;

/// The longest that the store may take.
const STORE_MAX: Duration = Duration::from_secs(30);

/// Which store, and which of its proxies: as of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArguments {
    /// Where the documents are kept: directory:PATH or secretsmanager.
    #[arg(long, env = "TOLLGATE_STORE", value_name = "STORE")]
    store: Option<String>,
    /// The namespace, like prod.
    #[arg(long, env = "TOLLGATE_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// The name of the `tollgate_proxy` whose routes apply.
    #[arg(long, env = "TOLLGATE_PROXY", value_name = "NAME")]
    proxy: Option<String>,
    /// The AWS region of secretsmanager [default: as for the AWS command line].
    #[arg(long, env = "TOLLGATE_SECRETSMANAGER_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Another address of secretsmanager: a VPC endpoint, or an emulator.
    #[arg(long, env = "TOLLGATE_SECRETSMANAGER_ENDPOINT_URL", value_name = "URL")]
    endpoint_url: Option<String>,
}

impl From<StoreArguments> for serve::Arguments {
    fn from(arguments: StoreArguments) -> Self {
        let StoreArguments {
            store,
            namespace,
            proxy,
            region,
            endpoint_url,
        } = arguments;
        Self {
            store,
            namespace,
            proxy,
            region,
            endpoint_url,
            ..Self::default()
        }
    }
}

/// Everything that the namespace holds.
pub(super) async fn load(config: &Config) -> Result<Vec<Entry>, Failure> {
    let too_late = |_| PollFault::TooLate {
        place: config.store.to_string(),
        limit: STORE_MAX,
    };
    let read = tokio::time::timeout(STORE_MAX, read(config)).await;
    let read = read.map_err(too_late).flatten();
    read.map_err(|fault| Failure::Store(fault.to_string()))
}

async fn read(config: &Config) -> Result<Vec<Entry>, PollFault> {
    let backend = backend::open(&config.store, &config.namespace).await?;
    // Without a cursor everything is told, or the namespace is missing.
    let load = backend.poll(None, Depth::Everything).await?;
    Ok(load.map(|load| load.entries).unwrap_or_default())
}
