//! Calls that fail, panic, are stopped or lose their answer: Terraform is always told what is known, and the next
//! apply converges.

use std::sync::Arc;
use std::time::Duration;

use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::stop_provider;
use tollgate_store::Name;
use tollgate_store::backend::Backend;
use tollgate_store::document::{DocumentKey, Kind};
use tollgate_store::token::Verifier;
use tonic::Request;

use crate::backend::{CALLS, Fault, Unreliable};
use crate::samples::{self, Sample};
use crate::terraform::{Object, Result, Terraform};
use crate::words::texts;

const FAULTS: [Fault; 5] = [
    Fault::Refused,
    Fault::AnswerLost,
    Fault::Panics,
    Fault::Hangs,
    Fault::HangsAfter,
];

/// Every way in which every call of the store can fail.
fn faults() -> impl Iterator<Item = (&'static str, Fault)> {
    let calls = CALLS.iter();
    calls.flat_map(|call| FAULTS.map(|fault| (*call, fault)))
}

/// A resource that stands, in a store that can fail from now on.
pub(crate) async fn standing(sample: &Sample) -> (Terraform, Unreliable, Object) {
    let (terraform, store) = Unreliable::terraform().await;
    let config = terraform.config(sample.resource, &sample.full);
    let created = terraform.apply(sample.resource, None, &config).await;
    (terraform, store, created.object.unwrap())
}

/// Waits for a call, and stops it where it hangs.
async fn stopping(
    terraform: &Terraform,
    store: &Unreliable,
    call: impl Future<Output = Result>,
) -> Result {
    tokio::pin!(call);
    tokio::select! {
        result = &mut call => return result,
        () = store.hanging.notified() => {}
    }
    let request = Request::new(stop_provider::Request {});
    terraform.provider.stop_provider(request).await.unwrap();
    call.await
}

/// What Terraform does with an object after an apply that failed: refresh, and replace one that a failed create left.
async fn converge(
    terraform: &Terraform,
    sample: &Sample,
    left: Option<Object>,
    tainted: bool,
) -> Object {
    let config = terraform.config(sample.resource, &sample.full);
    let mut prior = None;
    if let Some(left) = left {
        let read = terraform.refresh(sample.resource, &left).await;
        // A key whose token was not written any more, or is removed already, is told of: it is about to be replaced.
        for text in texts(&read.diagnostics) {
            assert!(text.starts_with("warning @\nThe token of key"), "{text}");
        }
        prior = read.object;
    }
    if tainted && let Some(object) = prior.take() {
        // Terraform keeps nothing of what was beside it.
        let object = Object {
            private: Vec::new(),
            ..object
        };
        let destroyed = terraform.destroy(sample.resource, &object).await;
        assert_eq!(texts(&destroyed.diagnostics), [""; 0]);
    }
    let applied = terraform
        .apply(sample.resource, prior.as_ref(), &config)
        .await;
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    applied.object.unwrap()
}

/// The store holds what the state says, and the client's token opens its key.
pub(crate) async fn assert_whole(terraform: &Terraform, sample: &Sample, object: &Object) {
    let read = terraform.refresh(sample.resource, object).await;
    assert_eq!(read.object.as_ref(), Some(object));
    assert_eq!(texts(&read.diagnostics), [""; 0]);
    if sample.kind == "key" {
        let token = terraform.store.token(&Name::parse(sample.name).unwrap());
        let fingerprint = Verifier::of(token.unwrap().expose()).fingerprint();
        let told = object.state.attribute("fingerprint");
        assert_eq!(told.as_str(), Some(fingerprint.as_str()));
    }
}

async fn is_empty(terraform: &Terraform, sample: &Sample) -> bool {
    let name = Name::parse(sample.name).unwrap();
    let kind = Kind::parse(sample.kind).unwrap();
    let token = terraform.store.token(&name);
    let key = DocumentKey { kind, name };
    terraform.store.read(&key).await.unwrap().is_none() && token.is_none()
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_anywhere_converges_at_the_next_apply() {
    for sample in [samples::scope(), samples::key()] {
        for (call, fault) in faults() {
            let (terraform, store) = Unreliable::terraform().await;
            let config = terraform.config(sample.resource, &sample.full);
            store.fail(call, fault);

            let created = terraform.apply(sample.resource, None, &config);
            let created = stopping(&terraform, &store, created).await;

            store.recover();
            let failed = !created.diagnostics.is_empty();
            if !failed {
                assert!(created.object.is_some());
                continue;
            }
            println!("{} {call} {fault:?}: {created:?}", sample.kind);
            let whole = converge(&terraform, &sample, created.object, true).await;
            assert_whole(&terraform, &sample, &whole).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_is_lost_is_told_to_terraform() {
    let (terraform, store) = Unreliable::terraform().await;
    let sample = samples::key();
    let config = terraform.config(sample.resource, &sample.full);
    store.fail("write", Fault::AnswerLost);

    let created = terraform.apply(sample.resource, None, &config).await;
    store.recover();

    assert_eq!(
        texts(&created.diagnostics),
        [
            "error @\nKey \"acme-ci\" was not created\nMemory, namespace \"prod\" can't be reached: the line is dead; \
             wait."
        ]
    );
    let destroyed = terraform
        .destroy(sample.resource, &created.object.unwrap())
        .await;
    assert_eq!(texts(&destroyed.diagnostics), [""; 0]);
    assert!(is_empty(&terraform, &sample).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_anywhere_converges_at_the_next_apply() {
    for sample in [samples::scope(), samples::key()] {
        for (call, fault) in faults() {
            let (terraform, store, created) = standing(&sample).await;
            let changed = terraform.config(sample.resource, &sample.changed());
            store.fail(call, fault);

            let updated = terraform.apply(sample.resource, Some(&created), &changed);
            let updated = stopping(&terraform, &store, updated).await;

            store.recover();
            assert!(updated.object.is_some(), "{call} {fault:?}");
            let whole = converge(&terraform, &sample, updated.object, false).await;
            assert_whole(&terraform, &sample, &whole).await;
            assert_eq!(whole.state, created.state);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroy_that_fails_anywhere_is_finished_by_the_next() {
    for sample in [samples::scope(), samples::key()] {
        for (call, fault) in faults() {
            let (terraform, store, created) = standing(&sample).await;
            store.fail(call, fault);

            let destroyed = terraform.destroy(sample.resource, &created);
            let destroyed = stopping(&terraform, &store, destroyed).await;

            store.recover();
            if let Some(left) = destroyed.object {
                assert!(!destroyed.diagnostics.is_empty());
                let read = terraform.refresh(sample.resource, &left).await;
                if let Some(left) = read.object {
                    let again = terraform.destroy(sample.resource, &left).await;
                    assert_eq!(texts(&again.diagnostics), [""; 0], "{call} {fault:?}");
                }
            }
            assert!(is_empty(&terraform, &sample).await, "{call} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroy_that_failed_and_is_no_longer_wanted_converges_too() {
    for (call, fault) in faults() {
        let sample = samples::key();
        let (terraform, store, created) = standing(&sample).await;
        store.fail(call, fault);
        let destroyed = terraform.destroy(sample.resource, &created);
        let destroyed = stopping(&terraform, &store, destroyed).await;
        store.recover();

        let mut whole = converge(&terraform, &sample, destroyed.object, false).await;

        let read = terraform.refresh(sample.resource, &whole).await;
        if let [warning] = texts(&read.diagnostics).as_slice() {
            // The token was removed already: the user does as the warning says.
            assert!(
                warning.contains("terraform apply -replace=ADDRESS"),
                "{warning}"
            );
            whole = converge(&terraform, &sample, read.object, true).await;
        }
        assert_whole(&terraform, &sample, &whole).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_keeps_the_state() {
    for (call, fault) in faults() {
        let sample = samples::key();
        let (terraform, store, created) = standing(&sample).await;
        store.fail(call, fault);

        let read = terraform.refresh(sample.resource, &created);
        let read = stopping(&terraform, &store, read).await;

        assert_eq!(read.object, Some(created), "{call} {fault:?}");
        let reads = ["read", "token_place"].contains(&call);
        assert_eq!(reads, !read.diagnostics.is_empty(), "{call} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_of_one_call() {
    let (terraform, store) = Unreliable::terraform().await;
    let sample = samples::scope();
    let config = terraform.config(sample.resource, &sample.full);
    store.fail("write", Fault::Panics);

    let created = terraform.apply(sample.resource, None, &config).await;

    assert_eq!(
        texts(&created.diagnostics),
        [
            "error @\nThe provider failed\nThe call ran into a defect of the provider. Please report it, with what \
             TF_LOG=debug shows; plan again to see how far the call came."
        ]
    );
    assert!(
        created.object.is_some(),
        "something may have been left in the store"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_calls_in_flight_and_later_ones_are_served() {
    let (terraform, store) = Unreliable::terraform().await;
    let sample = samples::scope();
    let config = terraform.config(sample.resource, &sample.full);
    store.fail("write", Fault::Hangs);
    let created = terraform.apply(sample.resource, None, &config);
    let created = stopping(&terraform, &store, created).await;
    store.recover();

    assert_eq!(
        texts(&created.diagnostics),
        [
            "error @\nThe call was stopped\nTerraform asked the provider to stop before the call had ended. Plan again to \
             see how far it came."
        ]
    );
    let whole = converge(&terraform, &sample, created.object, true).await;
    assert_whole(&terraform, &sample, &whole).await;
}

/// Another process on the same store, whose calls never fail.
pub(crate) async fn neighbour(terraform: &Terraform) -> Terraform {
    Terraform::with(Arc::new(terraform.store.clone()), terraform.store.clone()).await
}

#[tokio::test(start_paused = true)]
async fn an_update_within_which_the_process_ended_is_gone_on_with() {
    for sample in [samples::scope(), samples::key()] {
        for is_written in [false, true] {
            let (terraform, _store, created) = standing(&sample).await;
            let changed = terraform.config(sample.resource, &sample.changed());
            if is_written {
                let written = terraform.apply(sample.resource, Some(&created), &changed);
                assert_eq!(texts(&written.await.diagnostics), [""; 0]);
            }
            // What Terraform keeps then: the state as it was, and nothing beside it.
            let kept = Object {
                state: created.state.clone(),
                private: Vec::new(),
            };

            let whole = converge(&terraform, &sample, Some(kept.clone()), false).await;

            assert_whole(&terraform, &sample, &whole).await;
            assert_eq!(whole.state, created.state);
            let destroyed = terraform.destroy(sample.resource, &kept).await;
            assert_eq!(texts(&destroyed.diagnostics), [""; 0]);
            assert!(is_empty(&terraform, &sample).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_soon_after_it_was_asked_to_stop_is_no_failure() {
    for sample in [samples::scope(), samples::key()] {
        let (terraform, store) = Unreliable::terraform().await;
        let config = terraform.config(sample.resource, &sample.full);
        store.fail("write", Fault::HangsAfter);

        let interrupt = async {
            store.hanging.notified().await;
            let request = Request::new(stop_provider::Request {});
            terraform.provider.stop_provider(request).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            store.recover();
            store.resume.notify_one();
        };
        let create = terraform.apply(sample.resource, None, &config);
        let (created, ()) = tokio::join!(create, interrupt);

        assert_eq!(texts(&created.diagnostics), [""; 0]);
        assert_whole(&terraform, &sample, &created.object.unwrap()).await;
    }
}
