//! What upstreams need and others write: files, which are read when they change, and secrets of AWS Secrets Manager,
//! which are read with each poll.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use tollgate_store::backend::Location;
use tollgate_store::{MaterialPlace, MaterialReference};
use zeroize::Zeroizing;

use super::material::MaterialFault;
use super::shelf::{Content, Digest};
use super::sources::{Sources, read_file};

/// Secrets as they were last read, shared by all who need them; and the way to files.
#[derive(Clone, Default)]
pub struct Vault(Arc<Places>);

#[derive(Default)]
struct Places {
    secrets: Mutex<BTreeMap<MaterialReference, Kept>>,
    /// What could last be used of each place, secret or file, as long as somebody uses it.
    used: Mutex<BTreeMap<MaterialReference, Weak<Used>>>,
}

/// What stood in a place when that could last be used.
pub(crate) struct Used(Zeroizing<Vec<u8>>);

/// Fills a vault.
#[derive(Debug)]
pub struct Keeper {
    sources: Sources,
    vault: Vault,
}

/// What something looks like from outside: what looks the same was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    File(SystemTime, u64),
    Secret(Digest),
}

/// A secret. What can't be read any more leaves what was read before.
#[derive(Default)]
struct Kept {
    good: Option<Arc<Content>>,
    fault: Option<MaterialFault>,
}

impl Vault {
    /// What a place looks like now; `None` where nothing is there.
    pub(crate) fn stamp(&self, reference: &MaterialReference) -> Option<Stamp> {
        match reference.place() {
            MaterialPlace::File(path) => {
                let metadata = std::fs::metadata(path).ok()?;
                Some(Stamp::File(metadata.modified().ok()?, metadata.len()))
            }
            MaterialPlace::Secret { .. } => {
                let secrets = self.secrets();
                let good = secrets.get(reference)?.good.as_ref()?;
                Some(Stamp::Secret(good.digest))
            }
        }
    }

    /// What stands in a place; it takes as long as the file system does.
    pub(crate) fn read(
        &self,
        reference: &MaterialReference,
        bytes_max: u64,
    ) -> Result<Zeroizing<Vec<u8>>, MaterialFault> {
        if let MaterialPlace::File(path) = reference.place() {
            return read_file(path, bytes_max);
        }
        let secrets = self.secrets();
        let unread = || MaterialFault::Unreadable("it was not read yet".to_owned());
        let kept = secrets.get(reference).ok_or_else(unread)?;
        match &kept.good {
            Some(good) => Ok(good.bytes.clone()),
            None => Err(kept.fault.clone().unwrap_or_else(unread)),
        }
    }

    /// Why a secret can't be read now, whatever was read of it before.
    pub(crate) fn fault(&self, reference: &MaterialReference) -> Option<MaterialFault> {
        self.secrets().get(reference)?.fault.clone()
    }

    /// Notes what could be used of a place. Whoever uses it holds it: who comes after it, as a changed document does,
    /// finds it by [`Vault::last_used`] where the place itself broke meanwhile.
    pub(crate) fn note_used(
        &self,
        reference: &MaterialReference,
        bytes: Zeroizing<Vec<u8>>,
    ) -> Arc<Used> {
        let mut used = self.used();
        let known = used.get(reference).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.0 == bytes) {
            return known;
        }
        used.retain(|_, used| used.strong_count() > 0);
        let new = Arc::new(Used(bytes));
        used.insert(reference.clone(), Arc::downgrade(&new));
        new
    }

    /// What could last be used of a place, if it is in use still.
    pub(crate) fn last_used(&self, reference: &MaterialReference) -> Option<Arc<Used>> {
        self.used().get(reference)?.upgrade()
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<MaterialReference, Weak<Used>>> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, wanted: &BTreeSet<MaterialReference>) {
        let mut secrets = self.secrets();
        secrets.retain(|reference, _| wanted.contains(reference));
    }

    /// A panic elsewhere leaves what was read as good as it was.
    fn secrets(&self) -> MutexGuard<'_, BTreeMap<MaterialReference, Kept>> {
        self.0
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing of what it holds is for a log.
impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vault")
    }
}

impl Used {
    /// It may be a key: it is for whoever makes something of it, and for nobody else.
    pub(crate) fn bytes(&self) -> &Zeroizing<Vec<u8>> {
        &self.0
    }
}

impl fmt::Debug for Used {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Used")
    }
}

impl Keeper {
    /// One with an empty vault, which reads secrets as those of `store` are read.
    #[must_use]
    pub fn new(store: &Location) -> Self {
        Self {
            sources: Sources::new(store),
            vault: Vault::default(),
        }
    }

    /// What it fills.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads those of `places` that are secrets and were never read, so that who needs them finds them.
    pub async fn fetch_new<'r>(&mut self, places: impl Iterator<Item = &'r MaterialReference>) {
        let mut wanted = secrets(places);
        wanted.retain(|reference| !self.vault.secrets().contains_key(reference));
        self.fetch(wanted).await;
    }

    /// Reads those of `places` that are secrets, and forgets all others.
    pub async fn fetch_all<'r>(&mut self, places: impl Iterator<Item = &'r MaterialReference>) {
        let wanted = secrets(places);
        self.vault.keep(&wanted);
        self.fetch(wanted).await;
    }

    async fn fetch(&mut self, wanted: BTreeSet<MaterialReference>) {
        if wanted.is_empty() {
            return;
        }
        let contents = self.sources.read(wanted).await;
        let mut secrets = self.vault.secrets();
        for (reference, content) in contents {
            let kept = secrets.entry(reference.clone()).or_default();
            kept.take(content, &reference);
        }
    }
}

impl Kept {
    fn take(&mut self, content: Result<Content, MaterialFault>, place: &MaterialReference) {
        match content {
            Ok(content) => {
                self.good = Some(Arc::new(content));
                self.fault = None;
            }
            Err(fault) => {
                // Who never had it tells that by itself.
                if self.good.is_some() && self.fault.is_none() {
                    tracing::error!(%place, %fault, "a secret for an upstream or an issuer can't be read: what was read before is used on");
                }
                self.fault = Some(fault);
            }
        }
    }
}

fn secrets<'r>(places: impl Iterator<Item = &'r MaterialReference>) -> BTreeSet<MaterialReference> {
    let is_secret =
        |reference: &&MaterialReference| matches!(reference.place(), MaterialPlace::Secret { .. });
    places.filter(is_secret).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cant_be_read_any_more_leaves_what_was_read_before() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        let place = MaterialReference::parse(arn).unwrap();
        let vault = Vault::default();
        let unread = vault.read(&place, 10).unwrap_err().to_string();
        assert_eq!(unread, "can't be read: it was not read yet");
        assert_eq!(vault.stamp(&place), None);

        let take = |content| {
            let mut secrets = vault.secrets();
            let kept = secrets.entry(place.clone()).or_default();
            kept.take(content, &place);
        };
        let content = |text: &str| Ok(Content::new(Zeroizing::new(text.as_bytes().to_vec())));
        take(content("one"));
        let first = vault.stamp(&place);
        take(Err(MaterialFault::Unreadable("no network".to_owned())));
        assert_eq!(*vault.read(&place, 10).unwrap(), b"one");
        assert_eq!(vault.stamp(&place), first);
        assert!(vault.fault(&place).is_some());

        take(content("two"));
        assert_ne!(vault.stamp(&place), first);
        assert_eq!(vault.fault(&place), None);
        assert_eq!(format!("{vault:?}"), "Vault");
    }
}
