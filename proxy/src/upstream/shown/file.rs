//! Secrets in files, which are read again once they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use tollgate_store::SecretPlace;

use crate::tls;

/// The most that a file with a secret may hold.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a file holds, as `read` makes it of its bytes.
#[derive(Debug)]
pub(crate) struct SecretFile<T> {
    path: PathBuf,
    read: fn(&[u8]) -> Result<T, String>,
    value: ArcSwapOption<T>,
    last: Mutex<Option<Look>>,
}

/// How a file looked, and what was wrong with it.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    stamp: Option<(SystemTime, u64)>,
    fault: Option<String>,
}

impl<T> SecretFile<T> {
    /// Reads a file. One that can't be used is told, and tried again by [`SecretFile::refresh`].
    pub(crate) fn new(place: &SecretPlace, read: fn(&[u8]) -> Result<T, String>) -> Self {
        let file = Self {
            path: place.path().to_owned(),
            read,
            value: ArcSwapOption::empty(),
            last: Mutex::default(),
        };
        file.refresh();
        file
    }

    /// What the file held when it could last be used.
    pub(crate) fn value(&self) -> Option<Arc<T>> {
        self.value.load_full()
    }

    /// Reads the file again if it changed; whether there is another value. What can't be used leaves what was read
    /// before, and is told once.
    pub(crate) fn refresh(&self) -> bool {
        let stamp = stamp(&self.path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = last.as_ref().is_some_and(|last| last.stamp == stamp);
        if is_same && stamp.is_some() {
            return false;
        }
        let bytes = tls::read_file(&self.path, FILE_BYTES_MAX).map_err(|fault| fault.to_string());
        let value = bytes.and_then(|bytes| (self.read)(&bytes));
        let fault = value.as_ref().err().cloned();
        let is_new = value.is_ok();
        if let Ok(value) = value {
            self.value.store(Some(Arc::new(value)));
        }
        let look = Some(Look { stamp, fault });
        if *last != look {
            if let Some(fault) = look.as_ref().and_then(|look| look.fault.as_ref()) {
                let (path, is_served) = (self.path.display(), self.value.load().is_some());
                tracing::error!(%path, fault, is_served, "a secret that is shown to others can't be used: what was read \
                     before is used on, if anything was");
            }
            *last = look;
        }
        is_new
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
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
        let reference = SecretPlace::parse(&format!("file:{}", path.display())).unwrap();
        let file = SecretFile::new(&reference, text);
        assert_eq!(file.value(), None);

        std::fs::write(&path, "one").unwrap();
        assert!(file.refresh());
        assert!(!file.refresh(), "nothing changed");
        assert_eq!(*file.value().unwrap(), "one");

        std::fs::write(&path, [0xff; 5]).unwrap();
        assert!(!file.refresh());
        assert_eq!(*file.value().unwrap(), "one");

        std::fs::remove_file(&path).unwrap();
        assert!(!file.refresh());
        assert_eq!(*file.value().unwrap(), "one");
    }
}
