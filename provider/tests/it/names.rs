//! Names that several claim: two resources of one configuration, two states, or one resource under two addresses.

use std::sync::Arc;

use tollgate_provider::TollgateProvider;
use tollgate_provider::value::Value;

use crate::samples::{self, Sample};
use crate::terraform::{Object, Plan, Terraform};
use crate::words::texts;

async fn create(terraform: &Terraform, sample: &Sample) -> Object {
    let config = terraform.config(sample.resource, &sample.full);
    let created = terraform.apply(sample.resource, None, &config).await;
    assert_eq!(texts(&created.diagnostics), [""; 0]);
    created.object.unwrap()
}

/// An update that proves that the state remembers.
async fn update(terraform: &Terraform, sample: &Sample, object: &Object) -> Object {
    let config = terraform.config(sample.resource, &sample.changed());
    let updated = terraform.apply(sample.resource, Some(object), &config);
    updated.await.object.unwrap()
}

async fn plan_new(terraform: &Terraform, run: &TollgateProvider, sample: &Sample) -> Plan {
    let config = terraform.config(sample.resource, &sample.full);
    let states = (&Value::Null, &config);
    let plan = terraform.plan_within(run, sample.resource, states, Vec::new());
    plan.await
}

async fn plan_kept(
    terraform: &Terraform,
    run: &TollgateProvider,
    sample: &Sample,
    object: &Object,
) -> Plan {
    let config = terraform.config(sample.resource, &sample.full);
    let states = (&object.state, &config);
    let plan = terraform.plan_within(run, sample.resource, states, object.private.clone());
    plan.await
}

#[tokio::test(start_paused = true)]
async fn what_another_state_made_is_never_taken_over() {
    for sample in samples::all() {
        let terraform = Terraform::new().await;
        let first = create(&terraform, &sample).await;
        let backend = Arc::new(terraform.store.clone());
        let other = Terraform::of("there", backend, terraform.store.clone()).await;
        let config = terraform.config(sample.resource, &sample.full);

        let planned = other.plan(sample.resource, None, Some(&config)).await;
        let refused = other.apply(sample.resource, None, &config).await;

        let [warning] = texts(&planned.diagnostics).try_into().unwrap();
        assert!(warning.starts_with("warning @.name"), "{warning}");
        assert!(warning.contains("exists already"), "{warning}");
        let [error] = texts(&refused.diagnostics).try_into().unwrap();
        assert!(error.contains("already exists"), "{error}");
        assert_eq!(refused.object, None);
        let read = terraform.refresh(sample.resource, &first).await;
        assert_eq!(
            (texts(&read.diagnostics), read.object),
            (vec![], Some(first))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_tells_of_what_it_would_create_and_finds() {
    let terraform = Terraform::new().await;
    let sample = samples::scope();
    create(&terraform, &sample).await;

    let planned = plan_new(&terraform, &terraform.run(), &sample).await;

    assert_eq!(
        texts(&planned.diagnostics),
        [
            "warning @.name\nScope \"orders:read\" exists already\nMemory, namespace \"prod\" holds scope \"orders:read\", \
             which is to be created. If an interrupted apply of this state left it there, just as it is declared here, \
             the apply goes on with it. Otherwise the apply is refused, unless it removes that one first. If the resource \
             only got another address, say so in a `moved` block; to manage what stands from here, run `terraform import \
             tollgate_scope.NAME orders:read` (NAME is the resource's name in your configuration); if another state \
             manages it, choose another name or another namespace."
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_plan_tells_of_a_name_that_is_declared_twice() {
    for sample in [samples::scope(), samples::key(), samples::key_set()] {
        let terraform = Terraform::new().await;
        let is_told = |plan: &Plan| {
            let told = texts(&plan.diagnostics);
            told.iter()
                .any(|text| text.starts_with("error @.name") && text.contains("declared twice"))
        };
        let run = terraform.run();
        assert!(!is_told(&plan_new(&terraform, &run, &sample).await));
        assert!(is_told(&plan_new(&terraform, &run, &sample).await));

        let object = create(&terraform, &sample).await;
        let run = terraform.run();
        assert!(!is_told(
            &plan_kept(&terraform, &run, &sample, &object).await
        ));
        assert!(is_told(&plan_new(&terraform, &run, &sample).await));
        let run = terraform.run();
        assert!(!is_told(&plan_new(&terraform, &run, &sample).await));
        assert!(is_told(
            &plan_kept(&terraform, &run, &sample, &object).await
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_and_another_address_are_no_name_declared_twice() {
    let terraform = Terraform::new().await;
    let sample = samples::key();
    let object = create(&terraform, &sample).await;
    let config = terraform.config(sample.resource, &sample.full);

    // Terraform's `-replace` plans the update first.
    let run = terraform.run();
    let update = plan_kept(&terraform, &run, &sample, &object).await;
    let states = (&Value::Null, &config);
    let renewal = terraform.plan_within(&run, sample.resource, states, update.private);
    assert_eq!(texts(&renewal.await.diagnostics), [""; 0]);

    let run = terraform.run();
    let states = (&object.state, &Value::Null);
    let destroy = terraform.plan_within(&run, sample.resource, states, object.private.clone());
    assert_eq!(texts(&destroy.await.diagnostics), [""; 0]);
    let created = plan_new(&terraform, &run, &sample).await;
    assert!(created.diagnostics.iter().all(|told| told.severity == 2));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_gets_another_address_is_removed_before_it_is_made_again() {
    for sample in samples::all() {
        for removal_comes_first in [true, false] {
            let terraform = Terraform::new().await;
            let first = create(&terraform, &sample).await;
            let first = update(&terraform, &sample, &first).await;
            let config = terraform.config(sample.resource, &sample.full);

            let remove = terraform.destroy(sample.resource, &first);
            let make = terraform.apply(sample.resource, None, &config);
            let (removed, made) = if removal_comes_first {
                tokio::join!(remove, make)
            } else {
                let (made, removed) = tokio::join!(make, remove);
                (removed, made)
            };

            assert_eq!(texts(&removed.diagnostics), [""; 0]);
            assert_eq!(texts(&made.diagnostics), [""; 0], "{}", sample.resource);
            let made = made.object.unwrap();
            let read = terraform.refresh(sample.resource, &made).await;
            assert_eq!(
                (texts(&read.diagnostics), read.object),
                (vec![], Some(made))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_waits_in_vain_for_what_nobody_removes() {
    let terraform = Terraform::new().await;
    let sample = samples::scope();
    let first = create(&terraform, &sample).await;
    let first = update(&terraform, &sample, &first).await;
    let config = terraform.config(sample.resource, &sample.full);

    let refused = terraform.apply(sample.resource, None, &config).await;

    assert!(texts(&refused.diagnostics)[0].contains("already exists"));
    let read = terraform.refresh(sample.resource, &first).await;
    assert_eq!(read.object, Some(first));
}

#[tokio::test(start_paused = true)]
async fn creates_that_all_wait_in_vain_keep_each_other_waiting_no_longer() {
    let terraform = Terraform::new().await;
    let samples = [samples::scope(), samples::quota(), samples::upstream()];
    let mut configs = Vec::new();
    for sample in &samples {
        let first = create(&terraform, sample).await;
        update(&terraform, sample, &first).await;
        configs.push(terraform.config(sample.resource, &sample.full));
    }
    let begun = tokio::time::Instant::now();

    let [one, two, three] = &samples;
    let refused = tokio::join!(
        terraform.apply(one.resource, None, &configs[0]),
        terraform.apply(two.resource, None, &configs[1]),
        terraform.apply(three.resource, None, &configs[2]),
    );

    for refused in [refused.0, refused.1, refused.2] {
        assert!(texts(&refused.diagnostics)[0].contains("already exists"));
    }
    // The clock stands still while anything is done.
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}
