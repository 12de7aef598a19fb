//! Every resource from its create to its end.

mod others;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tollgate_provider::value::{Value, to_json};
use tollgate_store::Name;
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::{DocumentKey, Entry, Kind};

use crate::samples::{self, Sample};
use crate::terraform::{Object, Terraform, with};
use crate::words::texts;

fn key(sample: &Sample) -> DocumentKey {
    DocumentKey {
        kind: Kind::parse(sample.kind).unwrap(),
        name: Name::parse(sample.name).unwrap(),
    }
}

async fn create(terraform: &Terraform, sample: &Sample) -> Object {
    let config = terraform.config(sample.resource, &sample.full);
    let created = terraform.apply(sample.resource, None, &config).await;
    assert_eq!(created.diagnostics, [], "{}", sample.resource);
    created.object.unwrap()
}

async fn stored(terraform: &Terraform, sample: &Sample) -> Option<Json> {
    let entry = terraform.store.read(&key(sample)).await.unwrap()?;
    let document = entry.document.unwrap();
    let revision = entry.revision.unwrap();
    Some(Entry::json(&document, &revision)["spec"].take())
}

/// Changes the stored document as somebody else would.
async fn edit(terraform: &Terraform, sample: &Sample, edit: impl FnOnce(&mut Json)) {
    let entry = terraform.store.read(&key(sample)).await.unwrap().unwrap();
    let revision = entry.revision.unwrap();
    let mut json = Entry::json(&entry.document.unwrap(), &revision);
    edit(&mut json["spec"]);
    let edited = Entry::parse(key(sample).into(), json).document.unwrap();
    let expected = Expected::Revision(revision);
    terraform.store.write(&edited, &expected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_attribute_of_every_resource_reaches_the_document_under_its_own_name() {
    let terraform = Terraform::new().await;
    let known: BTreeSet<_> = terraform.resources().collect();
    assert_eq!(
        known,
        samples::all().iter().map(|one| one.resource).collect()
    );
    for sample in samples::all() {
        let config = terraform.config(sample.resource, &sample.full);
        for attribute in terraform.attributes(sample.resource) {
            let is_given = !config.attribute(&attribute.name).is_null();
            let is_own = (attribute.required || attribute.optional)
                && !sample.without.contains(&attribute.name.as_str());
            assert_eq!(is_given, is_own, "{}.{}", sample.resource, attribute.name);
        }

        create(&terraform, &sample).await;

        let mut given = to_json(&config).unwrap();
        for local in ["name", "force_destroy"] {
            given.as_object_mut().unwrap().remove(local);
        }
        let mut spec = stored(&terraform, &sample).await.unwrap();
        let computed: &[&str] = match sample.kind {
            "key" => &["id", "versions"],
            "key_set" => &["namespace", "generation", "parts", "pages"],
            _ => &[],
        };
        for name in computed {
            assert!(spec.as_object_mut().unwrap().remove(*name).is_some());
        }
        if sample.kind == "key_set" {
            // They stand in documents of their own.
            given.as_object_mut().unwrap().remove("keys");
        }
        assert_eq!(
            terraform.config(sample.resource, &spec),
            terraform.config(sample.resource, &given)
        );
        assert_eq!(
            spec.as_object().unwrap().keys().collect::<BTreeSet<_>>(),
            given.as_object().unwrap().keys().collect::<BTreeSet<_>>(),
            "{}",
            sample.resource
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_plan_is_empty() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;

        let read = terraform.refresh(sample.resource, &created).await;
        let config = terraform.config(sample.resource, &sample.full);
        let plan = terraform
            .plan(sample.resource, read.object.as_ref(), Some(&config))
            .await;

        assert_eq!(read.diagnostics, []);
        assert_eq!(read.object.as_ref(), Some(&created), "{}", sample.resource);
        assert_eq!(plan.state, created.state);
        assert_eq!(plan.replaces, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_with_nothing_but_what_it_must_have_plans_empty_too() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let mut least = json!({});
        for attribute in terraform.attributes(sample.resource) {
            if attribute.required || sample.needs.contains(&attribute.name.as_str()) {
                least[&attribute.name] = sample.full[&attribute.name].clone();
            }
        }
        let config = terraform.config(sample.resource, &least);

        let created = terraform.apply(sample.resource, None, &config).await;
        let created = created.object.unwrap();
        let read = terraform.refresh(sample.resource, &created).await;
        let plan = terraform
            .plan(sample.resource, read.object.as_ref(), Some(&config))
            .await;

        assert_eq!(plan.state, created.state, "{}", sample.resource);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_made_in_place_and_the_next_plan_is_empty() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let config = terraform.config(sample.resource, &sample.changed());

        let plan = terraform
            .plan(sample.resource, Some(&created), Some(&config))
            .await;
        let updated = terraform
            .apply(sample.resource, Some(&created), &config)
            .await;

        assert_eq!(plan.replaces, []);
        assert!(
            plan.state.is_wholly_known(),
            "{}: an update tells all beforehand",
            sample.resource
        );
        assert_eq!(updated.diagnostics, []);
        let updated = updated.object.unwrap();
        assert_ne!(updated.state, created.state);
        assert_ne!(updated.private, created.private);
        let read = terraform.refresh(sample.resource, &updated).await;
        assert_eq!(read.object, Some(updated));
    }
}

#[tokio::test(start_paused = true)]
async fn another_name_is_another_resource() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let config = terraform.config(sample.resource, &sample.with("name", json!("renamed")));

        let plan = terraform
            .plan(sample.resource, Some(&created), Some(&config))
            .await;
        let replaced = terraform
            .apply(sample.resource, Some(&created), &config)
            .await;

        assert_eq!(plan.replaces.len(), 1);
        assert_eq!(replaced.diagnostics, []);
        assert_eq!(stored(&terraform, &sample).await, None);
        let state = replaced.object.unwrap().state;
        assert_eq!(state.attribute("name"), &Value::from("renamed"));
    }
}

/// What a sentence about the resource begins with.
fn subject(sample: &Sample) -> String {
    let (first, rest) = words(sample).split_at(1);
    format!("{}{rest} {:?}", first.to_uppercase(), sample.name)
}

fn words(sample: &Sample) -> &'static str {
    Kind::parse(sample.kind).unwrap().words()
}

#[tokio::test(start_paused = true)]
async fn a_destroy_leaves_nothing_and_may_be_repeated() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;

        for _ in 0..2 {
            let destroyed = terraform.destroy(sample.resource, &created).await;
            assert_eq!(destroyed.diagnostics, [], "{}", sample.resource);
            assert_eq!(destroyed.object, None);
        }

        assert_eq!(stored(&terraform, &sample).await, None);
        let name = Name::parse(sample.name).unwrap();
        assert!(terraform.store.token(&name).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_exists_is_imported_by_its_name_and_then_plans_empty() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;

        let imported = terraform.import(sample.resource, sample.name).await;
        let imported = imported.object.unwrap();
        let read = terraform.refresh(sample.resource, &imported).await;
        let config = terraform.config(sample.resource, &sample.full);
        let plan = terraform
            .plan(sample.resource, read.object.as_ref(), Some(&config))
            .await;

        assert_eq!(imported, created, "{}", sample.resource);
        assert_eq!(read.object.as_ref(), Some(&imported));
        assert_eq!(plan.state, imported.state);
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_of_nothing_is_an_error() {
    let terraform = Terraform::new().await;

    let missing = terraform.import("tollgate_scope", "orders:read").await;
    let odd = terraform.import("tollgate_scope", "-").await;

    assert_eq!(
        texts(&missing.diagnostics),
        [
            "error @\nThere is no scope \"orders:read\"\nMemory, namespace \"prod\" holds no scope \"orders:read\", so \
             nothing was imported. Check the name (the import's id is the scope's name) and the provider's namespace."
        ]
    );
    assert!(texts(&odd.diagnostics)[0].contains("\"-\" is not a name"));
}

#[tokio::test(start_paused = true)]
async fn a_create_over_what_exists_says_how_to_import_it() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let config = terraform.config(sample.resource, &sample.changed());

        let again = terraform.apply(sample.resource, None, &config).await;

        let (resource, name) = (sample.resource, sample.name);
        let subject = subject(&sample);
        assert_eq!(
            texts(&again.diagnostics),
            [format!(
                "error @.name\n{subject} already exists\n{subject} already exists in memory, namespace \
                 \"prod\". To manage it from here, run `terraform import {resource}.NAME {name}` (NAME is the \
                 resource's name in your configuration); otherwise choose another name. If only the resource's name \
                 in your configuration changed, say so in a `moved` block; if it is being replaced, do so without \
                 `create_before_destroy`: two can't have one name."
            )]
        );
        assert_eq!(again.object, None, "it is not ours to replace");
        let read = terraform.refresh(sample.resource, &created).await;
        assert_eq!(read.object, Some(created));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_at_plan_is_kept_unknown() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let config = terraform.config(sample.resource, &sample.full);
        for attribute in terraform.attributes(sample.resource) {
            if (!attribute.required && !attribute.optional) || attribute.write_only {
                continue;
            }
            let config = with(&config, &attribute.name, Value::Unknown);

            let problems = terraform.validate(sample.resource, &config).await;
            let plan = terraform.plan(sample.resource, None, Some(&config)).await;

            assert_eq!(problems, [], "{}.{}", sample.resource, attribute.name);
            assert_eq!(plan.state.attribute(&attribute.name), &Value::Unknown);
        }
    }
}
