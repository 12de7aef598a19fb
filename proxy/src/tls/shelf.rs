//! What was last read from each place, and the last of it that was good.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tollgate_store::MaterialReference;
use zeroize::Zeroizing;

use super::material::MaterialFault;

/// The most bytes that are read from one place.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest that reading all places may take.
const READ_MAX: Duration = Duration::from_secs(5);

pub(super) type Digest = [u8; 32];
pub(super) type Contents = BTreeMap<MaterialReference, Result<Content, MaterialFault>>;

/// What stands in a place. It may hold a key, and is wiped once it was looked at.
pub(super) struct Content {
    bytes: Zeroizing<Vec<u8>>,
    digest: Digest,
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

/// Reads every place. Files are small: it costs less than to find out what changed, and misses nothing.
pub(super) async fn read(references: BTreeSet<MaterialReference>) -> Contents {
    let failed = |problem: &str| {
        let fault = MaterialFault::Unreadable(problem.to_owned());
        move |reference| (reference, Err(fault.clone()))
    };
    let wanted = references.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let content = |reference: MaterialReference| {
            let content = content(reference.path());
            (reference, content)
        };
        wanted.into_iter().map(content).collect()
    });
    match tokio::time::timeout(READ_MAX, reading).await {
        Ok(Ok(contents)) => contents,
        Ok(Err(_)) => references.into_iter().map(failed("a bug")).collect(),
        Err(_) => {
            let problem = format!("it did not come within {} s", READ_MAX.as_secs());
            references.into_iter().map(failed(&problem)).collect()
        }
    }
}

fn content(path: &Path) -> Result<Content, MaterialFault> {
    let unreadable = |error: std::io::Error| MaterialFault::Unreadable(error.to_string());
    // To open a pipe would wait for somebody who writes.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(MaterialFault::Unreadable("it is no file".to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    let length = u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX);
    if length > BYTES_MAX {
        return Err(MaterialFault::TooLarge {
            bytes_max: BYTES_MAX,
        });
    }
    let digest = Sha256::digest(&*bytes).into();
    Ok(Content { bytes, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(path: &Path) -> MaterialReference {
        MaterialReference::parse(&format!("file:{}", path.display())).unwrap()
    }

    #[tokio::test]
    async fn what_is_no_file_of_a_bounded_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.pem");
        File::create(&large)
            .unwrap()
            .set_len(BYTES_MAX + 1)
            .unwrap();
        for (path, expected) in [
            (large, "has more than 4194304 bytes"),
            (folder.path().to_owned(), "can't be read: it is no file"),
            ("/dev/zero".into(), "can't be read: it is no file"),
            (folder.path().join("missing"), "can't be read: No such file"),
        ] {
            let reference = reference(&path);
            let contents = read([reference.clone()].into()).await;
            let fault = contents[&reference].as_ref().err().unwrap().to_string();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[tokio::test]
    async fn what_was_good_stays_until_there_is_something_better() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reference = reference(file.path());
        let mut shelf = Shelf::<usize>::default();
        let mut seen = Vec::new();
        for text in ["", "good", "bad", "good", "better"] {
            std::fs::write(file.path(), text).unwrap();
            let contents = read([reference.clone()].into()).await;
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
