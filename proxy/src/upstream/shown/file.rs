//! Secrets in files or in Secrets Manager, which are read again once they change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use tollgate_store::SecretPlace;

use crate::tls::{Stamp, Used, Vault};
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
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    look: Option<Look>,
    /// What the value was read from: held for whoever reads the place after this.
    used: Option<Arc<Used>>,
}

/// How a place looked, and what was wrong with it.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    stamp: Option<Stamp>,
    fault: Option<String>,
}

impl<T> SecretFile<T> {
    /// Reads a secret. One that can't be used is told, and tried again by [`SecretFile::refresh`]; until then it is what
    /// others that read it last could use.
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
        let is_same = last.look.as_ref().is_some_and(|last| last.stamp == stamp);
        if is_same && stamp.is_some() {
            return false;
        }
        let bytes = self.vault.read(reference, BYTES_MAX);
        let bytes = bytes.map_err(|fault| fault.to_string());
        let value = bytes.and_then(|bytes| Ok(((self.read)(&bytes)?, bytes)));
        let fault = value.as_ref().err().cloned();
        let is_new = value.is_ok();
        if let Ok((value, bytes)) = value {
            self.value.store(Some(Arc::new(value)));
            last.used = Some(self.vault.note_used(reference, bytes));
        } else if self.value.load().is_none() {
            last.used = self.take_over();
        }
        let look = Some(Look { stamp, fault });
        if last.look != look {
            if let Some(fault) = look.as_ref().and_then(|look| look.fault.as_ref()) {
                let (place, is_served) = (&self.place, self.value.load().is_some());
                tracing::error!(%place, fault, is_served, "a secret that is shown to others can't be used: what was read before \
                     is used on, if anything was");
            }
            last.look = look;
        }
        is_new
    }

    /// Takes what others could last use of the place.
    fn take_over(&self) -> Option<Arc<Used>> {
        let used = self.vault.last_used(self.place.reference())?;
        let value = (self.read)(used.bytes()).ok()?;
        self.value.store(Some(Arc::new(value)));
        Some(used)
    }

    /// Notes what is wrong with it.
    pub(crate) fn report(&self, findings: &mut Findings) {
        let last = self.last();
        let unread = self.vault.fault(self.place.reference());
        let unusable = last.look.as_ref().and_then(|look| look.fault.clone());
        if let Some(fault) = unread.map(|fault| fault.to_string()).or(unusable) {
            findings.faults.insert(self.place.to_string(), fault);
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
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

    #[test]
    fn who_comes_after_takes_over_what_could_last_be_used_and_nobody_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "one").unwrap();
        let place = SecretPlace::parse(&format!("file:{}", path.display())).unwrap();
        let vault = Vault::default();
        let first = SecretFile::new(&place, text, &vault);
        std::fs::write(&path, [0xff; 5]).unwrap();
        first.refresh();

        let second = SecretFile::new(&place, text, &vault);
        drop(first);
        assert_eq!(*second.value().unwrap(), "one");
        let mut findings = Findings::default();
        second.report(&mut findings);
        assert_eq!(findings.faults.len(), 1, "the place is as bad as it was");
        let third = SecretFile::new(&place, text, &vault);
        assert_eq!(*third.value().unwrap(), "one");

        drop((second, third));
        assert_eq!(SecretFile::new(&place, text, &vault).value(), None);
    }
}
