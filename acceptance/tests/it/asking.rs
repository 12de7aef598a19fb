//! Data sources, ephemeral resources and functions, as real terraform asks for them.

use crate::everything::declared;
use crate::stores::{Run, directory, on_both_stores};

on_both_stores! {
    keys_are_found_by_what_they_have_in_common => super::keys_are_found;
    an_ephemeral_token_is_the_keys_own => super::an_ephemeral_token_is_the_keys;
}

const FOUND: &str = r#"
data "tollgate_key" "it" {
  name = tollgate_key.it.name
}

data "tollgate_keys" "it" {
  scope    = "orders:read"
  metadata = { owner = "acme" }

  depends_on = [tollgate_key.it]
}

data "tollgate_keys" "of_set" {
  key_set = tollgate_key_set.it.name

  depends_on = [tollgate_key_set.it]
}

output "same" {
  value = alltrue([
    data.tollgate_key.it.id == tollgate_key.it.id,
    data.tollgate_key.it.secret_id == tollgate_key.it.secret_id,
    data.tollgate_key.it.expires_at == tollgate_key.it.expires_at,
    data.tollgate_keys.it.keys[0].fingerprint == tollgate_key.it.fingerprint,
  ])
}

output "names" {
  value = join(",", concat(data.tollgate_keys.it.names, ["of set:"], data.tollgate_keys.of_set.names))
}
"#;

fn keys_are_found(run: &Run) {
    run.declare(&(declared() + FOUND));

    run.terraform.apply(&[]).unwrap();

    assert_eq!(run.terraform.output("same").unwrap(), "true");
    assert_eq!(
        run.terraform.output("names").unwrap(),
        "acme-ci,of set:,partners/a,partners/b,partners/c"
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// The postconditions see the token: they fail the apply unless it is the key's.
const EPHEMERAL: &str = r#"
ephemeral "tollgate_key" "it" {
  name        = tollgate_key.it.name
  fingerprint = tollgate_key.it.fingerprint

  lifecycle {
    postcondition {
      condition     = provider::tollgate::key_valid(self.token) && length(self.token) == 70
      error_message = "It is no token."
    }
    postcondition {
      condition     = provider::tollgate::key_id(self.token) == tollgate_key.it.id && self.id == tollgate_key.it.id
      error_message = "It is another key's."
    }
    postcondition {
      condition     = substr(sha256(self.token), 0, 16) == tollgate_key.it.fingerprint
      error_message = "It is another token."
    }
  }
}
"#;

fn an_ephemeral_token_is_the_keys(run: &Run) {
    run.declare(&(declared() + EPHEMERAL));

    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

#[test]
fn an_ephemeral_key_that_does_not_exist_is_told_at_its_name() {
    let run = directory("ephemeral");
    run.declare("ephemeral \"tollgate_key\" \"it\" {\n  name = \"nobody\"\n}\n");

    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();

    let text = refused.flowing();
    for expected in [
        r#"There is no key "nobody""#,
        "give fingerprint that resource's own",
    ] {
        assert!(text.contains(expected), "{}", refused.output);
    }
}

#[test]
fn functions_work_without_a_configured_provider() {
    let run = directory("functions");
    let configuration = r#"
output "seconds" {
  value = provider::tollgate::duration_seconds("30d") + provider::tollgate::duration_seconds("500ms")
}

output "valid" {
  value = provider::tollgate::key_valid("tg_live_mistyped")
}
"#;
    run.declare(configuration);

    run.terraform.apply(&[]).unwrap();

    assert_eq!(run.terraform.output("seconds").unwrap(), "2592000.5");
    assert_eq!(run.terraform.output("valid").unwrap(), "false");
}

#[test]
fn a_functions_mistake_is_told_at_its_argument_without_the_token() {
    let run = directory("functions");
    run.declare("output \"id\" {\n  value = provider::tollgate::key_id(\"tg_live_s3cret\")\n}\n");

    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();

    let text = refused.flowing();
    let expected =
        r#"Invalid value for "token" parameter: it is not a token of Tollgate: it must be"#;
    assert!(text.contains(expected), "{}", refused.output);
}

#[test]
fn policies_are_made_without_asking_the_store() {
    let mut run = directory("policies");
    run.terraform.set("TOLLGATE_STORE", "secretsmanager");
    run.terraform.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    run.terraform.set("AWS_REGION", "eu-west-1");
    let configuration = r#"
data "tollgate_iam_policy" "it" {
  role       = "enforce"
  region     = "eu-west-1"
  account_id = "123456789012"
}

output "resources" {
  value = join(" ", jsondecode(data.tollgate_iam_policy.it.json).Statement[0].Resource)
}
"#;
    run.declare(configuration);

    run.terraform.apply(&[]).unwrap();

    let of = |name: &str| {
        let namespace = &run.namespace;
        format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:tollgate/{namespace}/{name}")
    };
    let expected = format!("{} {}", of("index-??????"), of("shard-*"));
    assert_eq!(run.terraform.output("resources").unwrap(), expected);
}
