//! How a set's keys are spread over parts and pages.

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tollgate_store::Name;
use tollgate_store::document::{KEY_SET_PAGES_MAX, KEY_SET_PARTS_MAX, KeySet, PART_KEYS_MAX};

use super::parts::Keys;

/// What a new layout aims at for a part, in JSON: many small ones fill the shards evenly.
const PART_BYTES: usize = 8_000;
/// A set is laid out anew before a part outgrows this: it shares a shard with others.
const PART_BYTES_MAX: usize = 24_000;
/// What a new layout aims at for a page.
const PAGE_BYTES: usize = 40_000;
/// A set is laid out anew before a page outgrows this: Secrets Manager takes 65,536 bytes.
const PAGE_BYTES_MAX: usize = 60_000;
/// What a token takes in a page besides its key's name: `"":"tg_…",` with the longest environment.
const TOKEN_BYTES: usize = 100;

/// How many parts and pages there are, and whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) generation: u32,
    pub(super) parts: u32,
    pub(super) pages: u32,
}

impl Layout {
    /// The layout of a set that stands.
    pub(super) fn of(set: &KeySet) -> Self {
        Self {
            generation: set.generation,
            parts: set.parts,
            pages: set.pages,
        }
    }

    /// A layout that leaves every part and page room to grow.
    pub(super) fn new(generation: u32, keys: &Keys) -> Self {
        let parts = keys.iter().map(|(name, key)| part_bytes(name, key)).sum();
        let pages = keys.keys().map(page_bytes).sum();
        Self {
            generation,
            parts: count(parts, PART_BYTES, KEY_SET_PARTS_MAX),
            pages: count(pages, PAGE_BYTES, KEY_SET_PAGES_MAX),
        }
    }

    /// Whether the keys still fit, each part and page for itself.
    pub(super) fn fits(self, keys: &Keys) -> bool {
        let parts = fill(self.parts, keys, part_bytes);
        let pages = fill(self.pages, keys, |name, _| page_bytes(name));
        let part_fits = |(keys, bytes): &(usize, usize)| {
            *keys <= PART_KEYS_MAX && *bytes <= PART_BYTES_MAX.max(bytes / (*keys).max(1))
        };
        parts.iter().all(part_fits) && pages.iter().all(|(_, bytes)| *bytes <= PAGE_BYTES_MAX)
    }

    /// The number of a key's part, counted from 1.
    pub(super) fn part(self, name: &Name) -> u32 {
        spread(name, self.parts) + 1
    }

    /// The number of a key's page, counted from 0.
    pub(super) fn page(self, name: &Name) -> u32 {
        spread(name, self.pages)
    }
}

/// How many keys and bytes each of `count` places has.
fn fill(count: u32, keys: &Keys, bytes: impl Fn(&Name, &Json) -> usize) -> Vec<(usize, usize)> {
    let mut filled = vec![(0, 0); usize::try_from(count).unwrap_or_default()];
    for (name, key) in keys {
        let index = usize::try_from(spread(name, count)).unwrap_or_default();
        if let Some((keys, total)) = filled.get_mut(index) {
            *keys += 1;
            *total += bytes(name, key);
        }
    }
    filled
}

fn part_bytes(name: &Name, key: &Json) -> usize {
    // The versions: a hash, a time and the names of their fields.
    const VERSION_BYTES: usize = 160;
    name.as_str().len() + key.to_string().len() + VERSION_BYTES
}

fn page_bytes(name: &Name) -> usize {
    name.as_str().len() + TOKEN_BYTES
}

fn count(bytes: usize, aim: usize, most: u32) -> u32 {
    u32::try_from(bytes.div_ceil(aim))
        .unwrap_or(most)
        .clamp(1, most)
}

/// A number below `count` that is the same for a name whoever asks.
fn spread(name: &Name, count: u32) -> u32 {
    let digest = Sha256::digest(name.as_str());
    let number = digest
        .iter()
        .take(4)
        .fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    number.checked_rem(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(count: usize) -> Keys {
        (0..count)
            .map(|number| {
                let name = Name::parse(&format!("client-{number:05}")).unwrap();
                (name, json!({}))
            })
            .collect()
    }

    #[test]
    fn a_few_keys_take_one_part_and_one_page() {
        let layout = Layout::new(1, &keys(10));

        assert_eq!((layout.parts, layout.pages), (1, 1));
        assert!(layout.fits(&keys(10)));
    }

    #[test]
    fn ten_thousand_keys_take_few_pages_and_have_room_to_grow() {
        let layout = Layout::new(1, &keys(10_000));

        assert!(layout.pages < 30, "{layout:?}");
        assert!(layout.fits(&keys(12_000)), "{layout:?}");
        assert!(!layout.fits(&keys(30_000)), "{layout:?}");
    }

    #[test]
    fn a_key_never_moves_within_a_layout() {
        let layout = Layout {
            generation: 1,
            parts: 100,
            pages: 10,
        };
        let name = Name::parse("client-00001").unwrap();

        assert_eq!((layout.part(&name), layout.page(&name)), (91, 0));
    }
}
