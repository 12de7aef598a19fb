//! What keeps the documentation from being written, or from being up to date.

use std::io;
use std::path::{Path, PathBuf};

/// One thing that is wrong, and how it is put right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The provider could not be asked.
    #[error("the provider can't be asked for its schema: {0}")]
    Runtime(#[source] io::Error),
    /// The schema holds what no page can show.
    #[error("the schema of {place} can't be documented: {problem}")]
    Schema {
        /// Where it stands.
        place: String,
        /// What it is.
        problem: String,
    },
    /// Everything in the schema has an example.
    #[error("{} is missing: write an example of {name}", path.display())]
    NoExample {
        /// Where it belongs.
        path: PathBuf,
        /// What it shows.
        name: String,
    },
    /// A guide that the registry could not list.
    #[error("{}: {problem}", path.display())]
    Guide {
        /// The guide.
        path: PathBuf,
        /// What is wrong with its front matter.
        problem: String,
    },
    /// A page says something else than the schema and the examples.
    #[error("{} is not up to date: run `make generate`", path.display())]
    Differs {
        /// The page.
        path: PathBuf,
    },
    /// A page of something that the provider does not have.
    #[error("{} is of nothing that the provider has: run `make generate`, which removes it", path.display())]
    Stale {
        /// The page.
        path: PathBuf,
    },
    /// A file or folder can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Failure {
    /// Says which file an error is about.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// All of the results, or all of the failures.
pub(crate) fn all<T>(
    results: impl IntoIterator<Item = Result<T, Failure>>,
) -> Result<Vec<T>, Vec<Failure>> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => found.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        Ok(found)
    } else {
        Err(failures)
    }
}
