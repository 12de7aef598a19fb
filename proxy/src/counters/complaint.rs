//! Complains about a server of counters that fails: at once, then every ten seconds, however often it is tried.

use std::time::Duration;

/// What a dead server has logged: one line in such a time.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was told of a server.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    /// When it was last told that it fails.
    told: Option<Duration>,
    /// Whether that it answers was the last word, or nothing was said since.
    is_known_good: bool,
}

impl Complaint {
    /// Whether a failure is to be told now.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let is_due = (self.told).is_none_or(|told| now.saturating_sub(told) >= INTERVAL);
        if is_due {
            self.told = Some(now);
            self.is_known_good = false;
        }
        is_due
    }

    /// Whether it is to be told that it answers: at first, and where it was told that it does not.
    pub(super) fn is_over(&mut self) -> bool {
        !std::mem::replace(&mut self.is_known_good, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_and_goes_is_told_of_every_ten_seconds() {
        let mut complaint = Complaint::default();
        let seconds = Duration::from_secs;
        assert!(complaint.is_due(seconds(1)));
        assert!(!complaint.is_due(seconds(5)));
        assert!(complaint.is_over());
        assert!(!complaint.is_due(seconds(10)));
        assert!(!complaint.is_over(), "nobody was told that it failed again");
        assert!(complaint.is_due(seconds(11)));
        assert!(complaint.is_over());
    }

    #[test]
    fn that_it_answers_is_told_once() {
        let mut complaint = Complaint::default();
        assert!(complaint.is_over());
        assert!(!complaint.is_over());
        assert!(complaint.is_due(Duration::from_secs(1)));
    }
}
