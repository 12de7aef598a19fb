//! What is remembered of tokens from one request to the next: beside the snapshot, like what quotas count.
//!
//! A token that was verified once is not verified anew while its issuer's keys are the same, as that costs more than all
//! the rest of a decision. What it says is judged with every request all the same. And a proof of possession counts once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::{HashMap, HashSet};
use serde_json::{Map, Value};

use super::jws::Head;

const SHARDS: usize = 16;
/// The most that verified tokens take, in bytes: as they are sent, times [`WEIGHT_FACTOR`].
const VERIFIED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What is read of a token takes more than its text.
const WEIGHT_FACTOR: usize = 4;
const WEIGHT_MIN: usize = 512;
/// The most proofs that are remembered of one [`PROOF_SECONDS`].
pub const PROOFS_MAX: usize = 512 * 1024;
/// How long a proof is remembered at least, in seconds: longer than it may count.
pub(super) const PROOF_SECONDS: i64 = 150;

/// SHA-256 of a token, which is all that is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

/// What is remembered of tokens, within bounds: at most 32 MiB of verified ones, and [`PROOFS_MAX`] proofs of
/// possession of each of the last two times 150 s.
#[derive(Debug, Default)]
pub struct TokenMemory {
    verified: [Mutex<Generations>; SHARDS],
    proofs: [Mutex<Proofs>; SHARDS],
}

/// A token whose signature was good.
#[derive(Debug)]
pub(super) struct Verified {
    /// Of which set of keys it was one.
    pub(super) keys: TokenDigest,
    pub(super) head: Head,
    pub(super) claims: Arc<Map<String, Value>>,
}

/// The younger half is full before the older is forgotten: what is asked for again is young again.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<TokenDigest, (Arc<Verified>, usize)>,
    old: HashMap<TokenDigest, (Arc<Verified>, usize)>,
    young_bytes: usize,
}

#[derive(Debug, Default)]
struct Proofs {
    young: HashSet<u128>,
    old: HashSet<u128>,
    /// When the younger ones began, in seconds since 1970.
    began: i64,
}

/// What becomes of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Once {
    First,
    Again,
    /// As many are remembered as can be: nobody knows.
    Full,
}

impl TokenDigest {
    /// Of a token, or of whatever else is told apart by it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = [0; 32];
        // Both have 32 bytes.
        for (to, from) in sum.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
            *to = *from;
        }
        Self(sum)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Enough of it to tell any two apart that are made without looking for it.
    fn short(&self) -> u128 {
        let start = self.0.first_chunk().copied();
        u128::from_le_bytes(start.unwrap_or_default())
    }
}

impl TokenMemory {
    /// The token, if it was verified by those keys.
    pub(super) fn verified(&self, token: &TokenDigest) -> Option<Arc<Verified>> {
        lock(shard(&self.verified, token)?).find(token)
    }

    /// Remembers a token of `length` bytes.
    pub(super) fn remember(&self, token: TokenDigest, verified: Arc<Verified>, length: usize) {
        let weight = length.saturating_mul(WEIGHT_FACTOR) + WEIGHT_MIN;
        if let Some(shard) = shard(&self.verified, &token) {
            lock(shard).insert(token, verified, weight);
        }
    }

    /// Takes a proof, which counts once, at `now` in seconds since 1970.
    pub(super) fn take_proof(&self, proof: &TokenDigest, now: i64) -> Once {
        let Some(shard) = shard(&self.proofs, proof) else {
            return Once::Full;
        };
        lock(shard).take(proof.short(), now, PROOFS_MAX / SHARDS)
    }
}

impl Generations {
    fn find(&mut self, token: &TokenDigest) -> Option<Arc<Verified>> {
        if let Some((verified, _)) = self.young.get(token) {
            return Some(Arc::clone(verified));
        }
        let (verified, weight) = self.old.remove(token)?;
        self.insert(*token, Arc::clone(&verified), weight);
        Some(verified)
    }

    fn insert(&mut self, token: TokenDigest, verified: Arc<Verified>, weight: usize) {
        if self.young_bytes + weight > VERIFIED_BYTES_MAX / SHARDS / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let before = self.young.insert(token, (verified, weight));
        self.young_bytes += weight;
        self.young_bytes -= before.map_or(0, |(_, weight)| weight);
    }
}

impl Proofs {
    fn take(&mut self, proof: u128, now: i64, most: usize) -> Once {
        let age = now.saturating_sub(self.began);
        if age >= PROOF_SECONDS {
            // What is older than two of these times can't count any more.
            let young = std::mem::take(&mut self.young);
            self.old = if age < 2 * PROOF_SECONDS {
                young
            } else {
                HashSet::new()
            };
            self.began = now;
        }
        if self.young.contains(&proof) || self.old.contains(&proof) {
            return Once::Again;
        }
        if self.young.len() >= most {
            return Once::Full;
        }
        self.young.insert(proof);
        Once::First
    }
}

fn shard<'s, T>(shards: &'s [Mutex<T>; SHARDS], digest: &TokenDigest) -> Option<&'s Mutex<T>> {
    let last = digest.0.last().copied().unwrap_or_default();
    shards.get(usize::from(last) % SHARDS)
}

/// A panic elsewhere leaves what is remembered as good as it was.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tollgate_store::document::SignatureAlgorithm;

    use super::*;

    fn verified() -> Arc<Verified> {
        Arc::new(Verified {
            keys: TokenDigest::of(b"keys"),
            head: Head {
                algorithm: SignatureAlgorithm::EdDsa,
                key_id: None,
                kind: None,
            },
            claims: Arc::default(),
        })
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_asked_for_is_kept() {
        let memory = TokenMemory::default();
        let digest = |number: usize| TokenDigest::of(&number.to_le_bytes());
        let length = 8 * 1024;
        memory.remember(digest(0), verified(), length);
        for number in 1..10_000 {
            memory.remember(digest(number), verified(), length);
            assert!(memory.verified(&digest(0)).is_some(), "{number}");
        }

        let bytes: usize = memory
            .verified
            .iter()
            .map(|shard| {
                let shard = lock(shard);
                let entries = shard.young.values().chain(shard.old.values());
                entries.map(|(_, weight)| weight).sum::<usize>()
            })
            .sum();
        assert!(bytes <= VERIFIED_BYTES_MAX, "{bytes}");
        assert!(memory.verified(&digest(1)).is_none());
    }

    #[test]
    fn a_proof_counts_once_for_longer_than_it_is_good() {
        let memory = TokenMemory::default();
        let proof = TokenDigest::of(b"proof");

        assert_eq!(memory.take_proof(&proof, 1_000), Once::First);
        for later in [0, 1, 149, 150, 299] {
            assert_eq!(
                memory.take_proof(&proof, 1_000 + later),
                Once::Again,
                "{later}"
            );
        }
        assert_eq!(memory.take_proof(&proof, 1_500), Once::First);
    }

    #[test]
    fn proofs_beyond_the_bound_are_refused_rather_than_forgotten() {
        let mut proofs = Proofs::default();
        for proof in 0..3 {
            assert_eq!(proofs.take(proof, 1_000, 3), Once::First);
        }

        assert_eq!(proofs.take(3, 1_000, 3), Once::Full);
        assert_eq!(proofs.take(0, 1_000, 3), Once::Again);
        assert_eq!(proofs.take(3, 1_000 + PROOF_SECONDS, 3), Once::First);
    }
}
