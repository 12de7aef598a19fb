//! Every resource, from its first plan to its end.

use serde_json::Value;
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::token::Verifier;

use tollgate_acceptance::Terraform;

use crate::everything::{RESOURCES, changed, declared};
use crate::stores::{Run, on_both_stores};

on_both_stores! {
    every_resource_is_created_changed_imported_and_destroyed => super::every_resource_lives;
    a_change_behind_terraforms_back_is_shown_and_repaired => super::drift_is_repaired;
    a_document_that_was_removed_by_hand_is_made_again => super::loss_is_repaired;
    a_document_that_exists_already_is_not_taken_over => super::an_existing_document_is_safe;
    an_apply_that_nobody_remembers_is_gone_on_with => super::a_forgotten_create_converges;
    what_is_missing_or_still_in_use_is_told_by_name => super::references_are_checked;
    a_scope_in_use_gets_another_name => super::a_scope_in_use_is_renamed;
    a_change_between_plan_and_apply_is_not_overwritten => super::a_late_change_is_safe;
    a_new_name_replaces_the_document => super::a_new_name_replaces;
    a_key_under_another_address_has_a_token_that_opens_it => super::another_address_keeps_a_good_token;
    everything_under_another_address_is_made_anew_by_one_apply => super::everything_gets_another_address;
    another_workspace_takes_nothing_away => super::another_workspace_takes_nothing;
    a_name_that_is_declared_twice_is_refused_by_every_plan => super::a_name_twice_is_refused;
    a_replacement_is_no_name_declared_twice => super::a_replacement_is_no_name_twice;
    a_scope_goes_in_one_apply_with_its_last_reference => super::a_scope_goes_with_its_last_reference;
}

fn every_resource_lives(run: &Run) {
    let terraform = &run.terraform;
    run.declare(&declared());

    terraform.apply(&[]).unwrap();
    terraform.expect_empty_plan(&[]).unwrap();

    run.declare(&changed());
    let applied = terraform.apply(&[]).unwrap();
    assert!(
        applied.output.contains("0 added, 9 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    terraform.expect_empty_plan(&[]).unwrap();

    for resource in &RESOURCES {
        let address = resource.address();
        terraform
            .run(&["state", "rm", &address])
            .unwrap()
            .expect_success()
            .unwrap();
        let import = [
            "import",
            "-no-color",
            "-input=false",
            &address,
            resource.name,
        ];
        terraform.run(&import).unwrap().expect_success().unwrap();
    }
    terraform.expect_empty_plan(&[]).unwrap();

    terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

const SCOPE: &str = r#"
resource "tollgate_scope" "it" {
  name   = "orders:read"
  grants = [{ path = "/v1/orders/**" }]
}
"#;

fn drift_is_repaired(run: &Run) {
    let terraform = &run.terraform;
    run.declare(&declared());
    terraform.apply(&[]).unwrap();

    run.with_store(async |store| {
        for resource in &RESOURCES {
            edit(&*store, &resource.key()).await;
        }
    });

    let plan = terraform.plan(&[]).unwrap();
    assert_eq!(plan.status, 2, "{}", plan.output);
    for shown in [
        "0 to add, 9 to change, 0 to destroy",
        r#""edited by hand" -> "Read orders.""#,
        "= false -> true",
    ] {
        assert!(
            plan.output.contains(shown),
            "no {shown:?} in\n{}",
            plan.output
        );
    }
    terraform.apply(&[]).unwrap();
    terraform.expect_empty_plan(&[]).unwrap();
    terraform.destroy(&[]).unwrap();
}

fn loss_is_repaired(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();

    run.with_store(async |store| {
        for resource in &RESOURCES {
            let key = resource.key();
            let revision = store.read(&key).await.unwrap().unwrap().revision;
            store.delete(&key, &revision.unwrap()).await.unwrap();
        }
    });

    let applied = run.terraform.apply(&[]).unwrap();
    assert!(
        applied.output.contains("9 added, 0 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn references_are_checked(run: &Run) {
    const KEY: &str = r#"
resource "tollgate_key" "it" {
  name   = "acme-ci"
  scopes = ["orders:read"]
}
"#;
    run.declare(KEY);
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    let told = r#"Key "acme-ci" names scope "orders:read", which does not exist"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);

    // Without a reference Terraform knows of no order; the provider finds one.
    run.declare(&format!("{KEY}{SCOPE}"));
    run.terraform.apply(&[]).unwrap();

    run.declare(KEY);
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    let told = r#"Scope "orders:read" is still in use"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);
    assert!(
        refused.flowing().contains(r#"key "acme-ci" names it"#),
        "{}",
        refused.output
    );
    run.declare(&format!("{KEY}{SCOPE}"));
    run.terraform.destroy(&[]).unwrap();
}

fn an_existing_document_is_safe(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token_before = run.place.token(&secret_id(run)).unwrap();

    for resource in &RESOURCES {
        run.terraform
            .run(&["state", "rm", &resource.address()])
            .unwrap()
            .expect_success()
            .unwrap();
    }
    run.declare(&changed());
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    run.declare(&declared());

    assert!(
        refused
            .flowing()
            .contains(r#"Scope "orders:read" already exists"#),
        "{}",
        refused.output
    );
    assert!(
        refused.flowing().contains("terraform import"),
        "{}",
        refused.output
    );
    for resource in &RESOURCES {
        let import = [
            "import",
            "-no-color",
            "-input=false",
            &resource.address(),
            resource.name,
        ];
        run.terraform
            .run(&import)
            .unwrap()
            .expect_success()
            .unwrap();
    }
    assert!(
        run.place.token(&secret_id(run)).unwrap().expose() == token_before.expose(),
        "the token was replaced"
    );
    run.terraform.destroy(&[]).unwrap();
}

/// As if terraform had been killed before it could write its state down.
fn a_forgotten_create_converges(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    std::fs::remove_file(run.terraform.state_file()).unwrap();

    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("9 added, 0 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    assert!(
        applied
            .flowing()
            .contains(r#"Key "acme-ci" was there already"#),
        "{}",
        applied.output
    );
    assert!(
        run.place.token(&secret_id(run)).unwrap().expose() == token.expose(),
        "the token was replaced"
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn a_late_change_is_safe(run: &Run) {
    run.declare(SCOPE);
    run.terraform.apply(&[]).unwrap();
    run.declare(&SCOPE.replace("/v1", "/v2"));
    run.terraform
        .run(&["plan", "-out=saved"])
        .unwrap()
        .expect_success()
        .unwrap();

    run.with_store(async |store| edit(&*store, &RESOURCES[0].key()).await);

    let refused = run
        .terraform
        .run(&["apply", "-no-color", "saved"])
        .unwrap()
        .expect_error()
        .unwrap();
    assert!(refused.flowing().contains("changed"), "{}", refused.output);
    assert!(
        refused.flowing().contains("plan again"),
        "{}",
        refused.output
    );
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn a_new_name_replaces(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let before = secret_id(run);

    run.declare(&declared().replace("\"acme-ci\"", "\"acme-cd\""));
    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("1 added, 0 changed, 1 destroyed"),
        "{}",
        applied.output
    );
    assert!(
        run.place.token(&before).is_err(),
        "the old token is still there"
    );
    assert!(
        run.place
            .token(&secret_id(run))
            .unwrap()
            .expose()
            .starts_with("tg_test_")
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// Changes a document, as somebody would who does not know that Terraform keeps it.
async fn edit(store: &dyn Backend, key: &DocumentKey) {
    edit_spec(store, key, |spec| match key.kind {
        Kind::Key => spec["enabled"] = false.into(),
        _ => spec["description"] = "edited by hand".into(),
    })
    .await;
}

pub(crate) async fn edit_spec(
    store: &dyn Backend,
    key: &DocumentKey,
    edit: impl FnOnce(&mut Value),
) {
    let entry = store.read(key).await.unwrap().unwrap();
    let document = entry.document.unwrap();
    let mut spec = serde_json::to_value(document.spec()).unwrap();
    edit(&mut spec);
    let edited = Document::parse(key, spec).unwrap();
    let edited = edited.owned(document.owner().cloned());
    let expected = Expected::Revision(entry.revision.unwrap());
    store.write(&edited, &expected).await.unwrap();
}

/// Terraform removes the one and creates the other at the same moment, as nothing tells it that they share a name.
fn another_address_keeps_a_good_token(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    run.declare(&declared().replace("\"tollgate_key\" \"it\"", "\"tollgate_key\" \"other\""));

    run.terraform.apply(&[]).unwrap();

    let key = key_attributes(run);
    let token = run.place.token(key["secret_id"].as_str().unwrap()).unwrap();
    assert_eq!(
        key["fingerprint"],
        Verifier::of(token.expose()).fingerprint()
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Whatever is known of them by then: that they were changed shows that the state remembers them.
fn everything_gets_another_address(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    run.declare(&changed());
    run.terraform.apply(&[]).unwrap();
    let elsewhere = changed().replace("\" \"it\"", "\" \"other\"");
    run.declare(&elsewhere.replace(".it.", ".other."));

    let applied = run.terraform.apply(&[]).unwrap();

    let count = "9 added, 0 changed, 9 destroyed";
    assert!(applied.output.contains(count), "{}", applied.output);
    run.terraform.expect_empty_plan(&[]).unwrap();
    let key = key_attributes(run);
    let token = run.place.token(key["secret_id"].as_str().unwrap()).unwrap();
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    assert_eq!(key["fingerprint"], fingerprint);
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Two workspaces of one configuration, on one namespace.
fn another_workspace_takes_nothing(run: &Run) {
    let terraform = &run.terraform;
    run.declare(&declared());
    terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    let workspace = |arguments: &[&str]| {
        let arguments: Vec<_> = ["workspace"].iter().chain(arguments).copied().collect();
        terraform.run(&arguments).unwrap().expect_success().unwrap();
    };
    workspace(&["new", "staging"]);

    let plan = terraform.plan(&[]).unwrap();
    let refused = terraform.try_apply().unwrap().expect_error().unwrap();
    terraform.destroy(&[]).unwrap();

    let told = r#"Key "acme-ci" exists already"#;
    assert!(plan.flowing().contains(told), "{}", plan.output);
    let told = r#"Scope "orders:read" already exists"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);
    workspace(&["select", "default"]);
    terraform.expect_empty_plan(&[]).unwrap();
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(same, "the token was replaced");
    terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn a_name_twice_is_refused(run: &Run) {
    run.declare(SCOPE);
    run.terraform.apply(&[]).unwrap();
    let twice = SCOPE.replace("\"it\"", "\"other\"");
    run.declare(&format!("{SCOPE}{twice}"));

    for _ in 0..2 {
        let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
        let told = r#"Scope "orders:read" is declared twice"#;
        assert!(refused.flowing().contains(told), "{}", refused.output);
    }

    run.declare(SCOPE);
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn a_replacement_is_no_name_twice(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();

    let replace = ["-replace=tollgate_key.it", "-replace=tollgate_key_set.it"];
    let arguments: Vec<_> = Terraform::APPLY.into_iter().chain(replace).collect();
    let applied = run
        .terraform
        .run(&arguments)
        .unwrap()
        .expect_success()
        .unwrap();

    let count = "2 added, 0 changed, 2 destroyed";
    assert!(applied.output.contains(count), "{}", applied.output);
    assert!(
        !applied.output.contains("exists already"),
        "{}",
        applied.output
    );
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(!same, "a replaced key has another token");
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// Terraform removes the scope before it changes the key, unless the scope was applied to be replaced the other way round.
fn a_scope_goes_with_its_last_reference(run: &Run) {
    let declared = |lifecycle: &str| {
        let scope = SCOPE.replace("grants", &format!("{lifecycle}\n  grants"));
        let other = SCOPE
            .replace("\"it\"", "\"rest\"")
            .replace("orders:read", "rest");
        let key = |scope: &str| {
            format!(
                "resource \"tollgate_key\" \"it\" {{\n  name   = \"acme-ci\"\n  scopes = [tollgate_scope.{scope}.name]\n}}\n"
            )
        };
        [
            format!("{scope}{other}{}", key("it")),
            format!("{other}{}", key("rest")),
        ]
    };
    let [before, after] = declared("");
    run.declare(&before);
    run.terraform.apply(&[]).unwrap();
    run.declare(&after);
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    assert!(
        refused.flowing().contains("create_before_destroy = true"),
        "{}",
        refused.output
    );

    let [before, after] = declared("lifecycle {\n    create_before_destroy = true\n  }");
    run.declare(&before);
    run.terraform.apply(&[]).unwrap();
    run.declare(&after);
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

pub(crate) fn secret_id(run: &Run) -> String {
    key_attributes(run)["secret_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn key_attributes(run: &Run) -> serde_json::Value {
    let shown = run
        .terraform
        .run(&["show", "-json"])
        .unwrap()
        .expect_success()
        .unwrap();
    let state: serde_json::Value = serde_json::from_str(&shown.output).unwrap();
    let resources = state["values"]["root_module"]["resources"]
        .as_array()
        .unwrap();
    let key = resources
        .iter()
        .find(|resource| resource["type"] == "tollgate_key");
    key.unwrap()["values"].clone()
}

/// Its users can only follow once the new one is there, and the old one can only go after them.
fn a_scope_in_use_is_renamed(run: &Run) {
    let declared = |name: &str| {
        let scope = SCOPE.replace("orders:read", name).replace(
            "grants",
            "lifecycle {\n    create_before_destroy = true\n  }\n  grants",
        );
        format!(
            "{scope}\nresource \"tollgate_key\" \"it\" {{\n  name   = \"acme-ci\"\n  scopes = [tollgate_scope.it.name]\n}}\n"
        )
    };
    run.declare(&declared("orders:read"));
    run.terraform.apply(&[]).unwrap();

    run.declare(&declared("orders:look"));
    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("1 added, 1 changed, 1 destroyed"),
        "{}",
        applied.output
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}
