//! `tollgate-proxy check`.

use std::io::Write;

use tollgate_conditions::Cedar;
use tollgate_gate::{Snapshot, advise};

use super::{Arguments, store};
use crate::clock::Clock;
use crate::config::Config;
use crate::counters;
use crate::failure::Failure;
use crate::metrics::CredentialFetches;
use crate::tls::{Keeper, Materials};
use crate::upstream::{AwsIdentity, Findings, Means, SystemTrust};
use crate::watch::places;

/// Reads the namespace as `serve` would, and tells what it would leave out and what is hardly meant.
pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::try_from(arguments)?;
    super::in_one_thread(check(&config))?
}

async fn check(config: &Config) -> Result<(), Failure> {
    let entries = store::load(config).await?;
    let (snapshot, rejected) = Snapshot::build(&entries, &config.proxy, &Cedar);
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
    let review = Materials::new(&config.store)
        .review(listens.unwrap_or_default(), now)
        .await;
    let mut unusable = findings(config, &snapshot).await.faults;
    let faults = review.faults.iter();
    unusable.extend(faults.map(|(place, fault)| (place.to_string(), fault.to_string())));
    let unusable_count = unusable.len();
    let unusable = unusable
        .iter()
        .map(|(place, fault)| format!("{place} {fault}"));
    let left_out = rejected
        .iter()
        .map(|rejected| format!("{} is left out: {}", rejected.id, rejected.reason));
    let advice = advise(&entries, &config.proxy);
    let advice = advice
        .iter()
        .map(|advice| format!("warning: {} {}", advice.id, advice.says));
    let lines = std::iter::once(head).chain(left_out).chain(unusable);
    for line in lines.chain(advice) {
        // Whoever closes the pipe has read enough.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    match (rejected.len(), snapshot.proxy()) {
        (0, Some(_)) if unusable_count == 0 => Ok(()),
        (0, Some(_)) => Err(Failure::Documents(match unusable_count {
            1 => "1 certificate, secret or the like, can't be used".to_owned(),
            count => format!("{count} certificates, secrets or the like can't be used"),
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

/// What is wrong with what upstreams, issuers and counters need.
async fn findings(config: &Config, snapshot: &Snapshot) -> Findings {
    let mut keeper = Keeper::new(&config.store);
    keeper.fetch_all(places(snapshot)).await;
    let means = Means {
        trust: SystemTrust::default(),
        vault: keeper.vault().clone(),
        aws: AwsIdentity::new(Clock::start()),
        fetches: CredentialFetches::default(),
    };
    let mut findings = Findings::default();
    for rule in snapshot.upstreams() {
        findings.look_at(rule, &means);
    }
    for rule in snapshot.issuers() {
        findings.look_at_issuer(rule, &means);
    }
    let counters = snapshot.proxy().and_then(|proxy| proxy.counters.as_deref());
    if let Some(declared) = counters {
        counters::look_at(declared, keeper.vault(), &mut findings);
    }
    findings
}
