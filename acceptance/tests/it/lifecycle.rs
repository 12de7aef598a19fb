//! Every resource, from its first plan to its end.

use serde_json::Value;
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::token::Verifier;

use crate::everything::{RESOURCES, changed, declared};
use crate::stores::{Run, on_both_stores};

on_both_stores! {
    every_resource_is_created_changed_imported_and_destroyed => super::every_resource_lives;
    a_change_behind_terraforms_back_is_shown_and_repaired => super::drift_is_repaired;
    a_document_that_was_removed_by_hand_is_made_again => super::loss_is_repaired;
    a_document_that_exists_already_is_not_taken_over => super::an_existing_document_is_safe;
    what_is_missing_or_still_in_use_is_told_by_name => super::references_are_checked;
    a_change_between_plan_and_apply_is_not_overwritten => super::a_late_change_is_safe;
}

fn every_resource_lives(run: &Run) {
    let terraform = &run.terraform;
    run.declare(&declared());

    terraform.apply(&[]).unwrap();
    terraform.expect_empty_plan(&[]).unwrap();

    run.declare(&changed());
    let applied = terraform.apply(&[]).unwrap();
    let count = format!("0 added, {} changed, 0 destroyed", RESOURCES.len());
    assert!(applied.output.contains(&count), "{}", applied.output);
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

pub(crate) const SCOPE: &str = r#"
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
    let count = format!("0 to add, {} to change, 0 to destroy", RESOURCES.len());
    for shown in [
        &count,
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
    let count = format!("{} added, 0 changed, 0 destroyed", RESOURCES.len());
    assert!(applied.output.contains(&count), "{}", applied.output);
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

/// The key's document has the hash of the token that its client reads.
pub(crate) fn assert_the_kept_token_opens(run: &Run) {
    let key = key_attributes(run);
    let token = run.place.token(key["secret_id"].as_str().unwrap()).unwrap();
    let fingerprint = Verifier::of(token.expose()).fingerprint();
    assert_eq!(key["fingerprint"], fingerprint);
}
