//! How the proxy is, for operators and load balancers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tollgate_gate::Rejected;
use tollgate_store::{ListenPlace, Name};

/// How the proxy is.
#[derive(Debug)]
pub struct Status {
    proxy: Name,
    snapshot_age_max: Duration,
    standing: Mutex<Standing>,
}

/// How things stand.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Which snapshot is served, counted from 1; 0: none.
    pub generation: u64,
    /// Since when it is.
    pub since: Option<jiff::Timestamp>,
    /// When the store last answered.
    pub answered: Option<Duration>,
    /// What it last failed with, unless it answered since.
    pub store_problem: Option<String>,
    /// Whether the snapshot knows this proxy.
    pub is_known: bool,
    /// Its documents, by kind.
    pub kinds: BTreeMap<String, usize>,
    /// The documents that it leaves out.
    pub rejected: Vec<Rejected>,
    /// How many addresses are listened on.
    pub listeners: usize,
    /// Those that can't be.
    pub unbound: BTreeMap<ListenPlace, String>,
    /// Whether the process was listening wherever it should, at least once.
    pub has_listened: bool,
    /// What it takes beside documents.
    pub equipment: Equipment,
    /// Whether the process is about to end.
    pub is_draining: bool,
}

/// Certificates, secrets and the like that documents name.
#[derive(Debug, Clone, Default)]
pub struct Equipment {
    /// Those that can't be used; something older may be served in their stead.
    pub unusable: BTreeMap<String, String>,
    /// Whether all of them could be used, at least once.
    pub was_whole: bool,
}

impl Status {
    /// The status of a process that has only just begun.
    #[must_use]
    pub fn new(proxy: Name, snapshot_age_max: Duration) -> Self {
        Self {
            proxy,
            snapshot_age_max,
            standing: Mutex::default(),
        }
    }

    /// How things stand. Not to be held for long.
    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no traffic should come here; empty: it should.
    #[must_use]
    pub fn faults(&self, now: Duration) -> Vec<String> {
        let standing = self.standing();
        let mut faults = Vec::new();
        if standing.is_draining {
            faults.push("the proxy is shutting down".to_owned());
        }
        match standing.answered {
            None => faults.push(waiting(&standing)),
            Some(answered) => {
                let age = now.saturating_sub(answered);
                if age > self.snapshot_age_max {
                    faults.push(self.too_old(age, &standing));
                }
                if !standing.is_known {
                    faults.push(self.unknown(&standing));
                }
            }
        }
        // A new proxy must not take the place of one that listens everywhere; one that did must not go for an address
        // that was added.
        if standing.listeners == 0 || !standing.has_listened {
            let unbound = standing.unbound.iter();
            faults.extend(unbound.map(|(address, error)| unbound_text(address, error)));
        }
        if standing.is_known && !standing.equipment.was_whole {
            faults.extend(unequipped(&standing.equipment));
        }
        faults
    }

    fn too_old(&self, age: Duration, standing: &Standing) -> String {
        let problem = standing.store_problem.as_deref().unwrap_or("no reason");
        format!(
            "the store last answered {} s ago, which is more than the {} s allowed: {problem}",
            age.as_secs(),
            self.snapshot_age_max.as_secs()
        )
    }

    fn unknown(&self, standing: &Standing) -> String {
        let rejected = standing.rejected.iter().find(|rejected| {
            rejected.id.kind == "proxy" && rejected.id.name == self.proxy.as_str()
        });
        match rejected {
            Some(Rejected { id, reason }) => format!("{id} is broken: {reason}"),
            None => format!(
                "there is no proxy {:?} in the namespace: apply a tollgate_proxy of that name, or set TOLLGATE_PROXY",
                self.proxy.as_str()
            ),
        }
    }
}

/// What a new proxy must not take the place of one for that has it.
fn unequipped(equipment: &Equipment) -> Vec<String> {
    if equipment.unusable.is_empty() {
        return vec!["certificates and secrets were not looked at yet".to_owned()];
    }
    let unusable = equipment.unusable.iter();
    unusable
        .map(|(place, reason)| format!("{place} can't be used: {reason}"))
        .collect()
}

/// Why an address is not listened on.
#[must_use]
pub fn unbound_text(address: &ListenPlace, error: impl std::fmt::Display) -> String {
    format!("{address} can't be listened on: {error}")
}

fn waiting(standing: &Standing) -> String {
    let problem = standing.store_problem.clone();
    problem.unwrap_or_else(|| "the store did not answer yet".to_owned())
}

#[cfg(test)]
mod tests {
    use tollgate_store::document::DocumentId;

    use super::*;

    const AGE_MAX: Duration = Duration::from_mins(1);

    fn ready() -> Status {
        let status = Status::new(Name::parse("edge").unwrap(), AGE_MAX);
        *status.standing() = Standing {
            answered: Some(Duration::ZERO),
            is_known: true,
            listeners: 1,
            equipment: Equipment {
                was_whole: true,
                ..Equipment::default()
            },
            ..Standing::default()
        };
        status
    }

    #[test]
    fn a_proxy_that_serves_is_ready() {
        assert!(ready().faults(AGE_MAX).is_empty());
    }

    #[test]
    fn a_snapshot_beyond_its_age_is_a_fault() {
        let status = ready();
        status.standing().store_problem = Some("no network".to_owned());

        assert_eq!(
            status.faults(AGE_MAX + Duration::from_secs(1)),
            ["the store last answered 61 s ago, which is more than the 60 s allowed: no network"]
        );
    }

    #[test]
    fn a_missing_and_a_broken_proxy_document_are_told_apart() {
        let status = ready();
        status.standing().is_known = false;
        assert!(status.faults(AGE_MAX)[0].starts_with("there is no proxy \"edge\""));

        status.standing().rejected.push(Rejected {
            id: DocumentId {
                kind: "proxy".to_owned(),
                name: "edge".to_owned(),
            },
            reason: "listen: must not be empty".to_owned(),
        });
        assert_eq!(
            status.faults(AGE_MAX),
            ["proxy \"edge\" is broken: listen: must not be empty"]
        );
    }

    #[test]
    fn an_address_that_cant_be_bound_is_a_fault_until_all_were_once() {
        let status = ready();
        let address = ListenPlace::Tcp("127.0.0.1:80".parse().unwrap());
        let unbound = [(address, "in use".to_owned())].into();
        status.standing().unbound = unbound;
        let fault = ["127.0.0.1:80 can't be listened on: in use"];
        assert_eq!(status.faults(AGE_MAX), fault);

        status.standing().has_listened = true;
        assert!(status.faults(AGE_MAX).is_empty());

        status.standing().listeners = 0;
        assert_eq!(status.faults(AGE_MAX), fault);
    }

    #[test]
    fn what_cant_be_used_is_a_fault_until_all_could_be_once() {
        let status = ready();
        status.standing().equipment.was_whole = false;
        assert_eq!(
            status.faults(AGE_MAX),
            ["certificates and secrets were not looked at yet"]
        );
        let materials = [("/ca.pem".to_owned(), "no such file".to_owned())];
        status.standing().equipment.unusable = materials.into();
        assert_eq!(
            status.faults(AGE_MAX),
            ["/ca.pem can't be used: no such file"]
        );

        status.standing().equipment.was_whole = true;
        assert!(status.faults(AGE_MAX).is_empty());
    }
}
