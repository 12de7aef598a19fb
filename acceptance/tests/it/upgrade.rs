//! States and documents that the first version wrote.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tollgate_acceptance::{Binaries, Place, Terraform};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-v0")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, place).unwrap();
        }
    }
}

/// How this terraform calls the provider in its states.
fn provider_address(terraform: &Terraform) -> String {
    terraform
        .write(
            "main.tf",
            "terraform {\n  required_providers {\n    tollgate = { source = \"tollgate/tollgate\" }\n  }\n}\n",
        )
        .unwrap();
    let shown = terraform.run(&["providers"]).unwrap().output;
    let start = shown.find("provider[").expect(&shown) + "provider[".len();
    let end = shown[start..].find(']').unwrap();
    shown[start..start + end].to_owned()
}

#[test]
fn a_state_of_schema_version_0_is_upgraded_and_plans_empty() {
    let folder = TempDir::with_prefix("tollgate-upgrade-").unwrap();
    let store = folder.path().join("store");
    copy(&fixture().join("store"), &store);
    let binaries = Binaries::find().unwrap();
    let mut terraform = Terraform::new(&binaries, &Place::Directory(store.clone())).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", "upgrade");
    let address = provider_address(&terraform);
    terraform.copy(&fixture()).unwrap();
    let recorded = fs::read_to_string(fixture().join("state.json")).unwrap();
    assert!(
        recorded.contains("\"schema_version\": 0"),
        "a state of version 0"
    );
    let state = recorded
        .replace("PROVIDER", &address)
        // The token's file is where this test's store is.
        .replace(
            "store/upgrade/token",
            &store.join("upgrade/token").display().to_string(),
        );
    fs::write(terraform.state_file(), state).unwrap();

    terraform.expect_empty_plan(&[]).unwrap();
    let arguments = ["apply", "-refresh-only", "-auto-approve", "-no-color"];
    terraform.run(&arguments).unwrap().expect_success().unwrap();

    let upgraded = fs::read_to_string(terraform.state_file()).unwrap();
    assert!(!upgraded.contains("\"schema_version\": 0"), "{upgraded}");
    assert!(upgraded.contains("\"force_destroy\": false"), "{upgraded}");
    terraform.expect_empty_plan(&[]).unwrap();
    terraform.destroy(&[]).unwrap();
    assert!(!store.join("upgrade").exists());
}
