//! Where terraform finds the providers: mirrors in the file system, of the layout that `terraform providers mirror` makes.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tollgate_acceptance::Failure;

/// The version of hashicorp/aws that is compared with.
pub(crate) const AWS_VERSION: &str = "5.100.0";
/// The version of this provider.
pub(crate) const TOLLGATE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Names a mirror that holds hashicorp/aws.
pub(crate) const MIRROR_VARIABLE: &str = "TOLLGATE_TF_PLUGINS";

/// Where this provider comes from, as the measured configurations say: no registry, and nobody asks it.
const HOST: &str = "mirror.example";
const USUAL_PLACES: [&str; 2] = ["/opt/tf-plugins", "/usr/local/share/terraform/plugins"];
const USUAL_PLACES_AT_HOME: [&str; 2] = ["tf-plugins", ".terraform.d/plugins"];

/// A mirror that holds a provider.
pub(crate) struct Mirror {
    /// Where the mirror is.
    pub(crate) folder: PathBuf,
    /// The provider's program.
    pub(crate) provider: PathBuf,
    /// What is removed in the end.
    _own: Option<TempDir>,
}

impl Mirror {
    /// A mirror made for the provider that was just built. Terraform treats it as it treats every other: it checks the
    /// program's hash at each run, which it does not with one that is overridden for development.
    pub(crate) fn of_tollgate(built: &Path) -> Result<Self, Failure> {
        let own = TempDir::with_prefix("tollgate-mirror-")
            .map_err(Failure::system("no temporary folder"))?;
        let host = own.path().join(HOST);
        let package = package(&host, "tollgate/tollgate", TOLLGATE_VERSION);
        std::fs::create_dir_all(&package).map_err(Failure::file(&package))?;
        let provider = package.join(format!("terraform-provider-tollgate_v{TOLLGATE_VERSION}"));
        std::fs::copy(built, &provider).map_err(Failure::file(&provider))?;
        Ok(Self {
            folder: own.path().to_owned(),
            provider,
            _own: Some(own),
        })
    }

    /// The mirror of hashicorp/aws that the environment names, or one in a usual place.
    pub(crate) fn find_aws() -> Option<Self> {
        candidates().into_iter().find_map(Self::of_aws)
    }

    fn of_aws(folder: PathBuf) -> Option<Self> {
        let is_program = |name: &str| name.starts_with("terraform-provider-aws_v");
        let hosts = folder.read_dir().ok()?.flatten();
        let packages = hosts.map(|host| package(&host.path(), "hashicorp/aws", AWS_VERSION));
        let files = packages.filter_map(|package| package.read_dir().ok());
        let mut programs = files
            .flatten()
            .flatten()
            .filter(|file| file.file_name().to_str().is_some_and(is_program));
        Some(Self {
            provider: programs.next()?.path(),
            folder,
            _own: None,
        })
    }
}

fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(MIRROR_VARIABLE) {
        return vec![PathBuf::from(named)];
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let at_home = home
        .iter()
        .flat_map(|home| USUAL_PLACES_AT_HOME.map(|place| home.join(place)));
    at_home.chain(USUAL_PLACES.map(PathBuf::from)).collect()
}

fn package(host: &Path, source: &str, version: &str) -> PathBuf {
    host.join(source).join(version).join(platform())
}

/// This machine, as Terraform's registries name it.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{processor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_provider_is_no_mirror() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Mirror::of_aws(folder.path().to_owned()).is_none());

        let host = folder.path().join("registry.example");
        let package = package(&host, "hashicorp/aws", AWS_VERSION);
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("LICENSE.txt"), "").unwrap();
        assert!(Mirror::of_aws(folder.path().to_owned()).is_none());

        let program = package.join("terraform-provider-aws_v5.100.0_x5");
        std::fs::write(&program, "").unwrap();
        let mirror = Mirror::of_aws(folder.path().to_owned()).unwrap();
        assert_eq!(mirror.provider, program);
    }
}
