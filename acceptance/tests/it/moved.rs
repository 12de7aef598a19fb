//! Resources that another provider address kept: one that was built by hand, or a fork.

use tempfile::TempDir;
use tollgate_acceptance::{Binaries, Place, Terraform};

use crate::everything::declared;

fn provider(source: &str) -> String {
    format!(
        "terraform {{\n  required_providers {{\n    tollgate = {{ source = \"{source}\" }}\n  }}\n}}\nprovider \"tollgate\" {{}}\n"
    )
}

#[test]
fn a_resource_of_a_provider_at_another_address_moves_here_as_it_is() {
    let folder = TempDir::with_prefix("tollgate-moved-").unwrap();
    let binaries = Binaries::find().unwrap();
    let place = Place::Directory(folder.path().join("store"));
    let mut terraform = Terraform::new(&binaries, &place).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", "moved");
    let overrides = format!(
        "disable_checkpoint = true\nprovider_installation {{\n  dev_overrides {{\n    \"tollgate/tollgate\" = \"{0}\"\n    \
         \"built-here/tollgate\" = \"{0}\"\n  }}\n}}\n",
        binaries.folder().display()
    );
    terraform.write("both.tfrc", &overrides).unwrap();
    let both = terraform.folder().join("both.tfrc");
    terraform.set("TF_CLI_CONFIG_FILE", &both.display().to_string());
    let before = format!("{}{}", provider("built-here/tollgate"), declared());
    terraform.write("main.tf", &before).unwrap();
    terraform.apply(&[]).unwrap();

    let after = declared()
        .replace("\" \"it\" {", "\" \"here\" {")
        .replace(".it.", ".here.");
    let moves: Vec<String> = crate::everything::RESOURCES
        .iter()
        .map(|one| {
            let kind = one.kind;
            format!("moved {{\n  from = {kind}.it\n  to = {kind}.here\n}}\n")
        })
        .collect();
    let moves = moves.concat();
    let after = format!("{}{after}{moves}", provider("tollgate/tollgate"));
    terraform.write("main.tf", &after).unwrap();
    let plan = terraform.plan(&[]).unwrap();

    assert!(
        plan.output.contains("0 to add, 0 to change, 0 to destroy"),
        "{}",
        plan.output
    );
    let applied = terraform.apply(&[]).unwrap();
    assert!(
        applied.output.contains("0 added, 0 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    terraform.expect_empty_plan(&[]).unwrap();
    terraform.destroy(&[]).unwrap();
}

#[test]
fn a_resource_of_another_type_does_not_move_here() {
    let folder = TempDir::with_prefix("tollgate-moved-").unwrap();
    let binaries = Binaries::find().unwrap();
    let place = Place::Directory(folder.path().join("store"));
    let mut terraform = Terraform::new(&binaries, &place).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", "moved");
    let role = "resource \"tollgate_role\" \"it\" {\n  name = \"it\"\n  scopes = [\"it\"]\n}\n";
    let scope = "resource \"tollgate_scope\" \"it\" {\n  name = \"it\"\n  grants = [{ path = \"/**\" }]\n}\n";
    terraform
        .write(
            "main.tf",
            &format!("{}{scope}", provider("tollgate/tollgate")),
        )
        .unwrap();
    terraform.apply(&[]).unwrap();

    let moved = "moved {\n  from = tollgate_scope.it\n  to = tollgate_role.it\n}\n";
    terraform
        .write(
            "main.tf",
            &format!("{}{role}{moved}", provider("tollgate/tollgate")),
        )
        .unwrap();
    let refused = terraform.plan(&[]).unwrap();

    assert_eq!(refused.status, 1, "{}", refused.output);
    assert!(
        refused
            .flowing()
            .contains("The state of tollgate_scope can't be moved to tollgate_role"),
        "{}",
        refused.output
    );
}
