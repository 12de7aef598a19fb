//! `tollgate-proxy check`.

use std::io::Write;
use std::time::Duration;

use tollgate_gate::Snapshot;
use tollgate_store::backend::{self, Depth};
use tollgate_store::document::Entry;

use super::Arguments;
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::Failure;
use crate::tls::Materials;
use crate::watch::PollFault;

/// The longest that the store may take.
const STORE_MAX: Duration = Duration::from_secs(30);

/// Reads the namespace as `serve` would, and tells what it would leave out.
pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::try_from(arguments)?;
    super::in_one_thread(check(&config))?
}

async fn check(config: &Config) -> Result<(), Failure> {
    let too_late = |_| PollFault::TooLate {
        place: config.store.to_string(),
        limit: STORE_MAX,
    };
    let load = tokio::time::timeout(STORE_MAX, load(config)).await;
    let load = load.map_err(too_late).flatten();
    let entries = load.map_err(|fault| Failure::Store(fault.to_string()))?;
    let (snapshot, rejected) = Snapshot::build(&entries, &config.proxy);
    let head = format!(
        "{}, namespace {:?}: {} documents, {} keys, {} routes",
        config.store,
        config.namespace.as_str(),
        entries.len(),
        snapshot.keys_len(),
        snapshot.routes_len(),
    );
    let listens = snapshot.proxy().map(|proxy| proxy.listen.as_slice());
    let now = Clock::start().now().wall;
    let review = Materials::default()
        .review(listens.unwrap_or_default(), now)
        .await;
    let unusable = review
        .faults
        .iter()
        .map(|(place, fault)| format!("{place} {fault}"));
    let left_out = rejected
        .iter()
        .map(|rejected| format!("{} is left out: {}", rejected.id, rejected.reason));
    for line in std::iter::once(head).chain(left_out).chain(unusable) {
        // Whoever closes the pipe has read enough.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    match (rejected.len(), snapshot.proxy()) {
        (0, Some(_)) if review.faults.is_empty() => Ok(()),
        (0, Some(_)) => Err(Failure::Documents(match review.faults.len() {
            1 => "1 certificate, or the like, can't be used".to_owned(),
            count => format!("{count} certificates, or the like, can't be used"),
        })),
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

async fn load(config: &Config) -> Result<Vec<Entry>, PollFault> {
    let backend = backend::open(&config.store, &config.namespace).await?;
    // Without a cursor everything is told, or the namespace is missing.
    let load = backend.poll(None, Depth::Everything).await?;
    Ok(load.map(|load| load.entries).unwrap_or_default())
}
