//! Complains about a store that fails: at once, then each minute, and tells when it is over.

use std::time::Duration;

const INTERVAL: Duration = Duration::from_mins(1);

/// What was complained about last.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    since: Duration,
    told: Duration,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Fails { since: Duration },
    AnswersAgain { after: Duration },
}

impl Complaint {
    /// Takes a poll's result: `None` where it was good.
    pub(super) fn report(&mut self, problem: Option<&str>, now: Duration) {
        match self.word(problem.is_some(), now) {
            Word::Nothing => {}
            Word::Fails { since } => {
                let problem = problem.unwrap_or_default();
                tracing::warn!(
                    failing_s = since.as_secs(),
                    problem,
                    "a poll of the store failed"
                );
            }
            Word::AnswersAgain { after } => {
                tracing::info!(failed_s = after.as_secs(), "the store answers again");
            }
        }
    }

    fn word(&mut self, is_failing: bool, now: Duration) -> Word {
        match &mut self.failing {
            None if is_failing => {
                self.failing = Some(Failing {
                    since: now,
                    told: now,
                });
                Word::Fails {
                    since: Duration::ZERO,
                }
            }
            Some(failing) if is_failing && now.saturating_sub(failing.told) >= INTERVAL => {
                failing.told = now;
                Word::Fails {
                    since: now.saturating_sub(failing.since),
                }
            }
            Some(failing) if !is_failing => {
                let after = now.saturating_sub(failing.since);
                self.failing = None;
                Word::AnswersAgain { after }
            }
            _ => Word::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_store_is_told_at_once_then_each_minute_and_at_its_end() {
        let mut complaint = Complaint::default();
        let seconds = Duration::from_secs;

        assert_eq!(complaint.word(false, seconds(0)), Word::Nothing);
        let since = Duration::ZERO;
        assert_eq!(complaint.word(true, seconds(5)), Word::Fails { since });
        assert_eq!(complaint.word(true, seconds(64)), Word::Nothing);
        let since = seconds(60);
        assert_eq!(complaint.word(true, seconds(65)), Word::Fails { since });
        let after = seconds(65);
        assert_eq!(
            complaint.word(false, seconds(70)),
            Word::AnswersAgain { after }
        );
        assert_eq!(complaint.word(false, seconds(75)), Word::Nothing);
    }
}
