//! Reading a namespace's folder.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::files::{failure, list};
use super::{REVISION, TOKENS, names};
use crate::backend::StoreError;
use crate::backend::digest::Digest;
use crate::document::{DocumentId, Entry};

/// The end of every document's file name.
pub(super) const EXTENSION: &str = ".json";

/// Everything in a namespace's folder, and a digest that differs where anything does.
pub(super) fn everything(namespace: &Path) -> Result<(Vec<Entry>, String), StoreError> {
    let mut entries = Vec::new();
    let mut digest = Digest::default();
    for (kind, folder) in kind_folders(namespace)? {
        for (file_name, path) in list(&folder)? {
            let Some(encoded) = file_name.strip_suffix(EXTENSION) else {
                continue;
            };
            if file_name.starts_with('.') {
                continue;
            }
            let Some(content) = content(&path)? else {
                continue;
            };
            digest.add(&kind);
            digest.add(&file_name);
            digest.add(match &content {
                Content::Bytes(bytes) => bytes.as_slice(),
                Content::Unreadable(cause) => cause.as_bytes(),
            });
            entries.push(named_entry(&kind, encoded, content));
        }
    }
    Ok((entries, digest.text()))
}

/// What changes whenever a writer finishes: the revision file, and the times at which the folders changed, by which a
/// rename shows even if its writer stopped right after. `None` where there is no folder.
pub(super) fn signal(namespace: &Path) -> Result<Option<String>, StoreError> {
    let Some(changed) = changed_at(namespace)? else {
        return Ok(None);
    };
    let mut digest = Digest::default();
    digest.add(changed);
    let revision = content(&namespace.join(REVISION))?;
    digest.add(match &revision {
        Some(Content::Bytes(bytes)) => bytes.as_slice(),
        _ => b"none",
    });
    for (kind, folder) in kind_folders(namespace)? {
        digest.add(kind);
        digest.add(changed_at(&folder)?.unwrap_or_default());
    }
    Ok(Some(digest.text()))
}

/// What stands in one document's file.
pub(super) fn entry(path: &Path, id: DocumentId) -> Result<Option<Entry>, StoreError> {
    Ok(content(path)?.map(|content| parse(id, content)))
}

enum Content {
    Bytes(Vec<u8>),
    Unreadable(String),
}

/// `None` where there is no file. A file that only itself is to blame for becomes a broken document, a disk that
/// fails does not. What is no file is not opened: a pipe would make the reader wait for ever.
fn content(path: &Path) -> Result<Option<Content>, StoreError> {
    let unreadable = |cause: &dyn Display| {
        let cause = format!("{} can't be read: {cause}", path.display());
        Ok(Some(Content::Unreadable(cause)))
    };
    let is_file = fs::metadata(path).map(|metadata| metadata.is_file());
    match is_file.and_then(|is_file| is_file.then(|| fs::read(path)).transpose()) {
        Ok(Some(bytes)) => Ok(Some(Content::Bytes(bytes))),
        Ok(None) => unreadable(&"it is no file"),
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

fn named_entry(kind: &str, encoded: &str, content: Content) -> Entry {
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

fn parse(id: DocumentId, content: Content) -> Entry {
    match content {
        Content::Bytes(bytes) => match serde_json::from_slice(&bytes) {
            Ok(json) => Entry::parse(id, json),
            Err(error) => Entry::broken(id, format!("it is not JSON: {error}")),
        },
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
