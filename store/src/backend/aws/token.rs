//! Clients' tokens: each its own secret, so that a policy can give it to that client alone.

use std::time::Duration;

use super::Store;
use super::index::name_is_taken;
use super::layout::KEY_TAG;
use super::patience::Patience;
use super::secrets::{NewSecret, Written};
use crate::Secret;
use crate::backend::{StoreError, TokenOwner, TokenPlace};

/// How long the name of a removed token may stay taken.
const LEAVING_MAX: Duration = Duration::from_secs(30);

impl Store {
    /// Makes the token's secret, or gives it another version.
    pub(super) async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
    ) -> Result<TokenPlace, StoreError> {
        let name = self.names.token(owner.id);
        let new = NewSecret {
            name: &name,
            description: format!(
                "Tollgate: the token of key {:?} in namespace {:?}",
                owner.name.as_str(),
                self.namespace()
            ),
            text: token.expose(),
            tags: vec![(KEY_TAG.to_owned(), owner.name.to_string())],
        };
        let mut patience = Patience::lasting(LEAVING_MAX);
        loop {
            if let Some(arn) = self.secrets.put(&name, token.expose()).await? {
                return Ok(place(name, arn));
            }
            if let Written::Done(value) = self.secrets.create(&new).await? {
                return Ok(place(name, value.arn));
            }
            if !patience.again().await {
                return Err(name_is_taken(&self.secrets, &name));
            }
        }
    }

    /// Where the token is, if it is.
    pub(super) async fn token_place(
        &self,
        owner: TokenOwner<'_>,
    ) -> Result<Option<TokenPlace>, StoreError> {
        let name = self.names.token(owner.id);
        let description = self.secrets.describe(&name).await?;
        Ok(description.map(|description| place(name, description.arn)))
    }

    /// Removes the token for good.
    pub(super) async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.secrets.remove(&self.names.token(owner.id)).await
    }
}

fn place(secret_id: String, arn: String) -> TokenPlace {
    TokenPlace {
        secret_id,
        secret_arn: Some(arn),
    }
}
