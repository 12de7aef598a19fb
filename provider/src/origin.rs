//! Which state this run of Terraform keeps, as far as a provider can tell.
//!
//! Terraform tells a provider neither its workspace nor its backend. Both can be seen from where it runs: the provider
//! is started in the root module's folder, beside Terraform's data folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tollgate_store::document::Origin;

const DEFAULT_WORKSPACE: &str = "default";
const DEFAULT_DATA_FOLDER: &str = ".terraform";
/// The most that is read of a file of Terraform's.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The origin of what this process creates: the folder, the workspace and the backend. `None` where the folder can't be
/// told. `environment` looks a variable up.
pub(crate) fn find(environment: &dyn Fn(&str) -> Option<String>) -> Option<Origin> {
    let folder = std::env::current_dir().ok()?;
    Some(of(&folder, environment))
}

fn of(folder: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Origin {
    let variable = |name| environment(name).filter(|text| !text.is_empty());
    let data = variable("TF_DATA_DIR").map_or_else(|| DEFAULT_DATA_FOLDER.into(), PathBuf::from);
    let data = folder.join(data);
    let workspace = variable("TF_WORKSPACE")
        .or_else(|| read(&data.join("environment")))
        .unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned());
    let backend = read(&data.join("terraform.tfstate"))
        .and_then(|text| serde_json::from_str::<Json>(&text).ok())
        .and_then(|mut json| json.get_mut("backend").map(Json::take))
        .unwrap_or_default();
    Origin::of(&[
        folder.as_os_str().as_encoded_bytes(),
        workspace.trim().as_bytes(),
        backend.to_string().as_bytes(),
    ])
}

fn read(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    (size <= FILE_BYTES_MAX).then(|| fs::read_to_string(path).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_same_folder_workspace_and_backend_are_one_origin() {
        let folder = tempfile::tempdir().unwrap();
        let first = of(folder.path(), &plain);

        assert_eq!(of(folder.path(), &plain), first);
        let named = |name: &str| (name == "TF_WORKSPACE").then(|| DEFAULT_WORKSPACE.to_owned());
        assert_eq!(of(folder.path(), &named), first);
    }

    #[test]
    fn another_folder_workspace_or_backend_is_another_origin() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = folder.path().join(DEFAULT_DATA_FOLDER);
        let first = of(folder.path(), &plain);
        let mut seen = vec![first.clone(), of(other.path(), &plain)];
        let named = |name: &str| (name == "TF_WORKSPACE").then(|| "staging".to_owned());
        seen.push(of(folder.path(), &named));

        fs::create_dir(&data).unwrap();
        fs::write(data.join("environment"), "prod\n").unwrap();
        seen.push(of(folder.path(), &plain));
        for bucket in ["one", "two"] {
            let text =
                format!(r#"{{"backend": {{"type": "s3", "config": {{"bucket": "{bucket}"}}}}}}"#);
            fs::write(data.join("terraform.tfstate"), text).unwrap();
            seen.push(of(folder.path(), &plain));
        }

        for (index, origin) in seen.iter().enumerate() {
            assert!(!seen.iter().skip(index + 1).any(|other| other == origin));
        }
        fs::remove_dir_all(data).unwrap();
        assert_eq!(of(folder.path(), &plain), first);
    }

    #[test]
    fn terraforms_data_folder_may_be_elsewhere() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(data.path().join("environment"), "staging").unwrap();
        let path = data.path().to_str().unwrap().to_owned();
        let elsewhere = |name: &str| (name == "TF_DATA_DIR").then(|| path.clone());
        let named = |name: &str| (name == "TF_WORKSPACE").then(|| "staging".to_owned());

        assert_eq!(of(folder.path(), &elsewhere), of(folder.path(), &named));
    }
}
