//! What issuers said of tokens, known by a token's SHA-256 alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tollgate_gate::{Introspection, TokenDigest};

/// The most answers of one kind that are kept of each of two ages: the older go when the younger are so many.
const ANSWERS_MAX: usize = 16 * 1024;

/// What an issuer said of one token. Times are since the clock's start.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) answer: Arc<Introspection>,
    /// Until when it counts.
    pub(super) until: Duration,
    /// From when on it is asked for again ahead of its end; `None`: it is not.
    pub(super) renewed_from: Option<Duration>,
}

/// What an issuer said. Those that it called good have a table of their own, from which made-up tokens drive out none.
#[derive(Debug, Default)]
pub(super) struct Answers {
    active: Ages,
    inactive: Ages,
}

#[derive(Debug, Default)]
struct Ages {
    young: HashMap<TokenDigest, Known>,
    old: HashMap<TokenDigest, Known>,
}

impl Answers {
    /// What was said of a token, as long as that counts.
    pub(super) fn get(&self, token: &TokenDigest, now: Duration) -> Option<&Known> {
        let known = self.active.get(token);
        let known = known.or_else(|| self.inactive.get(token))?;
        (now < known.until).then_some(known)
    }

    /// Whether a token was good when the issuer was last asked about it, also where that does not count any more.
    pub(super) fn was_active(&self, token: &TokenDigest) -> bool {
        self.active.get(token).is_some()
    }

    pub(super) fn learn(&mut self, token: TokenDigest, known: Known) {
        let (own, other) = if known.answer.is_active() {
            (&mut self.active, &mut self.inactive)
        } else {
            (&mut self.inactive, &mut self.active)
        };
        other.forget(&token);
        own.learn(token, known);
    }
}

impl Ages {
    fn get(&self, token: &TokenDigest) -> Option<&Known> {
        self.young.get(token).or_else(|| self.old.get(token))
    }

    fn forget(&mut self, token: &TokenDigest) {
        self.young.remove(token);
        self.old.remove(token);
    }

    fn learn(&mut self, token: TokenDigest, known: Known) {
        if self.young.len() >= ANSWERS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&token);
        self.young.insert(token, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn digest(number: usize) -> TokenDigest {
        TokenDigest::of(&number.to_le_bytes())
    }

    fn known(text: &str) -> Known {
        Known {
            answer: Arc::new(Introspection::parse(text.as_bytes()).unwrap()),
            until: at(5),
            renewed_from: None,
        }
    }

    #[test]
    fn answers_are_bounded_and_end_and_bad_ones_drive_out_no_good_one() {
        let mut answers = Answers::default();
        let (good, last) = (digest(usize::MAX), digest(3 * ANSWERS_MAX - 1));
        answers.learn(good, known(r#"{"active": true}"#));
        let bad = known(r#"{"active": false}"#);
        for number in 0..3 * ANSWERS_MAX {
            answers.learn(digest(number), bad.clone());
        }

        let kept = &answers.inactive;
        assert!(kept.young.len() + kept.old.len() <= 2 * ANSWERS_MAX);
        assert!(answers.get(&last, at(4)).is_some());
        assert!(answers.get(&last, at(5)).is_none());
        assert!(answers.get(&good, at(4)).is_some());
        assert!(answers.was_active(&good) && !answers.was_active(&last));
    }

    #[test]
    fn a_token_that_was_good_is_not_once_its_issuer_says_so() {
        let mut answers = Answers::default();
        answers.learn(digest(1), known(r#"{"active": true}"#));
        answers.learn(digest(1), known(r#"{"active": false}"#));

        assert!(!answers.was_active(&digest(1)));
        let kept = answers.get(&digest(1), at(1)).unwrap();
        assert!(!kept.answer.is_active());
    }
}
