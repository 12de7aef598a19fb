//! How a namespace is spread over secrets, and what they are called.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::backend::TokenOwner;
use crate::document::DocumentKey;
use crate::{KeyId, Namespace};

/// What every build reads: values as they are, and an index of the first layout.
pub(super) const FORMAT_PLAIN: u64 = 1;
/// What this build reads, too: compressed values, and an index of other layouts.
pub(super) const FORMAT_LATEST: u64 = 2;
/// How many shards a new namespace is spread over where nothing is declared.
pub(super) const SHARDS_DEFAULT: u8 = 16;
/// The most shards: each has a tag on the index, and a secret takes 50 tags.
pub(super) const SHARDS_MAX: u8 = 40;
/// The most bytes that Secrets Manager takes as a value.
pub(super) const VALUE_BYTES_MAX: usize = 65_536;
/// How many versions of a shard's secret are written before it moves to another. Secrets Manager takes about 100 in
/// 24 hours; the rest is for people.
pub(super) const VERSIONS_MAX: u32 = 90;
/// The generation of a shard that never moved.
pub(super) const GENERATION_FIRST: u32 = 1;
/// How every shard's tag on the index starts.
pub(super) const SHARD_TAG: &str = "shard-";
/// The tag of a token's secret that names its key.
pub(super) const KEY_TAG: &str = "tollgate-key";
/// The tag of a page of tokens that names its key set.
pub(super) const KEY_SET_TAG: &str = "tollgate-key-set";

/// Documents of this kind come in rows of large ones: they take turns.
const KIND_IN_TURNS: &str = "key_set_part";

/// How a namespace is spread. Every change of the number of shards makes another edition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    /// Counts the changes, from 1.
    pub(super) edition: u32,
    /// How many shards there are: `1..=SHARDS_MAX`.
    pub(super) count: u8,
}

/// One of a namespace's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardNumber(u8);

/// What a shard's tag on the index says: where the shard is, and which write it tells of. As text
/// `<count>.<edition>.<generation>-<nonce>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) layout: Layout,
    pub(super) generation: u32,
    pub(super) nonce: String,
}

impl Layout {
    /// Of a namespace that never was anything else.
    pub(super) const FIRST: Self = Self {
        edition: 1,
        count: SHARDS_DEFAULT,
    };

    /// The first layout of a new namespace.
    pub(super) fn new(count: u8) -> Self {
        Self { edition: 1, count }
    }

    /// The layout that follows this one.
    pub(super) fn next(self, count: u8) -> Self {
        Self {
            edition: self.edition.saturating_add(1),
            count,
        }
    }

    /// Every shard.
    pub(super) fn shards(self) -> impl Iterator<Item = ShardNumber> {
        (0..self.count).map(ShardNumber)
    }

    /// The shard that holds the document. A build that answered otherwise would not find what others wrote.
    pub(super) fn shard_of(self, key: &DocumentKey) -> ShardNumber {
        self.shard_of_name(key.kind.as_str(), key.name.as_str())
    }

    /// The shard that holds what says that it is of that kind and name.
    pub(super) fn shard_of_name(self, kind: &str, name: &str) -> ShardNumber {
        let count = u32::from(self.count.max(1));
        let in_turns = match name.rsplit_once('/') {
            Some((row, number)) if kind == KIND_IN_TURNS => {
                number.parse::<u32>().ok().map(|number| (row, number))
            }
            _ => None,
        };
        let place = match in_turns {
            Some((row, number)) => hash(row) % count + number % count,
            None => hash(&format!("{kind}/{name}")),
        };
        ShardNumber(u8::try_from(place % count).unwrap_or_default())
    }
}

fn hash(text: &str) -> u32 {
    let digest = Sha256::digest(text);
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    u32::from_le_bytes(bytes)
}

impl ShardNumber {
    /// Its tag on the index: `shard-07`.
    pub(super) fn tag(self) -> String {
        format!("{SHARD_TAG}{:02}", self.0)
    }

    /// Its place in a list of all shards.
    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }
}

impl Mark {
    /// Reads a tag. What is no mark is the nonce of a shard that never moved.
    pub(super) fn parse(text: &str) -> Self {
        parse_mark(text).unwrap_or_else(|| Self {
            layout: Layout::FIRST,
            generation: GENERATION_FIRST,
            nonce: text.to_owned(),
        })
    }
}

fn parse_mark(text: &str) -> Option<Mark> {
    let (place, nonce) = text.split_once('-')?;
    let mut numbers = place.split('.');
    let mark = Mark {
        layout: Layout {
            count: numbers.next()?.parse().ok()?,
            edition: numbers.next()?.parse().ok()?,
        },
        generation: numbers.next()?.parse().ok()?,
        nonce: nonce.to_owned(),
    };
    numbers.next().is_none().then_some(mark)
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layout { edition, count } = self.layout;
        write!(
            formatter,
            "{count}.{edition}.{}-{}",
            self.generation, self.nonce
        )
    }
}

/// What the tags say of one layout's shards; those of another layout say nothing.
pub(super) fn generation_told(
    tags: &BTreeMap<String, String>,
    layout: Layout,
    number: ShardNumber,
) -> Option<u32> {
    let mark = Mark::parse(tags.get(&number.tag())?);
    (mark.layout == layout).then_some(mark.generation)
}

/// The newest layout that any tag tells of.
pub(super) fn layout_told(tags: &BTreeMap<String, String>) -> Option<Layout> {
    tags.values().map(|tag| Mark::parse(tag).layout).max()
}

/// The names of one namespace's secrets.
#[derive(Debug)]
pub(super) struct Names {
    namespace: Namespace,
    prefix: String,
}

impl Names {
    /// The names in `namespace`.
    pub(super) fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            prefix: format!("tollgate/{namespace}"),
        }
    }

    /// The secret that tells of changes.
    pub(super) fn index(&self) -> String {
        format!("{}/index", self.prefix)
    }

    /// The secret that holds a shard's documents: `shard-07`, or `shard-07of32.2.3` in the second edition of 32
    /// shards, where it is in its third secret.
    ///
    /// Never a hyphen and six characters, which AWS would take for the ending of an ARN.
    pub(super) fn shard(&self, layout: Layout, number: ShardNumber, generation: u32) -> String {
        let bare = format!("{}/{}", self.prefix, number.tag());
        if layout == Layout::FIRST && generation == GENERATION_FIRST {
            return bare;
        }
        let Layout { edition, count } = layout;
        format!("{bare}of{count}.{edition}.{generation}")
    }

    /// How the name of every shard's secret starts.
    pub(super) fn shards_prefix(&self) -> String {
        format!("{}/{SHARD_TAG}", self.prefix)
    }

    /// The layout that a shard's secret of that name belongs to.
    pub(super) fn layout_of(&self, name: &str) -> Option<Layout> {
        let rest = name.strip_prefix(&self.shards_prefix())?;
        let Some((_, place)) = rest.split_once("of") else {
            return Some(Layout::FIRST);
        };
        let mut numbers = place.split('.');
        Some(Layout {
            count: numbers.next()?.parse().ok()?,
            edition: numbers.next()?.parse().ok()?,
        })
    }

    /// The secret that holds one client's token, or a page of a key set's.
    pub(super) fn token(&self, owner: TokenOwner<'_>) -> String {
        match owner {
            TokenOwner::Key { id, .. } => format!("{}{id}", self.tokens_prefix()),
            TokenOwner::Page {
                set,
                generation,
                page,
            } => {
                // A set's name may hold what a secret's may not.
                let set = KeyId::derive(&self.namespace, set);
                format!("{}/tokens/{set}/{generation}/{page}", self.prefix)
            }
        }
    }

    /// How the name of every client's secret starts.
    pub(super) fn tokens_prefix(&self) -> String {
        format!("{}/token/", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&Namespace::parse("prod").unwrap())
    }

    #[test]
    fn a_document_never_moves_to_another_shard() {
        let shard = |kind, name| Layout::FIRST.shard_of_name(kind, name).tag();

        assert_eq!(shard("key", "acme-ci"), "shard-14");
        assert_eq!(shard("scope", "orders:read"), "shard-09");
        assert_eq!(shard("upstream", "orders"), "shard-06");
    }

    #[test]
    fn parts_of_one_set_take_turns() {
        let layout = Layout::new(7);
        let shard = |number| layout.shard_of_name(KIND_IN_TURNS, &format!("partners/3/{number}"));

        let mut taken: Vec<ShardNumber> = (0..7).map(shard).collect();
        taken.sort();

        assert_eq!(taken, layout.shards().collect::<Vec<_>>());
        assert_eq!(shard(0), shard(7));
    }

    #[test]
    fn a_mark_reads_back_and_an_old_one_is_of_the_first_secret() {
        let mark = Mark {
            layout: Layout::FIRST.next(32),
            generation: 3,
            nonce: "0123".to_owned(),
        };
        assert_eq!(mark.to_string(), "32.2.3-0123");
        assert_eq!(Mark::parse("32.2.3-0123"), mark);

        let old = Mark::parse("0123456789abcdef");
        assert_eq!((old.layout, old.generation), (Layout::FIRST, 1));
    }

    #[test]
    fn no_name_ends_in_a_hyphen_and_six_characters() {
        for layout in [Layout::FIRST, Layout::new(8), Layout::FIRST.next(32)] {
            for generation in [1, 2, 99, 100, 1000, 100_000, 1_000_000] {
                let number = layout.shards().next().unwrap();
                let name = names().shard(layout, number, generation);

                let (_, ending) = name.rsplit_once('-').unwrap();
                assert_ne!(ending.len(), 6, "{name}");
                assert_eq!(names().layout_of(&name), Some(layout), "{name}");
            }
        }
    }
}
