//! What a person did wrong is said at the right place, in time, with what would be right.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tollgate_acceptance::tour::Stage;
use tollgate_acceptance::{Binaries, Place, Process, Proxy, Terraform, free_port, fresh_namespace};

use crate::stores::{REQUIRED, declare, directory, localstack};

const SCOPE: &str = r#"
resource "tollgate_scope" "it" {
  name   = "a"
  grants = [{ path = "/" }]
}
"#;
/// The promise is 10 s; the rest is terraform's own start on a busy machine.
const FAILURE_MAX: Duration = Duration::from_secs(30);

#[test]
fn every_wrong_attribute_is_told_at_plan_time_with_its_line() {
    let run = directory("bad");
    let configuration = r#"
resource "tollgate_scope" "it" {
  name   = "orders read"
  grants = [
    { path = "/v1/orders/**" },
    { path = "v1/orders", methods = ["get"] },
  ]
}

resource "tollgate_quota" "it" {
  name   = "free"
  limits = [{ requests = 10, per = "1 minute" }]
}

resource "tollgate_role" "it" {
  name      = "office"
  scopes    = ["orders:read"]
  condition = <<-EOT
    context.weekday <= 5
    && context.hous >= 9
  EOT
}
"#;
    run.declare(configuration);

    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();

    let text = refused.flowing();
    for expected in [
        r#""orders read" is not a name"#,
        r#""v1/orders" is not a path: it must start with '/'"#,
        r#"methods are capitals, write "GET""#,
        r#""1 minute" is not a duration"#,
        "on main.tf line 11",
        // The attribute that holds what is wrong.
        "on main.tf line 12",
        "Line 2, column 4: ",
    ] {
        assert!(
            text.contains(expected),
            "no {expected:?} in\n{}",
            refused.output
        );
    }
}

#[test]
fn a_provider_without_a_store_says_how_to_name_one() {
    let folder = TempDir::new().unwrap();
    let place = Place::Directory(folder.path().to_owned());
    let mut terraform = Terraform::new(&Binaries::find().unwrap(), &place).unwrap();
    terraform.set("TOLLGATE_STORE", "");
    terraform.set("TOLLGATE_NAMESPACE", "test");
    declare(&terraform, SCOPE);

    let refused = terraform.plan(&[]).unwrap().expect_error().unwrap();

    for expected in ["directory", "secrets_manager", "TOLLGATE_STORE"] {
        assert!(
            refused.flowing().contains(expected),
            "no {expected:?} in\n{}",
            refused.output
        );
    }
}

#[test]
fn a_directory_that_is_a_file_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store");
    std::fs::write(&file, "not a folder").unwrap();
    let mut terraform =
        Terraform::new(&Binaries::find().unwrap(), &Place::Directory(file.clone())).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", "test");
    declare(&terraform, SCOPE);

    let refused = terraform.try_apply().unwrap().expect_error().unwrap();

    assert!(
        refused.flowing().contains(&file.display().to_string()),
        "{}",
        refused.output
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn a_document_that_was_broken_by_hand_leaves_the_rest_served_and_is_named() {
    let run = directory("broken");
    let mut stage = Stage::set(&run.binaries, &run.place, &run.namespace).unwrap();
    stage.apply(false).unwrap();
    let token = run
        .place
        .token(&stage.terraform.output("token_place").unwrap())
        .unwrap();
    let Place::Directory(store) = &run.place else {
        panic!("not a directory")
    };
    let documents = store.join(run.namespace.as_str());
    let healthy = stage.proxy.admin("/metrics").unwrap().body;
    assert!(!healthy.contains(r#"name="free""#), "{healthy}");

    let quota = documents.join("quota").join("free.json");
    let broken = quota.with_extension("new");
    std::fs::write(&broken, "{ \"kind\": \"quota\", oops").unwrap();
    std::fs::rename(&broken, &quota).unwrap();

    stage.proxy.await_poll().unwrap();
    // The key depends on the quota: without its limit it opens nothing.
    let revoked = stage.with_a_revoked_key(&token).unwrap();
    assert!(revoked.is_as_expected(), "{revoked:?}");
    let metrics = stage.proxy.admin("/metrics").unwrap().body;
    for rejected in [r#"name="free""#, r#"name="acme-ci""#] {
        assert!(
            metrics
                .lines()
                .any(|line| line.contains("rejected") && line.contains(rejected)),
            "{metrics}"
        );
    }
    let log = stage.proxy.process().output();
    assert!(log.contains("free") && log.contains("acme-ci"), "{log}");
    assert_eq!(stage.proxy.admin("/readyz").unwrap().status, 200);

    let refused = stage
        .terraform
        .plan(&[&format!("namespace={}", run.namespace)])
        .unwrap()
        .expect_error()
        .unwrap();
    assert!(
        refused.flowing().contains(r#"quota "free""#),
        "{}",
        refused.output
    );
}

#[test]
fn an_unknown_namespace_leaves_the_proxy_waiting_and_saying_so() {
    let run = directory("unknown");
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();

    proxy.await_reason(run.namespace.as_str()).unwrap();

    assert_eq!(proxy.admin("/readyz").unwrap().status, 503);
    assert!(proxy.process().is_running());
}

#[test]
fn a_store_that_cant_be_reached_ends_the_proxy_with_cause_and_remedy() {
    // Nothing listens there.
    let endpoint = format!("http://127.0.0.1:{}", free_port().unwrap());
    expect_unreachable(&endpoint);
}

#[test]
fn a_store_that_never_answers_ends_the_proxy_with_cause_and_remedy() {
    // Accepts connections in the kernel's queue, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    expect_unreachable(&endpoint);
}

#[test]
fn missing_credentials_end_the_proxy_with_cause_and_remedy() {
    let said = proxy_on_secrets_manager(&[("AWS_EC2_METADATA_DISABLED", "true")]);

    assert!(said.contains("credentials"), "{said}");
    assert!(said.contains("AWS_PROFILE"), "{said}");
}

#[test]
fn missing_credentials_and_a_silent_endpoint_fail_a_plan_with_cause_and_remedy() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let with_keys = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ];
    let without_keys = [("AWS_EC2_METADATA_DISABLED", "true")];
    for (settings, expected) in [
        (&with_keys[..], "can't be reached"),
        (&without_keys[..], "credentials"),
    ] {
        let folder = TempDir::new().unwrap();
        let place = Place::Directory(folder.path().to_owned());
        let mut terraform = Terraform::new(&Binaries::find().unwrap(), &place).unwrap();
        terraform.set("TOLLGATE_STORE", "secretsmanager");
        terraform.set("TOLLGATE_NAMESPACE", "test");
        terraform.set("AWS_REGION", "eu-west-1");
        // No profile of the person who runs the test.
        terraform.set("HOME", &folder.path().display().to_string());
        for (name, value) in settings {
            terraform.set(name, value);
        }
        declare(&terraform, SCOPE);

        let mut apply = Process::start(&mut terraform.command(&Terraform::APPLY)).unwrap();

        assert_eq!(apply.wait(FAILURE_MAX.as_secs()).unwrap().code(), Some(1));
        assert!(apply.output().contains(expected), "{}", apply.output());
    }
}

/// A key whose ARN shows, in LocalStack, which access key made it: twelve digits are the account's number.
const KEY: &str = r#"
resource "tollgate_scope" "it" {
  name   = "a"
  grants = [{ path = "/" }]
}

resource "tollgate_key" "it" {
  name   = "a"
  scopes = [tollgate_scope.it.name]
}

output "arn" {
  value = tollgate_key.it.secret_arn
}
"#;

#[test]
fn a_profile_that_is_named_counts_before_the_environment_and_a_missing_one_is_told() {
    let mut run = localstack("profile");
    let profiles = run.terraform.folder().join("credentials");
    let text = "[ops]\naws_access_key_id = 222222222222\naws_secret_access_key = test\n";
    std::fs::write(&profiles, text).unwrap();
    let profiles = profiles.display().to_string();
    run.terraform.set("AWS_SHARED_CREDENTIALS_FILE", &profiles);
    run.terraform.set("AWS_ACCESS_KEY_ID", "111111111111");
    let declared = |profile: &str| {
        let provider = format!(
            "provider \"tollgate\" {{\n  secrets_manager = {{ profile = \"{profile}\" }}\n}}\n"
        );
        run.terraform
            .write("main.tf", &format!("{REQUIRED}{provider}{KEY}"))
            .unwrap();
    };

    declared("nope");
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    let told = r#"the profile "nope" gives no credentials"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);

    declared("ops");
    run.terraform.apply(&[]).unwrap();
    let arn = run.terraform.output("arn").unwrap();
    assert!(arn.contains(":222222222222:"), "{arn}");
    run.terraform.destroy(&[]).unwrap();
}

#[test]
fn a_directory_that_is_a_file_is_told_at_its_attribute() {
    let run = directory("file");
    run.terraform.write("file", "no folder").unwrap();
    let provider = "provider \"tollgate\" {\n  directory = \"./file\"\n}\n";
    run.terraform
        .write("main.tf", &format!("{REQUIRED}{provider}{SCOPE}"))
        .unwrap();

    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();

    assert!(
        refused.flowing().contains("./file is no folder"),
        "{}",
        refused.output
    );
    assert!(
        refused.output.contains("directory = \"./file\""),
        "{}",
        refused.output
    );
}

#[test]
fn a_wrong_setting_of_the_proxy_is_named_with_what_would_be_right() {
    for (arguments, expected) in [
        (["--store", "s3:bucket"], "secretsmanager"),
        (["--namespace", "Prod!"], "namespace"),
        (["--poll", "5 seconds"], "poll"),
        (["--admin", "localhost"], "admin"),
    ] {
        let defaults = [
            ("--store", "directory:/nonexistent"),
            ("--namespace", "test"),
            ("--proxy", "edge"),
        ];
        let others = defaults
            .iter()
            .filter(|(name, _)| *name != arguments[0])
            .flat_map(|(name, value)| [name, value]);
        let ended = Command::new(Binaries::find().unwrap().proxy())
            .arg("serve")
            .args(others)
            .args(arguments)
            .output()
            .unwrap();

        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success());
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

fn expect_unreachable(endpoint: &str) {
    let said = proxy_on_secrets_manager(&[
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ]);

    assert!(said.contains("can't be reached"), "{said}");
    assert!(said.contains(endpoint), "{said}");
}

fn proxy_on_secrets_manager(settings: &[(&str, &str)]) -> String {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(Binaries::find().unwrap().proxy());
    for name in [
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
    ] {
        command.env_remove(name);
    }
    command
        .args(["serve", "--store", "secretsmanager", "--proxy", "edge"])
        .args(["--namespace", fresh_namespace("test").unwrap().as_str()])
        .args(["--admin", &format!("127.0.0.1:{}", free_port().unwrap())])
        .env("AWS_REGION", "eu-west-1")
        .env("HOME", home.path())
        .envs(settings.iter().copied());
    let mut proxy = Process::start(&mut command).unwrap();
    let status = proxy.wait(FAILURE_MAX.as_secs()).unwrap();
    assert!(!status.success(), "{}", proxy.output());
    proxy.output()
}
