//! Several who make or remove the same object at once: nobody loses what is theirs.

use crate::backend::{Fault, Unreliable};
use crate::failures::{assert_whole, neighbour, standing};
use crate::samples;
use crate::words::texts;

#[tokio::test(start_paused = true)]
async fn an_unfinished_create_never_takes_somebody_elses_document_away() {
    for sample in [samples::scope(), samples::key()] {
        let (terraform, store) = Unreliable::terraform().await;
        let config = terraform.config(sample.resource, &sample.full);
        store.fail("write", Fault::Refused);
        let unfinished = terraform.apply(sample.resource, None, &config).await;
        let unfinished = unfinished.object.unwrap();
        store.recover();
        let other = terraform.config(sample.resource, &sample.changed());
        let others = terraform.apply(sample.resource, None, &other).await;
        let others = others.object.unwrap();

        let read = terraform.refresh(sample.resource, &unfinished).await;
        let destroyed = terraform.destroy(sample.resource, &unfinished).await;

        let [text] = texts(&read.diagnostics).try_into().unwrap();
        assert!(text.contains("is managed elsewhere"), "{text}");
        assert_eq!((read.object, destroyed.object), (None, None));
        assert_eq!(destroyed.diagnostics, []);
        assert_whole(&terraform, &sample, &others).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_resources_of_one_name_are_told_apart_while_both_are_made() {
    let (terraform, _store) = Unreliable::terraform().await;
    let sample = samples::key();
    let config = terraform.config(sample.resource, &sample.full);

    let (one, other) = tokio::join!(
        terraform.apply(sample.resource, None, &config),
        terraform.apply(sample.resource, None, &config)
    );

    let (made, refused) = if one.object.is_some() {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(
        texts(&refused.diagnostics),
        [
            "error @.name\nKey \"acme-ci\" is declared twice\nAnother resource of this configuration is key \
             \"acme-ci\" too. A key's name must be its own: give one of the two another name, or remove it."
        ]
    );
    assert_eq!(refused.object, None);
    assert_whole(&terraform, &sample, &made.object.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_create_one_key_the_winners_token_stays() {
    for (call, fault) in [("write", Fault::HangsAfter), ("write_token", Fault::Hangs)] {
        let (terraform, store) = Unreliable::terraform().await;
        let sample = samples::key();
        let config = terraform.config(sample.resource, &sample.full);
        let other = neighbour(&terraform).await;
        store.fail(call, fault);

        let late = async {
            store.hanging.notified().await;
            let late = other.apply(sample.resource, None, &config).await;
            store.recover();
            store.resume.notify_one();
            late
        };
        let (first, late) = tokio::join!(terraform.apply(sample.resource, None, &config), late);

        // The one that comes late can't tell the other from an apply that was interrupted. It says so, and the other
        // learns of it: of the two, one manages the key, and its client's token opens it.
        let warnings = texts(&late.diagnostics);
        let late = late.object.unwrap();
        assert_whole(&other, &sample, &late).await;
        match first.object {
            Some(first) if call == "write" => {
                assert!(warnings[0].contains("was there already"), "{call}");
                let read = terraform.refresh(sample.resource, &first).await;
                assert_eq!(read.object, None);
                assert!(texts(&read.diagnostics)[0].contains("is managed elsewhere"));
            }
            Some(first) => {
                assert_eq!(warnings, [""; 0], "{call}");
                let read = terraform.refresh(sample.resource, &first).await;
                assert_eq!(read.object, None);
            }
            None => panic!("the call that hung may have left something"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_created_while_another_process_removes_it_keeps_its_token() {
    for (call, fault) in [
        ("delete_token", Fault::HangsAfter),
        ("delete", Fault::HangsAfter),
    ] {
        let sample = samples::key();
        let (terraform, store, object) = standing(&sample).await;
        let config = terraform.config(sample.resource, &sample.full);
        let other = neighbour(&terraform).await;
        store.fail(call, fault);

        let successor = async {
            store.hanging.notified().await;
            let made = other.apply(sample.resource, None, &config).await;
            store.recover();
            store.resume.notify_one();
            made
        };
        let destroy = terraform.destroy(sample.resource, &object);
        let (destroyed, made) = tokio::join!(destroy, successor);

        assert_eq!(texts(&destroyed.diagnostics), [""; 0], "{call}");
        let made = match made.object {
            Some(made) => made,
            // The name was still taken; it is free now.
            None => other
                .apply(sample.resource, None, &config)
                .await
                .object
                .unwrap(),
        };
        assert_whole(&other, &sample, &made).await;
    }
}
