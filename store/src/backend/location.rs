//! Which place keeps the documents, and how it is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::Directory;
use super::{Backend, StoreError};
use crate::Namespace;

/// Where namespaces are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder, made at the first write.
    Directory(PathBuf),
    /// AWS Secrets Manager.
    SecretsManager(SecretsManager),
}

/// Which Secrets Manager, by whose leave. What is not given is what the AWS command line would use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsManager {
    /// The region, like `eu-west-1`.
    pub region: Option<String>,
    /// A profile of the shared AWS configuration files.
    pub profile: Option<String>,
    /// Another address of Secrets Manager: a VPC endpoint, or an emulator.
    pub endpoint_url: Option<String>,
    /// A role to assume with the credentials found.
    pub assume_role_arn: Option<String>,
    /// The customer's key that encrypts every secret made; AWS's own where it is `None`.
    pub kms_key_id: Option<String>,
    /// Tags of every secret made: at most 50 with one for each shard and one of Tollgate's.
    pub tags: BTreeMap<String, String>,
    /// How many secrets the documents are spread over, 1 to 40. Where another number stands, the next write spreads
    /// them anew. `None` takes what stands, and 16 for a new namespace.
    pub shards: Option<u8>,
    /// Other regions that every secret made is replicated to, for proxies there.
    pub replica_regions: Vec<String>,
}

impl Location {
    /// Reads `directory:PATH` or `secretsmanager`, as the environment variable `TOLLGATE_STORE` holds it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("directory", path)) if !path.is_empty() => {
                Ok(Self::Directory(PathBuf::from(path)))
            }
            None if text == "secretsmanager" => Ok(Self::SecretsManager(SecretsManager::default())),
            _ => Err(format!(
                "{text:?} is not a store: it must be \"directory:PATH\", like \"directory:./.tollgate\", or \"secretsmanager\""
            )),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(formatter, "directory {}", path.display()),
            Self::SecretsManager(SecretsManager { region, .. }) => match region {
                Some(region) => write!(formatter, "Secrets Manager in {region}"),
                None => formatter.write_str("Secrets Manager"),
            },
        }
    }
}

/// Opens one namespace. Nothing is read yet and no network is used: a bad place shows at the first call.
#[allow(
    clippy::unused_async,
    reason = "a backend may need to wait for something when it is opened"
)]
pub async fn open(
    location: &Location,
    namespace: &Namespace,
) -> Result<Arc<dyn Backend>, StoreError> {
    match location {
        Location::Directory(root) => {
            let directory = Directory::new(root, namespace);
            if root.exists() && !root.is_dir() {
                return Err(StoreError::Failed {
                    place: directory.place(),
                    action: "to open".to_owned(),
                    cause: format!("{} is no folder", root.display()),
                });
            }
            Ok(Arc::new(directory))
        }
        Location::SecretsManager(settings) => open_secrets_manager(settings, namespace),
    }
}

#[cfg(feature = "aws")]
fn open_secrets_manager(
    settings: &SecretsManager,
    namespace: &Namespace,
) -> Result<Arc<dyn Backend>, StoreError> {
    Ok(Arc::new(super::aws::Aws::new(settings, namespace)?))
}

#[cfg(not(feature = "aws"))]
fn open_secrets_manager(
    settings: &SecretsManager,
    _namespace: &Namespace,
) -> Result<Arc<dyn Backend>, StoreError> {
    Err(StoreError::Failed {
        place: Location::SecretsManager(settings.clone()).to_string(),
        action: "to open".to_owned(),
        cause: "this binary was built without the feature \"aws\"".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_secrets_manager_are_stores() {
        assert_eq!(
            Location::parse("directory:/srv/toll:gate"),
            Ok(Location::Directory("/srv/toll:gate".into()))
        );
        assert_eq!(
            Location::parse("secretsmanager"),
            Ok(Location::SecretsManager(SecretsManager::default()))
        );
    }

    #[test]
    fn anything_else_is_told_what_would_be_right() {
        for text in [
            "",
            "directory",
            "directory:",
            "secretsmanager:eu-west-1",
            "s3:bucket",
            "/srv",
        ] {
            let problem = Location::parse(text).unwrap_err();

            assert!(problem.contains("directory:PATH"), "{text:?}: {problem}");
        }
    }
}
