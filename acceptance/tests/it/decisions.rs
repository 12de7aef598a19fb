//! `tollgate_decision` where it is meant to be used: in checks and in `terraform test`.

use std::path::Path;

use crate::everything::declared;
use crate::stores::{Run, directory, on_both_stores};

on_both_stores! {
    a_check_asks_what_a_proxy_would_answer => super::a_check_asks;
}

/// Holds in the same apply that declares what it asks about.
const CHECK: &str = r#"
check "orders" {
  data "tollgate_decision" "reader" {
    proxy  = tollgate_proxy.it.name
    method = "GET"
    host   = "api.example.com"
    path   = "/v1/orders/1"
    key    = tollgate_key.it.name

    depends_on = [tollgate_key.it, tollgate_route.it]
  }

  assert {
    condition     = data.tollgate_decision.reader.allowed
    error_message = "Refused: ${data.tollgate_decision.reader.reason}"
  }
}
"#;

fn a_check_asks(run: &Run) {
    run.declare(&(declared() + CHECK));
    let allowed = run.terraform.apply(&[]).unwrap();
    let enabled = "environment   = \"test\"";
    let disabled = declared().replace(enabled, "environment   = \"test\"\n  enabled = false");
    run.declare(&(disabled + CHECK));

    let refused = run.terraform.apply(&[]).unwrap();

    assert!(!allowed.flowing().contains("Check block assertion failed"));
    let text = refused.flowing();
    assert!(
        text.contains("Check block assertion failed"),
        "{}",
        refused.output
    );
    assert!(text.contains("Refused: "), "{}", refused.output);
    run.terraform.destroy(&[]).unwrap();
}

/// What `terraform test` runs: it applies to a store of its own, asks, and destroys.
const TESTS: &str = r#"
run "a_reader_reads" {
  assert {
    condition     = data.tollgate_decision.it.allowed && data.tollgate_decision.it.scope == "orders:read"
    error_message = data.tollgate_decision.it.reason
  }
}

run "a_reader_does_not_write" {
  variables {
    method = "DELETE"
  }

  assert {
    condition     = data.tollgate_decision.it.code == "scope_insufficient"
    error_message = data.tollgate_decision.it.reason
  }
}

run "the_eleventh_in_a_minute_waits" {
  variables {
    requests = 11
  }

  assert {
    condition     = data.tollgate_decision.it.quota == "free" && data.tollgate_decision.it.retry_after_seconds >= 60
    error_message = data.tollgate_decision.it.reason
  }
}

run "nothing_is_open_after_it_expired" {
  variables {
    at = "2046-07-01T00:00:00Z"
  }

  assert {
    condition     = data.tollgate_decision.it.code == "credential_expired"
    error_message = data.tollgate_decision.it.reason
  }
}
"#;

const ASKED: &str = r#"
variable "method" {
  default = "GET"
}

variable "requests" {
  default = 1
}

variable "at" {
  default = null
}

data "tollgate_decision" "it" {
  proxy    = tollgate_proxy.it.name
  method   = var.method
  host     = "api.example.com"
  path     = "/v1/orders/1"
  key      = tollgate_key.it.name
  requests = var.requests
  at       = var.at

  depends_on = [tollgate_route.it]
}
"#;

#[test]
fn terraform_test_asks_what_a_proxy_would_answer() {
    let run = directory("tests");
    run.declare(&(declared() + ASKED));
    run.terraform.write("access.tftest.hcl", TESTS).unwrap();

    let passed = run.terraform.run(&["test", "-no-color"]).unwrap();

    let passed = passed.expect_success().unwrap();
    assert!(
        passed.output.contains("4 passed, 0 failed"),
        "{}",
        passed.output
    );
}

#[test]
fn the_example_of_policy_tests_passes() {
    let run = directory("tests");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policy-tests");
    run.terraform.copy(&example).unwrap();
    let tests = std::fs::read_to_string(example.join("access.tftest.hcl")).unwrap();
    run.terraform.write("access.tftest.hcl", &tests).unwrap();

    let passed = run.terraform.run(&["test", "-no-color"]).unwrap();

    let passed = passed.expect_success().unwrap();
    assert!(
        passed.output.contains("6 passed, 0 failed"),
        "{}",
        passed.output
    );
    let left = run.terraform.folder().join(".tollgate/policy-tests");
    assert!(!left.exists(), "{} was left behind", left.display());
}
