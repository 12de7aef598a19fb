//! Secrets that are copied to further regions.

use tollgate_store::Secret;
use tollgate_store::backend::{Expected, TokenOwner};

use super::account::{everywhere, fake};
use crate::conformance::{Place as _, create, remove};
use crate::fake::Limits;
use crate::sample::{key_id, name};

#[tokio::test]
async fn every_secret_has_its_copies_and_is_removed_with_them() {
    let Some((fake, place)) = fake(Limits::default()).await else {
        return;
    };
    let regions = ["eu-central-1".to_owned(), "us-east-1".to_owned()];
    let backend = place
        .open_with(&place.endpoint, |settings| {
            settings.replica_regions = regions.to_vec();
        })
        .await;
    let (owner_name, id) = (name("acme"), key_id("acme"));
    let owner = TokenOwner::Key {
        name: &owner_name,
        id: &id,
    };
    let token = Secret::new("hush".to_owned());

    let revision = create(&backend, "a").await;
    let written = backend.write_token(owner, &token, &Expected::Absent).await;
    written.unwrap();

    let secrets = place.secrets().await;
    assert_eq!(secrets.len(), 3, "{secrets:?}");
    for secret in &secrets {
        assert_eq!(fake.replicas(&place.secret(secret)), regions, "{secret}");
    }
    backend.delete_token(owner).await.unwrap();
    remove(&backend, "a", &revision).await;
    assert_eq!(place.secrets().await, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_left_behind_where_copies_are_not_declared_any_more() {
    everywhere(async |place| {
        let backend = place
            .open_with(&place.endpoint, |settings| {
                settings.replica_regions = vec!["eu-central-1".to_owned()];
            })
            .await;
        let revision = create(&backend, "a").await;

        remove(&place.open().await, "a", &revision).await;

        assert_eq!(place.secrets().await, Vec::<String>::new());
    })
    .await;
}
