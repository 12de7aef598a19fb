//! Every resource, from its first plan to its end.

use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::backend::{Backend, Depth, Expected};
use tollgate_store::document::{Document, DocumentKey, Kind, Scope, Spec};

use crate::everything::{RESOURCES, changed, declared};
use crate::stores::{PROVIDER, Run, on_both_stores};

on_both_stores! {
    every_resource_is_created_changed_imported_and_destroyed => super::every_resource_lives;
    a_change_behind_terraforms_back_is_shown_and_repaired => super::drift_is_repaired;
    a_document_that_was_removed_by_hand_is_made_again => super::loss_is_repaired;
    a_document_that_exists_already_is_not_taken_over => super::an_existing_document_is_safe;
    a_change_between_plan_and_apply_is_not_overwritten => super::a_late_change_is_safe;
    a_new_name_replaces_the_document => super::a_new_name_replaces;
}

fn every_resource_lives(run: &Run) {
    let terraform = &run.terraform;
    terraform
        .write("main.tf", &(PROVIDER.to_owned() + &declared()))
        .unwrap();

    terraform.apply(&[]).unwrap();
    terraform.expect_empty_plan(&[]).unwrap();

    terraform
        .write("main.tf", &(PROVIDER.to_owned() + &changed()))
        .unwrap();
    let applied = terraform.apply(&[]).unwrap();
    assert!(
        applied.output.contains("0 added, 6 changed, 0 destroyed"),
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
    assert_eq!(
        run.place.leftovers(&run.namespace).unwrap(),
        Vec::<String>::new()
    );
}

const SCOPE: &str = r#"
resource "tollgate_scope" "it" {
  name   = "orders:read"
  grants = [{ path = "/v1/orders/**" }]
}
"#;

fn drift_is_repaired(run: &Run) {
    run.terraform
        .write("main.tf", &(PROVIDER.to_owned() + SCOPE))
        .unwrap();
    run.terraform.apply(&[]).unwrap();

    widen_scope(run);

    let plan = run.terraform.plan(&[]).unwrap();
    assert_eq!(plan.status, 2, "{}", plan.output);
    assert!(
        plan.output.contains(r#""/**" -> "/v1/orders/**""#),
        "{}",
        plan.output
    );
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn loss_is_repaired(run: &Run) {
    run.terraform
        .write("main.tf", &(PROVIDER.to_owned() + &declared()))
        .unwrap();
    run.terraform.apply(&[]).unwrap();

    with_store(run, async |store| {
        for (kind, name) in [(Kind::Scope, "orders:read"), (Kind::Key, "acme-ci")] {
            let key = document_key(kind, name);
            let revision = store.read(&key).await.unwrap().unwrap().revision.unwrap();
            store.delete(&key, &revision).await.unwrap();
        }
    });

    let applied = run.terraform.apply(&[]).unwrap();
    assert!(
        applied.output.contains("2 added, 0 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn an_existing_document_is_safe(run: &Run) {
    run.terraform
        .write("main.tf", &(PROVIDER.to_owned() + &declared()))
        .unwrap();
    run.terraform.apply(&[]).unwrap();
    let token_before = run.place.token(&secret_id(run)).unwrap();

    for resource in &RESOURCES {
        run.terraform
            .run(&["state", "rm", &resource.address()])
            .unwrap()
            .expect_success()
            .unwrap();
    }
    let refused = run
        .terraform
        .run(&["apply", "-auto-approve", "-no-color"])
        .unwrap()
        .expect_error()
        .unwrap();

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
    run.terraform
        .write("main.tf", &(PROVIDER.to_owned() + SCOPE))
        .unwrap();
    run.terraform.apply(&[]).unwrap();
    run.terraform
        .write(
            "main.tf",
            &(PROVIDER.to_owned() + &SCOPE.replace("/v1", "/v2")),
        )
        .unwrap();
    run.terraform
        .run(&["plan", "-out=saved"])
        .unwrap()
        .expect_success()
        .unwrap();

    widen_scope(run);

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
    run.terraform
        .write("main.tf", &(PROVIDER.to_owned() + &declared()))
        .unwrap();
    run.terraform.apply(&[]).unwrap();
    let before = secret_id(run);

    run.terraform
        .write(
            "main.tf",
            &(PROVIDER.to_owned() + &declared().replace("\"acme-ci\"", "\"acme-cd\"")),
        )
        .unwrap();
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

/// Gives the scope another grant, as somebody would who does not know that Terraform keeps it.
fn widen_scope(run: &Run) {
    with_store(run, async |store| {
        let key = document_key(Kind::Scope, "orders:read");
        let entry = store.read(&key).await.unwrap().unwrap();
        let document = entry.document.unwrap();
        let Spec::Scope(Scope {
            description,
            mut grants,
        }) = document.spec().clone()
        else {
            panic!("{key} is another kind");
        };
        grants[0].path = "/**".parse().unwrap();
        let wider = Document::new(
            key.name,
            Scope {
                description,
                grants,
            },
        )
        .unwrap();
        store
            .write(&wider, &Expected::Revision(entry.revision.unwrap()))
            .await
            .unwrap();
    });
}

fn with_store(run: &Run, change: impl AsyncFnOnce(Arc<dyn Backend>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = run.place.open(&run.namespace).await.unwrap();
        store.poll(None, Depth::Everything).await.unwrap();
        change(store).await;
    });
}

fn document_key(kind: Kind, name: &str) -> DocumentKey {
    DocumentKey {
        kind,
        name: Name::parse(name).unwrap(),
    }
}

fn secret_id(run: &Run) -> String {
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
        .find(|resource| resource["type"] == "tollgate_key")
        .unwrap();
    key["values"]["secret_id"].as_str().unwrap().to_owned()
}
