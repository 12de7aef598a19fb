//! What becomes of a key whose token, or what the store knows of it, is not as Terraform left it.

use serde_json::{Value, json};
use tollgate_acceptance::Place;
use tollgate_store::KeyId;
use tollgate_store::backend::TokenOwner;
use tollgate_store::document::{DocumentKey, Kind};
use tollgate_store::token::Verifier;

use crate::everything::{RESOURCES, Resource, changed, declared};
use crate::lifecycle::{assert_the_kept_token_opens, edit_spec, key_attributes, secret_id};
use crate::stores::{Run, directory, on_both_stores};

on_both_stores! {
    a_tainted_key_is_removed_and_made_anew => super::a_tainted_key_is_replaced;
    a_hash_that_was_added_by_hand_is_told_and_taken_away => super::a_planted_hash_goes;
    a_token_that_was_removed_by_hand_is_told_and_made_anew => super::a_lost_token_is_made_anew;
}

/// Whether it was changed since its create or not, and its token opens nothing any more.
fn a_tainted_key_is_replaced(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    for configuration in [declared(), changed()] {
        run.declare(&configuration);
        run.terraform.apply(&[]).unwrap();
        let token = run.place.token(&secret_id(run)).unwrap();
        let taint = run.terraform.run(&["taint", "tollgate_key.it"]);
        taint.unwrap().expect_success().unwrap();

        let applied = run.terraform.apply(&[]).unwrap();

        assert!(
            applied.output.contains("1 added, 0 changed, 1 destroyed"),
            "{}",
            applied.output
        );
        assert!(
            !applied.flowing().contains("was there already"),
            "{}",
            applied.output
        );
        let renewed = run.place.token(&secret_id(run)).unwrap();
        assert!(
            renewed.expose() != token.expose(),
            "the token is still the same"
        );
        assert_the_kept_token_opens(run);
        run.terraform.expect_empty_plan(&[]).unwrap();
    }
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn a_planted_hash_goes(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    let planted = Verifier::of("a token of somebody else's");
    let key = key();
    run.with_store(async |store| {
        edit_spec(&*store, &key, |spec| {
            spec["versions"].as_array_mut().unwrap().push(json!({
                "version": 7,
                "sha256": String::from(planted),
                "created_at": "2026-01-01T00:00:00Z",
            }));
        })
        .await;
    });

    let plan = run.terraform.plan(&[]).unwrap();

    assert_eq!(plan.status, 2, "{}", plan.output);
    for told in [
        "0 to add, 1 to change, 0 to destroy",
        "has tokens that are not known",
    ] {
        assert!(plan.flowing().contains(told), "{}", plan.output);
    }
    assert!(
        plan.output.contains(&planted.fingerprint()),
        "{}",
        plan.output
    );
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    let kept = run.place.token(&secret_id(run)).unwrap();
    assert!(
        kept.expose() == token.expose(),
        "the client's token was replaced"
    );
    let document = run.with_store(async |store| store.read(&key).await.unwrap().unwrap().document);
    let document = serde_json::to_string(document.unwrap().spec()).unwrap();
    assert!(
        !document.contains(&String::from(planted)),
        "the planted hash still opens"
    );
    run.terraform.destroy(&[]).unwrap();
}

#[test]
fn a_hash_that_is_added_between_plan_and_apply_is_taken_away_by_a_rotation() {
    let run = directory("strange");
    let Place::Directory(folder) = &run.place else {
        panic!("it is a directory");
    };
    let rotation = |trigger: &str| {
        format!(
            "resource \"tollgate_scope\" \"it\" {{\n  name = \"a\"\n  grants = [{{ path = \"/**\" }}]\n}}\nresource \
             \"tollgate_key\" \"it\" {{\n  name = \"k\"\n  scopes = [tollgate_scope.it.name]\n  rotation = {{ overlap = \
             \"1h\", trigger = \"{trigger}\" }}\n}}\n"
        )
    };
    run.declare(&rotation("spring"));
    run.terraform.apply(&[]).unwrap();
    run.declare(&rotation("autumn"));
    let plan = run.terraform.run(&["plan", "-out=saved"]).unwrap();
    plan.expect_success().unwrap();
    let file = folder.join(run.namespace.as_str()).join("key/k.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let planted = String::from(Verifier::of("a token of somebody else's"));
    let mut version = document["spec"]["versions"][0].clone();
    version["version"] = 2.into();
    version["sha256"] = planted.clone().into();
    document["spec"]["versions"]
        .as_array_mut()
        .unwrap()
        .push(version);
    std::fs::write(&file, document.to_string()).unwrap();

    let applied = run.terraform.run(&["apply", "-no-color", "saved"]).unwrap();

    applied.expect_success().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&planted), "the planted hash still opens");
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn a_lost_token_is_made_anew(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let name = key().name;
    let id = KeyId::parse(key_attributes(run)["id"].as_str().unwrap()).unwrap();
    run.with_store(async |store| {
        let owner = TokenOwner::Key {
            name: &name,
            id: &id,
        };
        store.delete_token(owner).await.unwrap();
    });

    let plan = run.terraform.plan(&[]).unwrap();

    assert_eq!(plan.status, 2, "{}", plan.output);
    assert!(
        plan.flowing().contains("The token of key"),
        "{}",
        plan.output
    );
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    assert_eq!(
        key_attributes(run)["fingerprint"],
        Verifier::of(token.expose()).fingerprint()
    );
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn key() -> DocumentKey {
    let keys = RESOURCES.iter().map(Resource::key);
    keys.into_iter().find(|key| key.kind == Kind::Key).unwrap()
}
