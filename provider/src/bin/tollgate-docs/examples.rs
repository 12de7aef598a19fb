//! The examples, which are files of the repository and tested as such.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of the examples.
#[derive(Debug)]
pub(crate) struct Examples {
    folder: PathBuf,
}

impl Examples {
    /// The examples of a repository.
    pub(crate) fn of(repository: &Path) -> Self {
        Self {
            folder: repository.join("examples"),
        }
    }

    /// The example at `path`, which must be there; `name` says of what it is.
    pub(crate) fn read(&self, path: &str, name: &str) -> Result<String, Failure> {
        self.find(path)?.ok_or_else(|| Failure::NoExample {
            path: self.folder.join(path),
            name: name.to_owned(),
        })
    }

    /// The example at `path`, if there is one.
    pub(crate) fn find(&self, path: &str) -> Result<Option<String>, Failure> {
        let path = self.folder.join(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file(&path)(error)),
        }
    }
}
