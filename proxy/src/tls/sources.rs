//! Where PEM is read from: files, and secrets of AWS Secrets Manager.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_store::backend::{ForeignSecrets, Location, SecretsManager};
use tollgate_store::{MaterialPlace, MaterialReference, Secret};
use zeroize::Zeroizing;

use super::material::MaterialFault;
use super::shelf::{Content, Contents};

/// The most bytes that are read from one place.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest that reading all files may take, and all secrets of a region: the next poll waits for it.
const READ_MAX: Duration = Duration::from_secs(5);

/// Where PEM is read from.
#[derive(Debug, Default)]
pub(super) struct Sources {
    settings: SecretsManager,
    regions: BTreeMap<String, ForeignSecrets>,
}

impl Sources {
    /// Secrets are read as the store's own are: by the same endpoint, if one is set.
    pub(super) fn new(store: &Location) -> Self {
        let settings = match store {
            Location::SecretsManager(settings) => settings.clone(),
            Location::Directory(_) => SecretsManager::default(),
        };
        Self {
            settings,
            regions: BTreeMap::new(),
        }
    }

    /// Reads every place. What is read is little: it costs less than to find out what changed, and misses nothing.
    pub(super) async fn read(&mut self, references: BTreeSet<MaterialReference>) -> Contents {
        let mut files = BTreeMap::new();
        let mut secrets: BTreeMap<String, Vec<MaterialReference>> = BTreeMap::new();
        for reference in references {
            match reference.place() {
                MaterialPlace::File(path) => {
                    let path = path.clone();
                    files.insert(reference, path);
                }
                MaterialPlace::Secret { region } => {
                    let region = region.clone();
                    secrets.entry(region).or_default().push(reference);
                }
            }
        }
        let mut contents = if files.is_empty() {
            Contents::new()
        } else {
            read_files(files).await
        };
        for (region, references) in secrets {
            contents.append(&mut self.read_secrets(region, references).await);
        }
        contents
    }

    async fn read_secrets(
        &mut self,
        region: String,
        references: Vec<MaterialReference>,
    ) -> Contents {
        let secrets = match self.region(region) {
            Ok(secrets) => secrets,
            Err(problem) => return failed(references, &problem),
        };
        let arns: Vec<_> = references.iter().map(ToString::to_string).collect();
        match tokio::time::timeout(READ_MAX, secrets.read(&arns)).await {
            Ok(mut read) => {
                let content = |reference: MaterialReference| {
                    let missing = || Err("there is no such secret".to_owned());
                    let secret = read.remove(reference.as_str()).unwrap_or_else(missing);
                    (
                        reference,
                        secret
                            .map(|secret| wiped(&secret))
                            .map_err(MaterialFault::Unreadable),
                    )
                };
                references.into_iter().map(content).collect()
            }
            Err(_) => failed(references, &too_late()),
        }
    }

    fn region(&mut self, region: String) -> Result<&ForeignSecrets, String> {
        use std::collections::btree_map::Entry;

        match self.regions.entry(region) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let secrets = ForeignSecrets::new(&self.settings, entry.key());
                Ok(entry.insert(secrets.map_err(|error| error.to_string())?))
            }
        }
    }
}

fn wiped(secret: &Secret) -> Content {
    Content::new(Zeroizing::new(secret.expose().as_bytes().to_vec()))
}

fn failed(references: impl IntoIterator<Item = MaterialReference>, problem: &str) -> Contents {
    let fault = MaterialFault::Unreadable(problem.to_owned());
    let references = references.into_iter();
    references
        .map(|reference| (reference, Err(fault.clone())))
        .collect()
}

fn too_late() -> String {
    format!("it did not come within {} s", READ_MAX.as_secs())
}

async fn read_files(files: BTreeMap<MaterialReference, PathBuf>) -> Contents {
    let references: Vec<_> = files.keys().cloned().collect();
    let reading = tokio::task::spawn_blocking(move || {
        let read = |(reference, path): (_, PathBuf)| (reference, content(&path));
        files.into_iter().map(read).collect()
    });
    match tokio::time::timeout(READ_MAX, reading).await {
        Ok(Ok(contents)) => contents,
        Ok(Err(_)) => failed(references, "a bug"),
        Err(_) => failed(references, &too_late()),
    }
}

fn content(path: &Path) -> Result<Content, MaterialFault> {
    read_file(path, BYTES_MAX).map(Content::new)
}

/// What stands in a file of at most so many bytes.
pub(crate) fn read_file(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, MaterialFault> {
    let unreadable = |error: std::io::Error| MaterialFault::Unreadable(error.to_string());
    // To open a pipe would wait for somebody who writes.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(MaterialFault::Unreadable("it is no file".to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    let length = u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX);
    if length > bytes_max {
        return Err(MaterialFault::TooLarge { bytes_max });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_file_of_a_bounded_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.pem");
        File::create(&large)
            .unwrap()
            .set_len(BYTES_MAX + 1)
            .unwrap();
        for (path, expected) in [
            (large, "has more than 4194304 bytes"),
            (folder.path().to_owned(), "can't be read: it is no file"),
            ("/dev/zero".into(), "can't be read: it is no file"),
            (folder.path().join("missing"), "can't be read: No such file"),
        ] {
            let reference = MaterialReference::parse(&format!("file:{}", path.display())).unwrap();
            let contents = Sources::default().read([reference.clone()].into()).await;
            let fault = contents[&reference].as_ref().err().unwrap().to_string();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }
}
