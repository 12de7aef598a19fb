//! The keys that issuers publish: fetched in the background, kept in memory, and never waited for by a request that
//! could do without.

mod answers;
mod calls;
mod fetch;
mod introspect;
mod once;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rand::RngExt;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tollgate_gate::{Introspection, IssuerKeys, IssuerRule, JsonWebKeys, Snapshot, TokenDigest};
use tollgate_store::{Authorities, Name, ServiceUrl};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::refusal::IntrospectionFault;
use crate::upstream::{Findings, Means, Security};
use fetch::FetchFault;
use introspect::Asker;
pub(crate) use once::{answer_of, keys_of};

/// For how long keys are current where nothing is said, and the least and the most that may be said.
const LIFETIME: Duration = Duration::from_hours(1);
const LIFETIME_MIN: Duration = Duration::from_mins(5);
const LIFETIME_MAX: Duration = Duration::from_hours(1);
/// For how long the last keys count while no newer ones can be had.
const STALE_MAX: Duration = Duration::from_hours(24);
/// Keys are fetched again after this part of their lifetime, less a tenth of it by chance, so that a fleet spreads.
const AHEAD: f64 = 0.8;
/// How long to wait after a fetch that failed, at first and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Tokens that name an unknown key bring about at most one fetch in this time.
const DEMAND_INTERVAL: Duration = Duration::from_secs(30);
/// Two documents of metadata and the keys.
const WAIT_MAX: Duration = fetch::FETCH_MAX.saturating_mul(3);

/// The keys of every issuer that publishes them.
#[derive(Debug)]
pub struct Issuers {
    clock: Clock,
    metrics: Arc<Metrics>,
    known: ArcSwap<HashMap<Name, Arc<Kept>>>,
}

/// An issuer and what looks after it, which ends with it.
#[derive(Debug)]
struct Kept {
    issuer: Arc<Issuer>,
    /// What fetches its keys; `None`: they are not wanted.
    keeper: Option<AbortOnDropHandle<()>>,
    /// What asks it about tokens.
    asker: Option<Arc<Asker>>,
}

/// One issuer, and its keys.
#[derive(Debug)]
struct Issuer {
    name: Name,
    url: ServiceUrl,
    jwks_url: Option<ServiceUrl>,
    ca: Option<Authorities>,
    security: Arc<Security>,
    fetched: ArcSwapOption<Fetched>,
    demand: Mutex<Demand>,
    wanted: Notify,
    /// Counts the fetches that ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<JsonWebKeys>,
    at: Duration,
}

/// Who waits for what.
#[derive(Debug, Default)]
struct Demand {
    /// A fetch is under way, or about to be.
    is_fetching: bool,
    /// When one was last asked for.
    asked: Option<Duration>,
}

impl Issuers {
    /// None yet.
    #[must_use]
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            metrics,
            known: ArcSwap::default(),
        }
    }

    /// Takes the issuers of a snapshot. Those that are new are fetched from at once and ever after; those that did not
    /// change keep their keys, and those that are gone are forgotten. Call it within a runtime.
    pub fn follow(&self, snapshot: &Snapshot, means: &Means) {
        let before = self.known.load();
        let is_spoken_to =
            |rule: &&IssuerRule| rule.is_remote() || rule.issuer.introspection.is_some();
        let remote = snapshot.issuers().filter(is_spoken_to);
        let issuer = |rule: &IssuerRule| {
            let kept = before.get(&rule.name).filter(|kept| kept.is(rule));
            let kept = kept.map_or_else(|| self.start(rule, means), Arc::clone);
            (rule.name.clone(), kept)
        };
        let known: HashMap<_, _> = remote.map(issuer).collect();
        self.known.store(Arc::new(known));
    }

    /// Waits for a newer set of an issuer's keys, where one is being fetched or may be: whoever asks for it first
    /// brings it about, and the others wait for the same.
    pub async fn refresh(&self, issuer: &Name) {
        let Some(kept) = self.known.load().get(issuer).cloned() else {
            return;
        };
        let issuer = &kept.issuer;
        let mut ended = issuer.ended.subscribe();
        if issuer.ask(self.clock.monotonic()) {
            // Who is not answered in time goes on with what there is.
            let _ = tokio::time::timeout(WAIT_MAX, ended.changed()).await;
        }
    }

    /// Asks an issuer about a token that a client at that address sent, or waits for the answer that somebody else waits
    /// for.
    pub(crate) async fn ask(
        &self,
        issuer: &Name,
        token: &str,
        client: Option<IpAddr>,
    ) -> Result<(), IntrospectionFault> {
        let asker = self.asker(issuer).ok_or(IntrospectionFault::Failed)?;
        asker.ask(token, client).await
    }

    /// The same, and nobody waits for it.
    pub(crate) fn ask_beside(&self, issuer: &Name, token: &str, client: Option<IpAddr>) {
        if let Some(asker) = self.asker(issuer) {
            // Who has no answer asks again.
            let _ = asker.begin(token, client);
        }
    }

    /// Asks an issuer again about a token that it called good, if what it said ends soon. Nobody waits for it.
    pub(crate) fn renew(&self, issuer: &Name, token: &str) {
        if let Some(asker) = self.asker(issuer) {
            asker.renew(token);
        }
    }

    fn asker(&self, issuer: &Name) -> Option<Arc<Asker>> {
        self.known.load().get(issuer)?.asker.clone()
    }

    /// Shows how old keys are.
    pub fn show(&self) {
        let now = self.clock.monotonic();
        let known = self.known.load();
        let fetched = known.values().filter(|kept| kept.keeper.is_some());
        let ages = fetched.map(|kept| {
            let issuer = &kept.issuer;
            let fetched = issuer.fetched.load();
            let age = fetched
                .as_ref()
                .map(|fetched| now.saturating_sub(fetched.at));
            (&issuer.name, age)
        });
        self.metrics.issuers.show(ages);
    }

    /// Reads what it takes to speak to issuers again where that changed, and tells what is wrong with it. What is mended
    /// is used at once. Call it within a runtime.
    pub async fn findings(&self) -> Findings {
        let known = self.known.load_full();
        let look = move || {
            let mut findings = Findings::default();
            known.values().for_each(|kept| kept.look(&mut findings));
            findings
        };
        // It takes as long as the file system does.
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_default()
    }

    fn start(&self, rule: &IssuerRule, means: &Means) -> Arc<Kept> {
        let material = (&means.trust, &means.vault);
        let security = Security::of_authorities(rule.issuer.ca.as_ref(), material);
        let security = Arc::new(security);
        let issuer = Arc::new(Issuer {
            name: rule.name.clone(),
            url: rule.issuer.url.clone(),
            jwks_url: rule.issuer.jwks_url.clone(),
            ca: rule.issuer.ca.clone(),
            security: Arc::clone(&security),
            fetched: ArcSwapOption::empty(),
            // The first is about to be.
            demand: Mutex::new(Demand {
                is_fetching: true,
                asked: None,
            }),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        });
        let keeper = rule.is_remote().then(|| {
            let keeper = keep(Arc::clone(&issuer), self.clock, Arc::clone(&self.metrics));
            AbortOnDropHandle::new(tokio::spawn(keeper))
        });
        let asker = rule.issuer.introspection.as_deref().map(|declared| {
            let facts = (self.clock, Arc::clone(&self.metrics));
            let reading = (security, &means.vault);
            Arc::new(Asker::new(&rule.name, declared, reading, facts))
        });
        Arc::new(Kept {
            issuer,
            keeper,
            asker,
        })
    }
}

impl IssuerKeys for Issuers {
    fn keys(&self, issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        let known = self.known.load();
        let fetched = known.get(issuer)?.issuer.fetched.load();
        let fetched = fetched.as_ref()?;
        let now = self.clock.monotonic();
        fetched.counts(now).then(|| Arc::clone(&fetched.keys))
    }

    fn introspection(&self, issuer: &Name, token: &TokenDigest) -> Option<Arc<Introspection>> {
        let known = self.known.load();
        known.get(issuer)?.asker.as_ref()?.known(token)
    }
}

impl Kept {
    fn look(&self, findings: &mut Findings) {
        let issuer = &self.issuer;
        if issuer.security.refresh() {
            issuer.wanted.notify_one();
        }
        issuer.security.report(findings);
        if let Some(asker) = &self.asker {
            asker.look(findings);
        }
    }

    /// Whether it is what `rule` says, as far as what is asked of the issuer is concerned.
    fn is(&self, rule: &IssuerRule) -> bool {
        let asked = self.asker.as_ref().map(|asker| asker.declared());
        self.issuer.is(rule)
            && self.keeper.is_some() == rule.is_remote()
            && asked == rule.issuer.introspection.as_deref()
    }
}

impl Fetched {
    /// Whether the keys count.
    fn counts(&self, now: Duration) -> bool {
        now.saturating_sub(self.at) <= STALE_MAX
    }
}

impl Issuer {
    /// Whether it is what `rule` says, as far as its keys are concerned.
    fn is(&self, rule: &IssuerRule) -> bool {
        let declared = &rule.issuer;
        self.url == declared.url && self.jwks_url == declared.jwks_url && self.ca == declared.ca
    }

    /// Asks for a fetch; whether there is one to wait for.
    fn ask(&self, now: Duration) -> bool {
        let mut demand = self.demand();
        if demand.is_fetching {
            return true;
        }
        let is_too_soon = |asked: Duration| now.saturating_sub(asked) < DEMAND_INTERVAL;
        if demand.asked.is_some_and(is_too_soon) {
            return false;
        }
        demand.asked = Some(now);
        demand.is_fetching = true;
        self.wanted.notify_one();
        true
    }

    fn demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the keys; for how long they are current.
    async fn fetch(&self, clock: Clock) -> Result<Duration, FetchFault> {
        let tls = fetch::trusted(&self.security).await;
        let tls = tls.map_err(FetchFault::Trust)?;
        let (keys, lifetime) = fetch::keys(&self.url, self.jwks_url.as_ref(), &tls).await?;
        let fetched = Fetched {
            keys: Arc::new(keys),
            at: clock.monotonic(),
        };
        self.fetched.store(Some(Arc::new(fetched)));
        Ok(lifetime.unwrap_or(LIFETIME))
    }
}

/// Fetches an issuer's keys again and again, at once for the first time.
async fn keep(issuer: Arc<Issuer>, clock: Clock, metrics: Arc<Metrics>) {
    let mut retry = RETRY_MIN;
    let mut is_failing = false;
    loop {
        issuer.demand().is_fetching = true;
        let outcome = issuer.fetch(clock).await;
        issuer.demand().is_fetching = false;
        issuer.ended.send_modify(|count| *count += 1);
        metrics.issuers.fetch(&issuer.name, outcome.is_ok());
        let name = issuer.name.as_str();
        let pause = match outcome {
            Ok(lifetime) => {
                if is_failing {
                    tracing::info!(issuer = name, "the keys of an issuer can be fetched again");
                }
                retry = RETRY_MIN;
                is_failing = false;
                ahead_of(lifetime, rand::rng().random())
            }
            Err(fault) => {
                let is_served = issuer.fetched.load().is_some();
                tracing::warn!(issuer = name, %fault, is_served, "the keys of an issuer can't be fetched: the last \
                    ones count for 24 hours, if there are any");
                is_failing = true;
                let pause = retry;
                retry = (retry * 2).min(RETRY_MAX);
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = issuer.wanted.notified() => {}
        }
    }
}

/// After how long keys are fetched again that are current for `lifetime`, by a chance from 0 to 1.
fn ahead_of(lifetime: Duration, chance: f64) -> Duration {
    let lifetime = lifetime.clamp(LIFETIME_MIN, LIFETIME_MAX);
    lifetime.mul_f64(AHEAD * (1.0 - 0.1 * chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Vault;
    use crate::upstream::SystemTrust;

    #[test]
    fn keys_count_for_a_day_after_they_were_fetched_and_no_longer() {
        let set = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let fetched = Fetched {
            keys: Arc::new(JsonWebKeys::parse(set.as_bytes()).unwrap()),
            at: Duration::from_mins(1),
        };
        let end = fetched.at + Duration::from_hours(24);

        assert!(fetched.counts(end));
        assert!(!fetched.counts(end + Duration::from_millis(1)));
    }

    #[test]
    fn keys_are_fetched_ahead_of_their_end_and_within_the_hour() {
        let seconds =
            |lifetime: u64, chance| ahead_of(Duration::from_secs(lifetime), chance).as_secs();

        assert_eq!(seconds(600, 0.0), 480);
        assert_eq!(seconds(600, 1.0), 432);
        assert_eq!(seconds(0, 0.0), 240);
        assert_eq!(seconds(u64::MAX, 0.0), 2_880);
    }

    #[test]
    fn ten_thousand_unknown_keys_bring_about_one_fetch_in_half_a_minute() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let trust = (&SystemTrust::default(), &Vault::default());
        let issuer = Issuer {
            name: Name::parse("login").unwrap(),
            url: ServiceUrl::parse("https://login.test/").unwrap(),
            jwks_url: None,
            ca: None,
            security: Arc::new(Security::of_authorities(None, trust)),
            fetched: ArcSwapOption::empty(),
            demand: Mutex::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        };
        let mut fetches = Vec::new();
        for number in 0..10_000 {
            let now = Duration::from_millis(1_000 + number * 3);
            if issuer.ask(now) {
                fetches.push(now);
            }
            // It ends before the next token comes.
            issuer.demand().is_fetching = false;
        }
        assert_eq!(fetches, [Duration::from_secs(1)]);

        assert!(!issuer.ask(Duration::from_millis(30_999)));
        assert!(issuer.ask(Duration::from_secs(31)), "another half minute");
        assert!(issuer.ask(Duration::from_secs(31)), "and all wait for it");
    }
}
