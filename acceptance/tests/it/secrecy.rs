//! The token is in nothing that terraform writes, prints or logs.

use std::path::Path;

use tollgate_store::Secret;

use crate::everything::{changed, declared};
use crate::stores::{Run, declare, on_both_stores};

on_both_stores! {
    the_token_is_in_no_file_that_terraform_wrote_and_in_no_log => super::the_token_stays_in_its_place;
}

/// Has no conditions: Terraform 1.11 can't show a saved plan as JSON that has them on an ephemeral resource.
const EPHEMERAL: &str = r#"
ephemeral "tollgate_key" "it" {
  name        = tollgate_key.it.name
  fingerprint = tollgate_key.it.fingerprint
}
"#;

#[test]
#[should_panic(expected = "holds the token that was kept in")]
fn a_token_that_stands_in_a_log_fails_the_test() {
    a_token_is_planted(crate::stores::directory("leak"));
}

#[test]
#[should_panic(expected = "holds the token that was kept in")]
fn a_token_of_secrets_manager_is_found_too() {
    a_token_is_planted(crate::stores::localstack("leak"));
}

/// An old token in a log, as it would stand there: nobody holds it any more when the folder goes.
fn a_token_is_planted(mut run: Run) {
    run.terraform.watch_for_leaks(&run.place);
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let shown = ["state", "show", "-no-color", "tollgate_key.it"];
    let shown = run.terraform.run(&shown).unwrap().output;
    let token = run.place.token(attribute(&shown, "secret_id")).unwrap();
    run.declare("");
    run.terraform.apply(&[]).unwrap();
    run.terraform
        .write("trace.log", &format!("sent {}", token.expose()))
        .unwrap();
}

fn the_token_stays_in_its_place(run: &Run) {
    let mut terraform = crate::stores::another(run);
    let log = terraform.folder().join("trace.log");
    terraform.set("TF_LOG", "trace");
    terraform.set("TF_LOG_PATH", &log.display().to_string());
    declare(&terraform, &(declared() + EPHEMERAL));

    let printed_by = |arguments: &[&str]| {
        let finished = terraform.run(arguments).unwrap();
        finished.expect_success().unwrap().output
    };

    let mut printed = vec![terraform.apply(&[]).unwrap().output];
    let shown = printed_by(&["state", "show", "-no-color", "tollgate_key.it"]);
    let token = run.place.token(attribute(&shown, "secret_id")).unwrap();
    printed.push(shown);
    declare(&terraform, &(changed() + EPHEMERAL));
    printed.push(printed_by(&["plan", "-no-color", "-out=saved"]));
    printed.push(printed_by(&["show", "-json", "saved"]));
    printed.push(printed_by(&["apply", "-no-color", "saved"]));
    printed.push(printed_by(&["show", "-json"]));
    terraform.destroy(&[]).unwrap();

    assert_eq!(token.expose().len(), "tg_test_".len() + 12 + 1 + 43 + 6);
    let traced = std::fs::read_to_string(&log).unwrap();
    for call in ["ApplyResourceChange", "OpenEphemeralResource"] {
        assert!(
            traced.contains(call),
            "no {call} in the log, which is no trace: this test would see nothing"
        );
    }
    for (index, text) in printed.iter().enumerate() {
        assert!(
            !holds(text.as_bytes(), &token),
            "output {index} holds the token"
        );
    }
    assert!(terraform.state_file().is_file());
    search(terraform.folder(), &token);
}

/// Searches every file of a folder, the compressed ones as they are: a saved plan was shown before.
fn search(folder: &Path, token: &Secret) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, token);
        } else {
            assert!(
                !holds(&std::fs::read(&path).unwrap(), token),
                "{} holds the token",
                path.display()
            );
        }
    }
}

/// Whether the text holds the token's secret part, also without what surrounds it.
fn holds(text: &[u8], token: &Secret) -> bool {
    let secret = token.expose().rsplit('_').next().unwrap().as_bytes();
    text.windows(secret.len()).any(|window| window == secret)
}

fn attribute<'a>(shown: &'a str, name: &str) -> &'a str {
    let line = shown
        .lines()
        .find(|line| line.trim_start().starts_with(name))
        .unwrap();
    line.split('"').nth(1).unwrap()
}
