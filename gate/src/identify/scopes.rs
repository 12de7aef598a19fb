//! Scopes as sets of their numbers.

use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;

use super::access::ScopeRule;

const BITS: u32 = u64::BITS;

/// A set of scopes, one bit each: two are compared 64 scopes at a time, and only where both have any.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScopeSet {
    /// How many words there are before the first one that is kept, all of them empty.
    skipped: u32,
    words: SmallVec<[u64; 1]>,
}

impl ScopeSet {
    /// Adds a scope.
    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = (number / BITS, 1 << (number % BITS));
        if self.words.is_empty() {
            self.skipped = word;
        }
        while word < self.skipped {
            self.words.insert(0, 0);
            self.skipped -= 1;
        }
        let index = index(word - self.skipped);
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        if let Some(kept) = self.words.get_mut(index) {
            *kept |= bit;
        }
    }

    /// The lowest number of a scope that is in both.
    pub(crate) fn first_common(&self, other: &Self) -> Option<u32> {
        let start = self.skipped.max(other.skipped);
        let (own, others) = (self.from(start), other.from(start));
        let both = own.iter().zip(others).map(|(own, other)| own & other);
        first_bit(start, both)
    }

    /// The numbers, from the lowest on.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let words = (self.skipped..).zip(self.words.iter().copied());
        words.flat_map(|(place, word)| {
            let bits = (0..BITS).filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| place * BITS + bit)
        })
    }

    fn from(&self, word: u32) -> &[u64] {
        self.words
            .get(index(word - self.skipped)..)
            .unwrap_or_default()
    }
}

fn index(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

fn first_bit(start: u32, words: impl Iterator<Item = u64>) -> Option<u32> {
    let found = (start..).zip(words).find(|(_, word)| *word != 0);
    found.map(|(place, word)| place * BITS + word.trailing_zeros())
}

/// The scopes that somebody holds, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldScopes {
    rules: Box<[Arc<ScopeRule>]>,
    set: ScopeSet,
}

impl HeldScopes {
    /// The same as a set.
    pub(crate) fn set(&self) -> &ScopeSet {
        &self.set
    }

    /// The scope of that number, if it is held.
    pub(crate) fn get(&self, number: u32) -> Option<&ScopeRule> {
        let place = self
            .rules
            .binary_search_by_key(&number, |scope| scope.number);
        self.rules.get(place.ok()?).map(Arc::as_ref)
    }

    /// Those that are in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let is_others = |scope: &&Arc<ScopeRule>| other.get(scope.number).is_some();
        self.rules.iter().filter(is_others).cloned().collect()
    }
}

impl From<Vec<Arc<ScopeRule>>> for HeldScopes {
    /// `rules` are in the order of their numbers.
    fn from(rules: Vec<Arc<ScopeRule>>) -> Self {
        let mut set = ScopeSet::default();
        for rule in &rules {
            set.insert(rule.number);
        }
        Self {
            rules: rules.into(),
            set,
        }
    }
}

impl FromIterator<Arc<ScopeRule>> for HeldScopes {
    fn from_iter<I: IntoIterator<Item = Arc<ScopeRule>>>(rules: I) -> Self {
        rules.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for HeldScopes {
    type Target = [Arc<ScopeRule>];

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: &[u32]) -> ScopeSet {
        let mut set = ScopeSet::default();
        for number in numbers {
            set.insert(*number);
        }
        set
    }

    proptest! {
        #[test]
        fn sets_of_bits_agree_with_sets_of_numbers(
            one in prop::collection::vec(0..1_000_u32, 0..20),
            other in prop::collection::vec(0..1_000_u32, 0..20),
        ) {
            let (ones, others) = (BTreeSet::from_iter(&one), BTreeSet::from_iter(&other));
            let common = ones.intersection(&others).next().map(|number| **number);
            prop_assert_eq!(set(&one).first_common(&set(&other)), common);
            prop_assert!(set(&one).numbers().eq(ones.iter().map(|number| **number)));
        }
    }

    #[test]
    fn a_set_keeps_no_words_before_its_first() {
        let far = set(&[64_000]);
        assert_eq!(far.words.len(), 1);
        assert_eq!(set(&[1]).first_common(&far), None);
        assert_eq!(set(&[1, 64_000]).first_common(&far), Some(64_000));
    }
}
