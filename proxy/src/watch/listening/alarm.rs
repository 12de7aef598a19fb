//! Warns of what ends soon, while there is time to replace it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tollgate_store::MaterialReference;

use crate::tls::{End, EndKind};

/// How long before its end a certificate is warned of. Lists of revoked certificates are short-lived: theirs is told
/// when it is there.
const AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// What was warned of, and when.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    told: BTreeMap<MaterialReference, (End, Timestamp)>,
}

impl Alarm {
    /// Warns of what ends soon, or has ended: once a day.
    pub(super) fn sound(&mut self, ends: &BTreeMap<MaterialReference, End>, now: Timestamp) {
        for (place, end) in self.due(ends, now) {
            let (place, what, at) = (place.as_str(), end.kind.as_str(), end.at);
            if end.at <= now && end.kind == EndKind::ClientCertificate {
                tracing::error!(place, what, %at, "it has ended: upstreams refuse the proxy until it is replaced");
            } else if end.at <= now {
                tracing::error!(place, what, %at, "it has ended: clients don't connect until it is replaced");
            } else {
                tracing::warn!(place, what, %at, "it ends soon: replace it");
            }
        }
    }

    fn due(
        &mut self,
        ends: &BTreeMap<MaterialReference, End>,
        now: Timestamp,
    ) -> Vec<(MaterialReference, End)> {
        self.told
            .retain(|place, (end, _)| ends.get(place) == Some(end));
        let mut due = Vec::new();
        for (place, end) in ends {
            let ahead = match end.kind {
                EndKind::Certificate | EndKind::ClientCertificate => AHEAD,
                EndKind::RevocationList => SignedDuration::ZERO,
            };
            let is_soon = end.at.duration_since(now) <= ahead;
            let is_told = |(_, at): &(End, Timestamp)| now.duration_since(*at) < INTERVAL;
            if is_soon && !self.told.get(place).is_some_and(is_told) {
                self.told.insert(place.clone(), (*end, now));
                due.push((place.clone(), *end));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(kind: EndKind, at: &str) -> BTreeMap<MaterialReference, End> {
        let place = MaterialReference::parse("file:/edge.pem").unwrap();
        let at = at.parse().unwrap();
        [(place, End { kind, at })].into()
    }

    fn warnings(ends: &BTreeMap<MaterialReference, End>, times: &[&str]) -> Vec<usize> {
        let mut alarm = Alarm::default();
        let times = times.iter().map(|time| time.parse().unwrap());
        times.map(|now| alarm.due(ends, now).len()).collect()
    }

    #[test]
    fn a_certificate_is_warned_of_from_thirty_days_before_its_end_once_a_day() {
        let ends = ends(EndKind::Certificate, "2027-01-31T00:00:00Z");
        let times = [
            "2026-12-31T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "2027-01-01T23:00:00Z",
            "2027-01-02T00:00:00Z",
            "2027-02-01T00:00:00Z",
        ];

        assert_eq!(warnings(&ends, &times), [0, 1, 0, 1, 1]);
    }

    #[test]
    fn a_list_is_told_of_when_it_has_ended() {
        let ends = ends(EndKind::RevocationList, "2027-01-31T00:00:00Z");
        let times = ["2027-01-30T00:00:00Z", "2027-01-31T00:00:00Z"];

        assert_eq!(warnings(&ends, &times), [0, 1]);
    }

    #[test]
    fn a_new_certificate_that_ends_soon_is_warned_of_at_once() {
        let mut alarm = Alarm::default();
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        for day in ["2027-01-10T00:00:00Z", "2027-01-11T00:00:00Z"] {
            assert_eq!(alarm.due(&ends(EndKind::Certificate, day), now).len(), 1);
        }
    }
}
