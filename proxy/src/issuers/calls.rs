//! How often an issuer may be asked: no more than declared, and not while it fails. Who sends tokens that nobody knows
//! can use up neither the part that those need which are known, nor that of other clients.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::refusal::IntrospectionFault;

/// After so many failures in a row an issuer is left alone for a while, and then asked once.
const FAILURES_MAX: u32 = 5;
const CIRCUIT_OPEN: Duration = Duration::from_secs(5);
/// Of the calls of a second, one part in so many is kept for tokens that were good when last asked about.
const RESERVED_PART: u32 = 2;
/// Of the calls of a second, one client's unknown tokens get one part in so many, and at least one call.
const CLIENT_PART: u32 = 10;
/// What one client has of IPv6 is mostly a network of so many bits.
const CLIENT_PREFIX_BITS: u32 = 64;

/// What is to be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A token that was good when the issuer was last asked about it.
    Known,
    /// Any other, which the client at that address sent. All whose address is not known are taken for one client: who
    /// hides it gains nothing.
    Unknown(Option<IpAddr>),
}

/// How often the issuer was asked, and with what success. Times are since the clock's start.
#[derive(Debug, Default)]
pub(super) struct Calls {
    second: u64,
    made: u32,
    made_unknown: u32,
    /// The calls for each client's unknown tokens in this second: no more clients than calls.
    clients: HashMap<Option<IpAddr>, u32>,
    failures: u32,
    open_until: Duration,
}

impl Calls {
    /// Whether the issuer may be asked now, as one of at most `most` calls a second.
    pub(super) fn admit(
        &mut self,
        asking: Asking,
        now: Duration,
        most: u32,
    ) -> Result<(), IntrospectionFault> {
        if now < self.open_until {
            return Err(IntrospectionFault::CircuitOpen);
        }
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            self.made = 0;
            self.made_unknown = 0;
            self.clients.clear();
        }
        if self.made >= most || !self.has_room(asking, most) {
            return Err(IntrospectionFault::Budget);
        }
        if self.failures >= FAILURES_MAX {
            // One tries; the others wait for what becomes of it.
            self.open_until = now + CIRCUIT_OPEN;
        }
        self.made += 1;
        if let Asking::Unknown(client) = asking {
            self.made_unknown += 1;
            *self.clients.entry(client.map(network)).or_default() += 1;
        }
        Ok(())
    }

    /// Whether the part of the calls has room that the asking falls to.
    fn has_room(&self, asking: Asking, most: u32) -> bool {
        let Asking::Unknown(client) = asking else {
            return true;
        };
        let made = self.clients.get(&client.map(network));
        self.made_unknown < most - most / RESERVED_PART
            && made.is_none_or(|made| *made < (most / CLIENT_PART).max(1))
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

/// What one client has at least.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - CLIENT_PREFIX_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Result<(), IntrospectionFault> = Err(IntrospectionFault::Budget);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn from(client: &str) -> Asking {
        Asking::Unknown(client.parse().ok())
    }

    #[test]
    fn an_issuer_is_asked_no_more_often_than_declared() {
        let mut calls = Calls::default();
        for _ in 0..3 {
            assert_eq!(calls.admit(Asking::Known, at(7), 3), Ok(()));
        }

        assert_eq!(calls.admit(Asking::Known, at(7), 3), BUDGET);
        assert_eq!(calls.admit(Asking::Known, at(8), 3), Ok(()));
    }

    #[test]
    fn unknown_tokens_of_many_clients_leave_half_the_calls_to_known_ones() {
        let mut calls = Calls::default();
        let mut admitted = 0;
        for number in 0..100 {
            let client = from(&format!("192.0.2.{number}"));
            admitted += u32::from(calls.admit(client, at(1), 50).is_ok());
        }
        assert_eq!(admitted, 25);

        for _ in 0..25 {
            assert_eq!(calls.admit(Asking::Known, at(1), 50), Ok(()));
        }
        assert_eq!(calls.admit(Asking::Known, at(1), 50), BUDGET);
        assert!(calls.clients.len() <= 25);
    }

    #[test]
    fn unknown_tokens_of_one_client_leave_room_for_those_of_others() {
        for (client, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
            ("unknown", "unknown too", "192.0.2.1"),
        ] {
            let mut calls = Calls::default();
            for _ in 0..5 {
                assert_eq!(calls.admit(from(client), at(1), 50), Ok(()));
            }

            assert_eq!(calls.admit(from(client), at(1), 50), BUDGET);
            assert_eq!(calls.admit(from(same), at(1), 50), BUDGET);
            assert_eq!(calls.admit(from(other), at(1), 50), Ok(()));
            assert_eq!(calls.admit(from(client), at(2), 50), Ok(()));
        }
    }

    #[test]
    fn an_issuer_that_fails_is_left_alone_and_then_asked_once() {
        let mut calls = Calls::default();
        let asking = Asking::Unknown(None);
        for _ in 0..FAILURES_MAX {
            assert_eq!(calls.admit(asking, at(1), 100), Ok(()));
            calls.note(false, at(1));
        }

        let open = Err(IntrospectionFault::CircuitOpen);
        assert_eq!(calls.admit(asking, at(5), 100), open);
        assert_eq!(calls.admit(asking, at(6), 100), Ok(()), "one tries");
        assert_eq!(calls.admit(asking, at(6), 100), open);
        calls.note(true, at(7));
        assert_eq!(calls.admit(asking, at(7), 100), Ok(()));
    }
}
