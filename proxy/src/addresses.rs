//! How many connections each address has.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// The part of an IPv6 address that tells subscribers apart: each has a /64 at least.
const SUBSCRIBER_BITS: u128 = !(u64::MAX as u128);

type Shard = Mutex<HashMap<IpAddr, usize>>;

/// How many connections each address has: of IPv6, each /64.
#[derive(Debug)]
pub struct Addresses {
    connections_max: usize,
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

/// A connection that is counted until it is dropped.
#[derive(Debug)]
pub struct Visit {
    addresses: Arc<Addresses>,
    subscriber: IpAddr,
}

impl Addresses {
    /// At most so many connections for each.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        Self {
            connections_max,
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Counts a connection; `None` where the address has as many as it may, unless it is `exempt`. That is only asked
    /// for then.
    pub fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        is_exempt: impl FnOnce() -> bool,
    ) -> Option<Visit> {
        let subscriber = subscriber(address);
        let mut shard = self.shard(subscriber);
        let count = shard.entry(subscriber).or_default();
        if *count >= self.connections_max && !is_exempt() {
            return None;
        }
        *count += 1;
        drop(shard);
        Some(Visit {
            addresses: Arc::clone(self),
            subscriber,
        })
    }

    fn shard(&self, subscriber: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let hash = self.hasher.hash_one(subscriber);
        let index = usize::try_from(hash).unwrap_or_default() % SHARDS;
        // There are as many as that, so the first is never taken in another's place.
        let [first, ..] = &self.shards;
        let shard = self.shards.get(index).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut shard = self.addresses.shard(self.subscriber);
        if let Entry::Occupied(mut entry) = shard.entry(self.subscriber) {
            match entry.get() {
                0 | 1 => {
                    entry.remove();
                }
                _ => *entry.get_mut() -= 1,
            }
        }
    }
}

fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(addresses: &Arc<Addresses>, address: &str) -> Option<Visit> {
        addresses.enter(address.parse().unwrap(), || false)
    }

    #[test]
    fn an_address_has_its_own_count_and_gives_back_what_it_leaves() {
        let addresses = Arc::new(Addresses::new(2));
        let first = enter(&addresses, "192.0.2.1");
        let second = enter(&addresses, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(enter(&addresses, "192.0.2.1").is_none());
        assert!(enter(&addresses, "192.0.2.2").is_some());

        drop(first);
        let third = enter(&addresses, "192.0.2.1");
        assert!(third.is_some() && enter(&addresses, "192.0.2.1").is_none());
        drop((second, third));
        let left: usize = addresses
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().len())
            .sum();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let addresses = Arc::new(Addresses::new(1));
        let _visit = enter(&addresses, "2001:db8::1").unwrap();

        assert!(enter(&addresses, "2001:db8::ffff:1").is_none());
        assert!(enter(&addresses, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn who_is_exempt_has_as_many_as_it_wants() {
        let addresses = Arc::new(Addresses::new(1));
        let visits = [(); 3].map(|()| addresses.enter("10.0.0.1".parse().unwrap(), || true));

        assert!(visits.iter().all(Option::is_some));
    }
}
