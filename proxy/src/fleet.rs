//! How many processes serve the deployment beside this one: each enforces its share of what quotas allow all of them.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tollgate_store::ServerName;
use tollgate_store::document::{self, FLEET_SIZE_MAX};

use crate::Gateway;

/// How often DNS is asked.
const ASK_INTERVAL: Duration = Duration::from_mins(1);
/// How often it is looked at what is declared.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is known of the fleet.
#[derive(Debug, Default)]
pub struct Fleet(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    declared: Option<document::Fleet>,
    /// What DNS last said of the name that is declared.
    answered: Option<u32>,
    /// When it was last asked for that.
    asked: Option<Duration>,
}

impl Fleet {
    /// Takes what is declared, which is nothing new most times; returns how many share what is allowed.
    pub fn declare(&self, declared: Option<&document::Fleet>) -> u32 {
        let mut known = self.known();
        let name = |fleet: Option<&document::Fleet>| fleet.and_then(|fleet| fleet.dns.clone());
        if name(known.declared.as_ref()) != name(declared) {
            known.answered = None;
            known.asked = None;
        }
        known.declared = declared.cloned();
        known.size()
    }

    /// The name that DNS is to be asked for now.
    fn question(&self, now: Duration) -> Option<ServerName> {
        let mut known = self.known();
        let is_due = |asked: Duration| now.saturating_sub(asked) >= ASK_INTERVAL;
        let name = known.declared.as_ref()?.dns.clone()?;
        if !known.asked.is_none_or(is_due) {
            return None;
        }
        known.asked = Some(now);
        Some(name)
    }

    /// Takes an answer; the last one that was good stays where it is none.
    fn answer(&self, name: &ServerName, answer: io::Result<u32>) -> u32 {
        let mut known = self.known();
        let is_asked_for = known
            .declared
            .as_ref()
            .is_some_and(|declared| declared.dns.as_ref() == Some(name));
        match answer {
            Ok(size) if is_asked_for => {
                if known.answered != Some(size) {
                    tracing::info!(%name, size, "the fleet's size, as DNS says it");
                }
                known.answered = Some(size);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(
                %name,
                %error,
                size = known.size(),
                "DNS does not say how large the fleet is: it is taken to be as large as before"
            ),
        }
        known.size()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn size(&self) -> u32 {
        let declared = self.declared.as_ref().and_then(|declared| declared.size);
        // A name may have fewer addresses than the fleet has processes: some service discovery answers eight at most.
        self.answered.max(declared).unwrap_or(1)
    }
}

/// Asks DNS for the fleet's size for ever, where a name is declared.
pub async fn keep_asking(gateway: &Gateway) {
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    loop {
        look.tick().await;
        let now = gateway.ledger.clock.monotonic();
        let Some(name) = gateway.fleet.question(now) else {
            continue;
        };
        let size = gateway.fleet.answer(&name, ask(&name).await);
        gateway.share_among(size);
    }
}

async fn ask(name: &ServerName) -> io::Result<u32> {
    let lookup = tokio::net::lookup_host((name.as_str(), 0));
    let addresses = tokio::time::timeout(ANSWER_MAX, lookup)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    size(addresses.map(|address| address.ip()))
}

/// One process has one address, or one of each kind.
fn size(addresses: impl Iterator<Item = IpAddr>) -> io::Result<u32> {
    let addresses: BTreeSet<_> = addresses.collect();
    let old = addresses.iter().filter(|address| address.is_ipv4()).count();
    let size = old.max(addresses.len() - old);
    if size == 0 {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let size = u32::try_from(size).unwrap_or(FLEET_SIZE_MAX);
    Ok(size.min(FLEET_SIZE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(size: Option<u32>, dns: Option<&str>) -> document::Fleet {
        document::Fleet {
            size,
            dns: dns.map(|name| ServerName::parse(name).unwrap()),
        }
    }

    fn failure() -> io::Result<u32> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn a_number_is_the_size_and_nothing_is_one() {
        let fleet = Fleet::default();

        assert_eq!(fleet.declare(None), 1);
        assert_eq!(fleet.declare(Some(&declared(Some(3), None))), 3);
        assert_eq!(fleet.question(Duration::from_hours(1)), None);
        assert_eq!(fleet.declare(None), 1);
    }

    #[test]
    fn dns_is_asked_each_minute_and_its_last_answer_stays() {
        let fleet = Fleet::default();
        let by_name = declared(Some(4), Some("edge.internal"));
        let name = ServerName::parse("edge.internal").unwrap();
        let second = Duration::from_secs;

        assert_eq!(fleet.declare(Some(&by_name)), 4);
        assert_eq!(fleet.question(second(0)), Some(name.clone()));
        assert_eq!(fleet.question(second(59)), None);
        assert_eq!(fleet.answer(&name, failure()), 4);
        assert_eq!(fleet.question(second(60)), Some(name.clone()));
        assert_eq!(fleet.answer(&name, Ok(7)), 7);
        assert_eq!(fleet.answer(&name, failure()), 7);
        assert_eq!(fleet.declare(Some(&by_name)), 7);
        assert_eq!(fleet.answer(&name, Ok(2)), 4, "no fewer than declared");
    }

    #[test]
    fn another_name_is_asked_for_at_once_and_a_late_answer_is_not_its() {
        let fleet = Fleet::default();
        let old = ServerName::parse("old.internal").unwrap();
        fleet.declare(Some(&declared(None, Some("old.internal"))));
        assert_eq!(fleet.question(Duration::ZERO), Some(old.clone()));

        assert_eq!(
            fleet.declare(Some(&declared(None, Some("new.internal")))),
            1
        );
        assert_eq!(fleet.answer(&old, Ok(9)), 1);
        let asked = fleet.question(Duration::ZERO);
        assert_eq!(asked.unwrap().as_str(), "new.internal");
    }

    #[test]
    fn a_process_may_have_an_address_of_each_kind() {
        let size = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| text.parse().unwrap());
            size(addresses).ok()
        };

        assert_eq!(size(&["10.0.0.1", "10.0.0.2", "10.0.0.1"]), Some(2));
        assert_eq!(size(&["10.0.0.1", "2001:db8::1", "2001:db8::2"]), Some(2));
        assert_eq!(size(&[]), None);
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked() {
        let name = ServerName::parse("localhost").unwrap();

        assert_eq!(ask(&name).await.unwrap(), 1);
    }
}
