//! Secrets in files or in Secrets Manager, which are read again once they change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use tollgate_store::SecretPlace;

use crate::tls::{Stamp, Vault};
use crate::upstream::findings::Findings;

/// The most that a secret may hold.
const BYTES_MAX: u64 = 64 * 1024;

/// What stands in a place, as `read` makes it of its bytes.
#[derive(Debug)]
pub(crate) struct SecretFile<T> {
    place: SecretPlace,
    vault: Vault,
    read: fn(&[u8]) -> Result<T, String>,
    value: ArcSwapOption<T>,
    last: Mutex<Option<Look>>,
}

/// How a place looked, and what was wrong with it.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    stamp: Option<Stamp>,
    fault: Option<String>,
}

impl<T> SecretFile<T> {
    /// Reads a secret. One that can't be used is told, and tried again by [`SecretFile::refresh`].
    pub(crate) fn new(
        place: &SecretPlace,
        read: fn(&[u8]) -> Result<T, String>,
        vault: &Vault,
    ) -> Self {
        let file = Self {
            place: place.clone(),
            vault: vault.clone(),
            read,
            value: ArcSwapOption::empty(),
            last: Mutex::default(),
        };
        file.refresh();
        file
    }

    /// What the secret was when it could last be used.
    pub(crate) fn value(&self) -> Option<Arc<T>> {
        self.value.load_full()
    }

    /// Reads the secret again if it changed; whether there is another value. What can't be used leaves what was read
    /// before, and is told once.
    pub(crate) fn refresh(&self) -> bool {
        let reference = self.place.reference();
        let stamp = self.vault.stamp(reference);
        let mut last = self.last();
        let is_same = last.as_ref().is_some_and(|last| last.stamp == stamp);
        if is_same && stamp.is_some() {
            return false;
        }
        let bytes = self.vault.read(reference, BYTES_MAX);
        let bytes = bytes.map_err(|fault| fault.to_string());
        let value = bytes.and_then(|bytes| (self.read)(&bytes));
        let fault = value.as_ref().err().cloned();
        let is_new = value.is_ok();
        if let Ok(value) = value {
            self.value.store(Some(Arc::new(value)));
        }
        let look = Some(Look { stamp, fault });
        if *last != look {
            if let Some(fault) = look.as_ref().and_then(|look| look.fault.as_ref()) {
                let (place, is_served) = (&self.place, self.value.load().is_some());
                tracing::error!(%place, fault, is_served, "a secret that is shown to others can't be used: what was read before \
                     is used on, if anything was");
            }
            *last = look;
        }
        is_new
    }

    /// Notes what is wrong with it.
    pub(super) fn report(&self, findings: &mut Findings) {
        let last = self.last();
        let unread = self.vault.fault(self.place.reference());
        let unusable = last.as_ref().and_then(|last| last.fault.clone());
        if let Some(fault) = unread.map(|fault| fault.to_string()).or(unusable) {
            findings.faults.insert(self.place.to_string(), fault);
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Look>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|_| "it is no text".to_owned())
    }

    #[test]
    fn a_secret_is_read_again_and_one_that_breaks_leaves_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let place = SecretPlace::parse(&format!("file:{}", path.display())).unwrap();
        let file = SecretFile::new(&place, text, &Vault::default());
        assert_eq!(file.value(), None);

        std::fs::write(&path, "one").unwrap();
        assert!(file.refresh());
        assert!(!file.refresh(), "nothing changed");
        assert_eq!(*file.value().unwrap(), "one");

        std::fs::write(&path, [0xff; 5]).unwrap();
        assert!(!file.refresh());
        assert_eq!(*file.value().unwrap(), "one");
        let mut findings = Findings::default();
        file.report(&mut findings);
        assert_eq!(
            findings.faults.values().collect::<Vec<_>>(),
            ["it is no text"]
        );

        std::fs::remove_file(&path).unwrap();
        assert!(!file.refresh());
        assert_eq!(*file.value().unwrap(), "one");
    }
}
