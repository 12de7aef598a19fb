//! Files that are whole or not there, whenever the machine stops.
//!
//! A file is written beside its place, brought to the disk and renamed into place; then the folder is brought to the
//! disk. What a crash leaves beside is a hidden file that readers skip and the next writer removes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::backend::StoreError;

/// How often a lock is tried, with a pause between: 30 seconds.
const LOCK_ATTEMPTS_MAX: u32 = 3_000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const UNFINISHED: &str = ".unfinished";

/// Who may read a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever the process's umask lets.
    Usual,
    /// Its owner alone.
    Owner,
}

/// Puts `bytes` in the place of whatever `path` was; `access` also holds for a folder that is made for it.
pub(super) fn replace(path: &Path, bytes: &[u8], access: Access) -> Result<(), StoreError> {
    make_folder(parent(path), access)?;
    let failed = |error| failure(path, "written", error);
    let unfinished = unfinished_path(path);
    write_new(&unfinished, bytes, access)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(failed)?;
    sync_folder(parent(path)).map_err(failed)
}

/// Removes a file; one that is gone already is no error.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path).and_then(|()| sync_folder(parent(path))) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failure(path, "removed", error)),
        _ => Ok(()),
    }
}

/// Makes a folder and those above it.
fn make_folder(path: &Path, access: Access) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if !parent(path).is_dir() {
        make_folder(parent(path), Access::Usual)?;
    }
    match create_folder(path, access).and_then(|()| sync_folder(parent(path))) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => {
            Err(failure(path, "written", error))
        }
        _ => Ok(()),
    }
}

/// Removes what crashed writers left in a folder.
pub(super) fn sweep(folder: &Path) -> Result<(), StoreError> {
    for (name, path) in list(folder)? {
        if is_unfinished(&name) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// What a folder holds, by name; nothing where it is missing.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let listing = || -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for item in fs::read_dir(folder)? {
            let item = item?;
            found.push((item.file_name().to_string_lossy().into_owned(), item.path()));
        }
        found.sort();
        Ok(found)
    };
    match listing() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listing => listing.map_err(|error| failure(folder, "listed", error)),
    }
}

/// Waits until no other writer, in this process or another, holds the lock file, and holds it until it is dropped.
///
/// The lock file is removed together with an empty namespace: who has opened the removed one starts over.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |error| failure(path, "locked", error);
    for _ in 0..LOCK_ATTEMPTS_MAX {
        make_folder(parent(path), Access::Usual)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) if is_still_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    let held = "another process has held it for 30 seconds: end it";
    Err(failed(io::Error::new(ErrorKind::TimedOut, held)))
}

/// Whether a crashed or running writer's unfinished file has that name.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

/// What could not be done with a file or folder.
pub(super) fn failure(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    StoreError::File {
        path: path.display().to_string(),
        action,
        source: Arc::new(source),
    }
}

/// The folder that a path is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

// The writer's lock makes one name enough: no two writers are in one folder.
fn unfinished_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{UNFINISHED}"))
}

fn write_new(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    // Never through what stands there: it may be a link, or a file that others can read.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_folder(path: &Path, access: Access) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    builder.create(path)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(opened), Ok(standing)) => identity(opened) == identity(standing),
        _ => false,
    }
}

// There an open file can't be removed.
#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    true
}
