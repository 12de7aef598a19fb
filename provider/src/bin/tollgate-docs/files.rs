//! The pages as files: written, or compared with what is there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{self, Failure};
use crate::pages::{Page, SECTIONS};

/// Says which files are not what they should be.
pub(crate) fn compare(repository: &Path, pages: &[Page]) -> Result<(), Vec<Failure>> {
    let docs = repository.join("docs");
    let compared = pages.iter().map(|page| {
        let path = docs.join(&page.path);
        if is_current(&path, page)? {
            Ok(())
        } else {
            Err(Failure::Differs { path })
        }
    });
    let stale = stale(&docs, pages).map_err(|failure| vec![failure])?;
    let stale = stale.into_iter().map(|path| Err(Failure::Stale { path }));
    failure::all(compared.chain(stale)).map(drop)
}

/// Makes the files what they should be, and removes those of nothing that the provider has.
pub(crate) fn write(repository: &Path, pages: &[Page]) -> Result<(), Vec<Failure>> {
    let docs = repository.join("docs");
    let written = pages.iter().map(|page| {
        let path = docs.join(&page.path);
        // An unchanged file keeps its time of change, by which other tools go.
        if is_current(&path, page)? {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&docs);
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        fs::write(&path, &page.text).map_err(Failure::file(&path))
    });
    let stale = stale(&docs, pages).map_err(|failure| vec![failure])?;
    let removed = stale
        .iter()
        .map(|path| fs::remove_file(path).map_err(Failure::file(path)));
    failure::all(written.chain(removed)).map(drop)
}

fn is_current(path: &Path, page: &Page) -> Result<bool, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text == page.text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::file(path)(error)),
    }
}

/// What stands in the folders of the pages and is none of them. What people write stands elsewhere.
fn stale(docs: &Path, pages: &[Page]) -> Result<BTreeSet<PathBuf>, Failure> {
    let known: BTreeSet<PathBuf> = pages.iter().map(|page| docs.join(&page.path)).collect();
    let mut stale = BTreeSet::new();
    for section in &SECTIONS {
        let folder = docs.join(section.folder);
        let entries = match folder.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(Failure::file(&folder))?,
        };
        for entry in entries {
            let path = entry.map_err(Failure::file(&folder))?.path();
            if !known.contains(&path) {
                stale.insert(path);
            }
        }
    }
    Ok(stale)
}
