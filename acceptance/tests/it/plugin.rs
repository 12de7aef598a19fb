//! The provider as a process: what it says to a person, how it is debugged, and that nothing of it stays.

use std::process::Command;

use tollgate_acceptance::{Binaries, Process};

use crate::stores::{PROVIDER, REQUIRED, directory};

#[test]
fn a_person_who_runs_the_provider_is_told_what_it_is() {
    let ended = Command::new(Binaries::find().unwrap().provider())
        .env_remove("TF_PLUGIN_MAGIC_COOKIE")
        .output()
        .unwrap();

    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.is_empty());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("this is a Terraform provider"), "{said}");
}

#[test]
fn terraform_attaches_to_a_provider_that_is_debugged() {
    let mut run = directory("debug");
    let mut debugged = Command::new(run.binaries.provider());
    debugged
        .arg("--debug")
        .env("TOLLGATE_NAMESPACE", run.namespace.as_str())
        .envs(run.place.environment());
    let mut provider = Process::start(&mut debugged).unwrap();
    provider.await_output("TF_REATTACH_PROVIDERS=").unwrap();
    let said = provider.output();
    let reattach = said
        .trim()
        .strip_prefix("TF_REATTACH_PROVIDERS=")
        .unwrap()
        .trim_matches('\'')
        .to_owned();
    run.terraform.set("TF_REATTACH_PROVIDERS", &reattach);
    run.declare(&crate::everything::declared());

    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();

    assert!(
        provider.is_running(),
        "terraform must not end a provider that it did not start"
    );
    provider.signal("INT").unwrap();
    assert!(provider.wait(10).unwrap().success());
    let socket = serde_json::from_str::<serde_json::Value>(&reattach).unwrap();
    let address = socket.as_object().unwrap().values().next().unwrap()["Addr"]["String"]
        .as_str()
        .unwrap();
    assert!(
        !std::path::Path::new(address).exists(),
        "{address} was left behind"
    );
}

#[test]
fn the_schema_is_one_that_terraform_accepts() {
    let run = directory("schema");
    run.terraform
        .write("main.tf", &format!("{REQUIRED}{PROVIDER}"))
        .unwrap();

    let shown = run
        .terraform
        .run(&["providers", "schema", "-json"])
        .unwrap()
        .expect_success()
        .unwrap();

    let schema: serde_json::Value = serde_json::from_str(&shown.output).unwrap();
    let provider = schema["provider_schemas"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    for resource in &crate::everything::RESOURCES {
        let attributes = &provider["resource_schemas"][resource.kind]["block"]["attributes"];
        assert!(
            attributes["name"]["description"].is_string(),
            "{}",
            resource.kind
        );
    }
}

#[test]
fn no_socket_is_left_behind() {
    let mut run = directory("sockets");
    let temporary = tempfile::tempdir().unwrap();
    run.terraform
        .set("TMPDIR", &temporary.path().display().to_string());
    run.declare(&crate::everything::declared());

    run.terraform.apply(&[]).unwrap();

    let left: Vec<_> = temporary
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_examples_of_every_resource_apply() {
    for resource in &crate::everything::RESOURCES {
        let run = directory("examples");
        // The files beside it show how to import what is not there.
        let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/resources")
            .join(resource.kind)
            .join("resource.tf");
        let example = std::fs::read_to_string(example).unwrap();
        run.terraform.write("resource.tf", &example).unwrap();
        run.terraform
            .write("provider.tf", &format!("{REQUIRED}{PROVIDER}"))
            .unwrap();

        run.terraform
            .apply(&[])
            .unwrap_or_else(|failure| panic!("{}: {failure}", resource.kind));
        run.terraform.expect_empty_plan(&[]).unwrap();
    }
}
