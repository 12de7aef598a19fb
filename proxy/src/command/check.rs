//! `tollgate-proxy check`.

use std::io::Write;
use std::time::Duration;

use tollgate_gate::Snapshot;
use tollgate_store::backend::{self, Depth, Load};

use super::Arguments;
use crate::config::Config;
use crate::failure::Failure;

/// The longest that the store may take.
const STORE_MAX: Duration = Duration::from_secs(30);

/// Reads the namespace as `serve` would, and tells what it would leave out.
pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::try_from(arguments)?;
    super::in_one_thread(check(&config))?
}

async fn check(config: &Config) -> Result<(), Failure> {
    let Load { entries, .. } = tokio::time::timeout(STORE_MAX, load(config))
        .await
        .map_err(|_| {
            let limit = STORE_MAX.as_secs();
            Failure::Store(format!(
                "{} did not answer within {limit} s: check its address and the network",
                config.store
            ))
        })??;
    let (snapshot, rejected) = Snapshot::build(&entries, &config.proxy);
    let head = format!(
        "{}, namespace {:?}: {} documents, {} keys, {} routes",
        config.store,
        config.namespace.as_str(),
        entries.len(),
        snapshot.keys_len(),
        snapshot.routes_len(),
    );
    let left_out = rejected
        .iter()
        .map(|rejected| format!("{} is left out: {}", rejected.id, rejected.reason));
    for line in std::iter::once(head).chain(left_out) {
        // Whoever closes the pipe has read enough.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    match (rejected.len(), snapshot.proxy()) {
        (0, Some(_)) => Ok(()),
        (0, None) => Err(Failure::Documents(format!(
            "there is no proxy {:?} in the namespace: every request would be answered 503",
            config.proxy.as_str()
        ))),
        (1, _) => Err(Failure::Documents("1 document is left out".to_owned())),
        (count, _) => Err(Failure::Documents(format!(
            "{count} documents are left out"
        ))),
    }
}

async fn load(config: &Config) -> Result<Load, Failure> {
    let failed = |error: backend::StoreError| Failure::Store(error.to_string());
    let backend = backend::open(&config.store, &config.namespace)
        .await
        .map_err(failed)?;
    let load = backend
        .poll(None, Depth::Everything)
        .await
        .map_err(failed)?;
    load.ok_or_else(|| Failure::Store(format!("{} told nothing", backend.place())))
}
