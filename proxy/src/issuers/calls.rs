//! How often an issuer may be asked: no more than declared, and not while it fails.

use std::time::Duration;

use crate::refusal::IntrospectionFault;

/// After so many failures in a row an issuer is left alone for a while, and then asked once.
const FAILURES_MAX: u32 = 5;
const CIRCUIT_OPEN: Duration = Duration::from_secs(5);

/// How often the issuer was asked, and with what success. Times are since the clock's start.
#[derive(Debug, Default)]
pub(super) struct Calls {
    second: u64,
    made: u32,
    failures: u32,
    open_until: Duration,
}

impl Calls {
    /// Whether the issuer may be asked now, as one of at most `most` calls a second.
    pub(super) fn admit(&mut self, now: Duration, most: u32) -> Result<(), IntrospectionFault> {
        if now < self.open_until {
            return Err(IntrospectionFault::CircuitOpen);
        }
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            self.made = 0;
        }
        if self.made >= most {
            return Err(IntrospectionFault::Budget);
        }
        if self.failures >= FAILURES_MAX {
            // One tries; the others wait for what becomes of it.
            self.open_until = now + CIRCUIT_OPEN;
        }
        self.made += 1;
        Ok(())
    }

    pub(super) fn note(&mut self, is_good: bool, now: Duration) {
        if is_good {
            self.failures = 0;
            self.open_until = Duration::ZERO;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.open_until = now + CIRCUIT_OPEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_issuer_is_asked_no_more_often_than_declared() {
        let mut calls = Calls::default();
        for _ in 0..3 {
            assert_eq!(calls.admit(at(7), 3), Ok(()));
        }

        assert_eq!(calls.admit(at(7), 3), Err(IntrospectionFault::Budget));
        assert_eq!(calls.admit(at(8), 3), Ok(()));
    }

    #[test]
    fn an_issuer_that_fails_is_left_alone_and_then_asked_once() {
        let mut calls = Calls::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(calls.admit(at(1), 100), Ok(()));
            calls.note(false, at(1));
        }

        let open = Err(IntrospectionFault::CircuitOpen);
        assert_eq!(calls.admit(at(5), 100), open);
        assert_eq!(calls.admit(at(6), 100), Ok(()), "one tries");
        assert_eq!(calls.admit(at(6), 100), open);
        calls.note(true, at(7));
        assert_eq!(calls.admit(at(7), 100), Ok(()));
    }
}
