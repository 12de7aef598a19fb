//! What was last read from each place, and the last of it that was good.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use tollgate_store::MaterialReference;
use zeroize::Zeroizing;

use super::material::MaterialFault;

pub(super) type Digest = [u8; 32];
pub(super) type Contents = BTreeMap<MaterialReference, Result<Content, MaterialFault>>;

/// What stands in a place. It may hold a key, and is wiped once it was looked at.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) digest: Digest,
}

impl Content {
    pub(super) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        let digest = Sha256::digest(&*bytes).into();
        Self { bytes, digest }
    }
}

/// Something good, and the digest of what it was read from.
#[derive(Debug, Clone)]
pub(super) struct Stamped<T> {
    pub(super) digest: Digest,
    pub(super) value: T,
}

/// The things of one kind, by their places.
#[derive(Debug)]
pub(super) struct Shelf<T>(BTreeMap<MaterialReference, Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    good: Option<Stamped<T>>,
    fault: Option<MaterialFault>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Shelf<T> {
    /// Reads what changed; what can't be used leaves what was good before it. `read` is also given that.
    pub(super) fn update(
        &mut self,
        wanted: &BTreeSet<&MaterialReference>,
        contents: &Contents,
        read: impl Fn(&[u8], Option<&T>) -> Result<T, MaterialFault>,
    ) {
        self.0.retain(|reference, _| wanted.contains(reference));
        for reference in wanted {
            let Some(content) = contents.get(*reference) else {
                continue;
            };
            let kept = self.0.entry((*reference).clone()).or_insert(Kept {
                good: None,
                fault: None,
            });
            kept.update(content, &read);
        }
    }

    /// The last that was good.
    pub(super) fn good(&self, reference: &MaterialReference) -> Option<&Stamped<T>> {
        self.0.get(reference)?.good.as_ref()
    }

    /// What is wrong with the last that was read.
    pub(super) fn fault(&self, reference: &MaterialReference) -> Option<&MaterialFault> {
        self.0.get(reference)?.fault.as_ref()
    }

    /// Everything that is good.
    pub(super) fn goods(&self) -> impl Iterator<Item = (&MaterialReference, &T)> {
        let kept = self.0.iter();
        kept.filter_map(|(reference, kept)| Some((reference, &kept.good.as_ref()?.value)))
    }

    /// Everything that is not.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&MaterialReference, &MaterialFault)> {
        let kept = self.0.iter();
        kept.filter_map(|(reference, kept)| Some((reference, kept.fault.as_ref()?)))
    }
}

impl<T> Kept<T> {
    fn update(
        &mut self,
        content: &Result<Content, MaterialFault>,
        read: impl Fn(&[u8], Option<&T>) -> Result<T, MaterialFault>,
    ) {
        let value = match content {
            Err(fault) => Err(fault.clone()),
            Ok(Content { bytes, digest }) => {
                let good = self.good.as_ref();
                if good.is_some_and(|good| good.digest == *digest) {
                    self.fault = None;
                    return;
                }
                read(bytes, good.map(|good| &good.value)).map(|value| Stamped {
                    digest: *digest,
                    value,
                })
            }
        };
        match value {
            Ok(good) => {
                self.good = Some(good);
                self.fault = None;
            }
            Err(fault) => self.fault = Some(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_good_stays_until_there_is_something_better() {
        let reference = MaterialReference::parse("file:/edge.pem").unwrap();
        let mut shelf = Shelf::<usize>::default();
        let mut seen = Vec::new();
        for text in ["", "good", "bad", "good", "better"] {
            let content = Content::new(Zeroizing::new(text.as_bytes().to_vec()));
            let contents = [(reference.clone(), Ok(content))].into();
            shelf.update(&[&reference].into(), &contents, |bytes, _| {
                let is_good = bytes.ends_with(b"good") || bytes.ends_with(b"better");
                is_good.then_some(bytes.len()).ok_or(MaterialFault::Pem)
            });
            let good = shelf.good(&reference).map(|good| good.value);
            seen.push((good, shelf.fault(&reference).is_some()));
        }

        let expected = [
            (None, true),
            (Some(4), false),
            (Some(4), true),
            (Some(4), false),
            (Some(6), false),
        ];
        assert_eq!(seen, expected);
        shelf.update(&BTreeSet::new(), &Contents::new(), |_, _| Ok(0));
        assert!(shelf.good(&reference).is_none());
    }
}
