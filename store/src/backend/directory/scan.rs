//! Reading a namespace's folder.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::files::{failure, list};
use super::{REVISION, TOKENS, names};
use crate::backend::StoreError;
use crate::backend::digest::Digest;
use crate::backend::parallel;
use crate::document::{DocumentId, Entry};

/// The end of every document's file name.
pub(super) const EXTENSION: &str = ".json";
/// The most bytes of a document's file: a set of a thousand keys has less.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file that should hold a document.
struct Place {
    kind: String,
    file_name: String,
    path: PathBuf,
}

/// Everything in a namespace's folder, and a digest that differs where anything does. So many threads read at once.
pub(super) fn everything(
    namespace: &Path,
    threads: usize,
) -> Result<(Vec<Entry>, String), StoreError> {
    let mut entries = Vec::new();
    let mut digest = Digest::default();
    let places = places(namespace)?;
    let read = parallel::map(&places, threads, Vec::new, |buffer, place| {
        place.read(buffer)
    });
    for (place, read) in places.iter().zip(read) {
        let Some((entry, content)) = read? else {
            continue;
        };
        digest.add(&place.kind);
        digest.add(&place.file_name);
        digest.add(content);
        entries.push(entry);
    }
    Ok((entries, digest.text()))
}

fn places(namespace: &Path) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    for (kind, folder) in kind_folders(namespace)? {
        let mut files = list(&folder)?;
        files.retain(|(name, _)| name.ends_with(EXTENSION) && !name.starts_with('.'));
        places.extend(files.into_iter().map(|(file_name, path)| Place {
            kind: kind.clone(),
            file_name,
            path,
        }));
    }
    Ok(places)
}

impl Place {
    /// What it holds, and a digest of that; `None` where there is no file any more.
    fn read(&self, buffer: &mut Vec<u8>) -> Result<Option<(Entry, String)>, StoreError> {
        let Some(content) = content(&self.path, buffer)? else {
            return Ok(None);
        };
        let mut digest = Digest::default();
        digest.add(match &content {
            Content::Bytes(bytes) => bytes,
            Content::Unreadable(cause) => cause.as_bytes(),
        });
        let encoded = self.file_name.strip_suffix(EXTENSION).unwrap_or_default();
        Ok(Some((
            named_entry(&self.kind, encoded, &content),
            digest.text(),
        )))
    }
}

/// What changes whenever a writer finishes: the revision file, and the times at which the folders changed, by which a
/// rename shows even if its writer stopped right after. `None` where there is no folder.
pub(super) fn signal(namespace: &Path) -> Result<Option<String>, StoreError> {
    let Some(changed) = changed_at(namespace)? else {
        return Ok(None);
    };
    let mut digest = Digest::default();
    digest.add(changed);
    let mut buffer = Vec::new();
    let revision = content(&namespace.join(REVISION), &mut buffer)?;
    digest.add(match &revision {
        Some(Content::Bytes(bytes)) => bytes,
        _ => b"none".as_slice(),
    });
    for (kind, folder) in kind_folders(namespace)? {
        digest.add(kind);
        digest.add(changed_at(&folder)?.unwrap_or_default());
    }
    Ok(Some(digest.text()))
}

/// What stands in one document's file.
pub(super) fn entry(path: &Path, id: DocumentId) -> Result<Option<Entry>, StoreError> {
    Ok(content(path, &mut Vec::new())?.map(|content| parse(id, &content)))
}

enum Content<'b> {
    Bytes(&'b [u8]),
    Unreadable(String),
}

/// What is in a file, read into `buffer`, which may be used for the next one: memory that was not used before costs more
/// than reading. `None` where there is no file. A file that only itself is to blame for becomes a broken document, a disk that
/// fails does not. What is no file is not opened: a pipe would make the reader wait for ever. Nor is what nobody has the
/// memory for.
fn content<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> Result<Option<Content<'b>>, StoreError> {
    let unreadable = |cause: &dyn Display| {
        let cause = format!("{} can't be read: {cause}", path.display());
        Ok(Some(Content::Unreadable(cause)))
    };
    let read = fs::metadata(path).and_then(|metadata| match metadata.len() {
        _ if !metadata.is_file() => Ok(Err("it is no file")),
        DOCUMENT_BYTES_MAX.. => Ok(Err("it has 64 MiB or more")),
        _ => {
            buffer.clear();
            File::open(path).and_then(|mut file| file.read_to_end(buffer).map(Ok))
        }
    });
    match read {
        Ok(Ok(_)) => Ok(Some(Content::Bytes(buffer))),
        Ok(Err(problem)) => unreadable(&problem),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if is_its_own_fault(path, &error) => unreadable(&error),
        Err(error) => Err(failure(path, "read", error)),
    }
}

/// A link that leads nowhere good is as much a person's doing as a file's permissions.
fn is_its_own_fault(path: &Path, error: &io::Error) -> bool {
    let is_link = || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    error.kind() == ErrorKind::PermissionDenied || is_link()
}

fn named_entry(kind: &str, encoded: &str, content: &Content<'_>) -> Entry {
    let id = |name: &str| DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    match names::decode(encoded) {
        Some(name) => parse(id(&name), content),
        None => Entry::broken(
            id(encoded),
            format!(
                "its file should be called {:?}",
                names::encode(encoded) + EXTENSION
            ),
        ),
    }
}

fn parse(id: DocumentId, content: &Content<'_>) -> Entry {
    match content {
        Content::Bytes(bytes) => Entry::read(id, bytes),
        Content::Unreadable(cause) => Entry::broken(id, cause),
    }
}

fn kind_folders(namespace: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut found = list(namespace)?;
    found.retain(|(name, path)| {
        !TOKENS.contains(&name.as_str()) && !name.starts_with('.') && path.is_dir()
    });
    Ok(found)
}

fn changed_at(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(changed) => {
            let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(Some(since.as_nanos().to_string()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(path, "read", error)),
    }
}
