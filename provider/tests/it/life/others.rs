//! What somebody else changed, broke or took away.

use serde_json::json;
use tollgate_store::backend::Backend;
use tollgate_store::document::DocumentId;

use super::{create, edit, key, stored, subject, words};
use crate::samples;
use crate::terraform::Terraform;
use crate::words::texts;

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_shows_as_drift_and_is_put_right() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        edit(&terraform, &sample, |spec| {
            if spec["description"].is_string() {
                spec["description"] = json!("Somebody was here.");
            } else {
                spec["enabled"] = json!(false);
            }
        })
        .await;

        let read = terraform.refresh(sample.resource, &created).await;
        let drifted = read.object.unwrap();
        let config = terraform.config(sample.resource, &sample.full);
        let put_right = terraform
            .apply(sample.resource, Some(&drifted), &config)
            .await;

        assert_ne!(drifted.state, created.state, "{}", sample.resource);
        assert_eq!(put_right.diagnostics, []);
        assert_eq!(put_right.object.unwrap().state, created.state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_that_means_the_same_is_no_drift() {
    let terraform = Terraform::new().await;
    let sample = samples::quota();
    let created = create(&terraform, &sample).await;
    edit(&terraform, &sample, |spec| {
        spec["limits"][0]["per"] = json!("60s");
    })
    .await;

    let read = terraform.refresh(sample.resource, &created).await;

    assert_eq!(read.object.unwrap().state, created.state);
}

#[tokio::test(start_paused = true)]
async fn a_change_since_the_last_read_is_never_written_over() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        edit(&terraform, &sample, |_| {}).await;
        let config = terraform.config(sample.resource, &sample.changed());

        let updated = terraform
            .apply(sample.resource, Some(&created), &config)
            .await;
        let destroyed = terraform.destroy(sample.resource, &created).await;

        for (result, done) in [(updated, "changed"), (destroyed, "removed")] {
            let [text] = texts(&result.diagnostics).try_into().unwrap();
            let subject = subject(&sample);
            assert_eq!(
                text,
                format!(
                    "error @\n{subject} was not {done}\n{subject} in memory, namespace \"prod\" was changed by somebody \
                     else since it was read: nothing was written; plan again to see what changed."
                )
            );
            assert_eq!(result.object.as_ref(), Some(&created));
        }
        assert!(stored(&terraform, &sample).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_gone_is_planned_anew() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let entry = terraform.store.read(&key(&sample)).await.unwrap().unwrap();
        let revision = entry.revision.unwrap();
        terraform
            .store
            .delete(&key(&sample), &revision)
            .await
            .unwrap();

        let read = terraform.refresh(sample.resource, &created).await;

        assert_eq!(read.object, None, "{}", sample.resource);
        assert_eq!(read.diagnostics, []);
        create(&terraform, &sample).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_is_gone_since_the_last_read_is_refused() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        terraform.destroy(sample.resource, &created).await;
        let config = terraform.config(sample.resource, &sample.changed());

        let updated = terraform
            .apply(sample.resource, Some(&created), &config)
            .await;

        let [text] = texts(&updated.diagnostics).try_into().unwrap();
        assert!(text.contains("nothing was written; plan again"), "{text}");
        assert_eq!(stored(&terraform, &sample).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_document_is_named_and_neither_recreated_nor_forgotten() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let place = DocumentId::from(key(&sample));
        terraform.store.put(place, json!({"kind": sample.kind}));

        let read = terraform.refresh(sample.resource, &created).await;

        let (kind, name) = (words(&sample), sample.name);
        let subject = subject(&sample);
        assert_eq!(
            texts(&read.diagnostics),
            [format!(
                "error @\n{subject} is broken\nWhat memory, namespace \"prod\" holds for {kind} {name:?} can't be \
                 used, and proxies leave it out: missing field `name`. Somebody edited it by hand, or a newer version \
                 wrote it. Mend it there, or have it made anew with `terraform apply -refresh=false -replace=ADDRESS` \
                 (ADDRESS is the resource's)."
            )]
        );
        assert_eq!(read.object, Some(created));
    }
}

/// What `-refresh=false -replace` does.
#[tokio::test(start_paused = true)]
async fn a_broken_document_can_be_removed_where_it_tells_its_revision() {
    let terraform = Terraform::new().await;
    for sample in samples::all() {
        let created = create(&terraform, &sample).await;
        let place = DocumentId::from(key(&sample));
        let broken = json!({
            "kind": sample.kind, "name": sample.name, "schema": 1, "revision": "0123456789abcdef", "spec": {"what": 1},
        });
        terraform.store.put(place, broken);
        let read = terraform.refresh(sample.resource, &created).await;
        assert!(texts(&read.diagnostics)[0].contains("is broken"));

        let gone = terraform.destroy(sample.resource, &created).await;

        assert_eq!((texts(&gone.diagnostics), gone.object), (vec![], None));
        assert!(stored(&terraform, &sample).await.is_none());
        create(&terraform, &sample).await;
    }
}
