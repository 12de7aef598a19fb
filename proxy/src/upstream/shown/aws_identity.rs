//! The credentials that the proxy itself has in AWS: found by the usual chain, kept, and found anew ahead of their end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::clock::Clock;

/// The longest that credentials may take to come.
const FIND_MAX: Duration = Duration::from_secs(5);
/// How long the chain is not asked again after it had none.
const FAILURE_HOLD: Duration = Duration::from_secs(2);
/// How long before their end credentials are found anew, as AWS hands out new ones from then on.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How often those are found anew that have no end: who replaces a file is not told.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// How long after one try to find them anew comes the next.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// The credentials, shared by all upstreams.
#[derive(Clone)]
pub struct AwsIdentity(Arc<Shared>);

struct Shared {
    clock: Clock,
    chain: OnceCell<DefaultCredentialsChain>,
    current: ArcSwapOption<Found>,
    /// Held while the chain is asked; when it last had none.
    asking: Mutex<Option<Instant>>,
}

/// Credentials, and when they are to be found anew.
pub(super) struct Found {
    pub(super) credentials: Credentials,
    expiry: Option<Timestamp>,
    renewal: Timestamp,
}

impl AwsIdentity {
    /// Nothing is asked for before somebody needs it.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            chain: OnceCell::new(),
            current: ArcSwapOption::empty(),
            asking: Mutex::default(),
        }))
    }

    /// The credentials at hand, if they are good.
    pub(super) fn ready(&self) -> Option<Arc<Found>> {
        let found = self.0.current.load_full()?;
        let now = self.0.clock.now().wall;
        let is_good = found.expiry.is_none_or(|expiry| now < expiry);
        is_good.then_some(found)
    }

    /// Credentials that are waited for; `None` where the chain has none.
    pub(super) async fn found(&self) -> Option<Arc<Found>> {
        let mut failed = self.0.asking.lock().await;
        if self.ready().is_none() {
            self.find(&mut failed).await;
        }
        self.ready()
    }

    /// Finds those anew that near their end: the ones at hand are used until then.
    pub(super) async fn renew(&self) {
        let now = self.0.clock.now().wall;
        let current = self.0.current.load_full();
        if current.is_some_and(|found| found.renewal <= now)
            && let Ok(mut failed) = self.0.asking.try_lock()
        {
            self.find(&mut failed).await;
        }
    }

    async fn find(&self, failed: &mut Option<Instant>) {
        if failed.is_some_and(|failed| failed.elapsed() < FAILURE_HOLD) {
            return;
        }
        let build = || DefaultCredentialsChain::builder().build();
        let find = async {
            let chain = self.0.chain.get_or_init(build).await;
            chain.provide_credentials().await
        };
        let cause = match tokio::time::timeout(FIND_MAX, find).await {
            Ok(Ok(credentials)) => {
                *failed = None;
                let found = Found::new(credentials, self.0.clock.now().wall);
                self.0.current.store(Some(Arc::new(found)));
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the chain did not end within {} s", FIND_MAX.as_secs()),
        };
        *failed = Some(Instant::now());
        let is_served = self.ready().is_some();
        tracing::warn!(
            cause,
            is_served,
            "no credentials of AWS to sign requests to upstreams with"
        );
    }
}

/// Nothing of the credentials is for a log.
impl fmt::Debug for AwsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AwsIdentity")
    }
}

impl Found {
    fn new(credentials: Credentials, now: Timestamp) -> Self {
        let expiry = credentials.expiry();
        let expiry = expiry.and_then(|expiry| Timestamp::try_from(expiry).ok());
        let soonest = now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
        let renewal = match expiry {
            Some(expiry) => expiry.saturating_sub(AHEAD),
            None => now.saturating_add(INTERVAL),
        };
        Self {
            credentials,
            expiry,
            renewal: renewal.unwrap_or(Timestamp::MAX).max(soonest),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn found(life_s: Option<u64>) -> i64 {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let expiry =
            life_s.map(|life| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + life));
        let credentials = Credentials::new("id", "secret", None, expiry, "test");
        Found::new(credentials, now).renewal.as_second() - now.as_second()
    }

    #[test]
    fn credentials_are_found_anew_ahead_of_their_end_and_not_all_the_time() {
        assert_eq!(found(Some(3_600)), 3_300);
        assert_eq!(found(Some(60)), 10);
        assert_eq!(found(None), 300);
    }
}
