//! Clients' tokens: each its own secret, so that a policy can give it to that client alone.

use std::time::Duration;

use super::Store;
use super::index::name_is_taken;
use super::layout::{KEY_SET_TAG, KEY_TAG};
use super::patience::Patience;
use super::secrets::{NewSecret, Value, Written};
use crate::Secret;
use crate::backend::{Expected, KeptToken, StoreError, TokenOwner, TokenPlace};
use crate::document::Revision;

/// How long the name of a removed token may stay taken.
const LEAVING_MAX: Duration = Duration::from_secs(30);

impl Store {
    /// Makes the token's secret, or gives it another version in place of the one that is expected.
    pub(super) async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        let name = self.names.token(owner);
        let new = NewSecret {
            name: &name,
            description: format!("Tollgate: the {owner} in namespace {:?}", self.namespace()),
            text: token.expose(),
            tags: vec![owner_tag(owner)],
        };
        self.walk.touch(&name);
        let mut patience = Patience::lasting(LEAVING_MAX);
        // Most tokens are new, and one call makes them.
        let mut standing = match expected {
            Expected::Absent => None,
            Expected::Revision(_) => self.secrets.value(&name).await?,
        };
        loop {
            if !expected.is(standing.as_ref().map(revision).as_ref()) {
                return Err(StoreError::TokenStands {
                    owner: owner.to_string(),
                    place: self.place().to_owned(),
                });
            }
            let written = match &standing {
                Some(standing) => self.secrets.swap(standing, token.expose()).await?,
                None => self.secrets.create(&new).await?,
            };
            if let Written::Done(value) = written {
                return Ok(place(name, value.arn));
            }
            if !patience.again().await {
                return Err(name_is_taken(&self.secrets, &name));
            }
            standing = self.secrets.value(&name).await?;
            let ours = standing
                .as_ref()
                .filter(|value| value.text.as_deref() == Some(token.expose()));
            if let Some(value) = ours {
                // An earlier attempt, whose answer was lost.
                return Ok(place(name, value.arn.clone()));
            }
        }
    }

    /// The token, if there is one.
    pub(super) async fn read_token(
        &self,
        owner: TokenOwner<'_>,
    ) -> Result<Option<KeptToken>, StoreError> {
        let name = self.names.token(owner);
        let Some(value) = self.secrets.value(&name).await? else {
            return Ok(None);
        };
        let revision = revision(&value);
        let Some(text) = value.text else {
            return Err(self.corrupt(&name, "it is binary".to_owned()));
        };
        Ok(Some(KeptToken {
            token: Secret::new(text),
            revision,
            place: place(name, value.arn),
        }))
    }

    /// Where the token is, if it is.
    pub(super) async fn token_place(
        &self,
        owner: TokenOwner<'_>,
    ) -> Result<Option<TokenPlace>, StoreError> {
        let name = self.names.token(owner);
        let arn = self.walk.arn(&self.secrets, &name).await?;
        Ok(arn.map(|arn| place(name, arn)))
    }

    /// Removes the token for good, by its ARN: one that is made meanwhile under the same name is another.
    pub(super) async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        let name = self.names.token(owner);
        let arn = self.walk.arn(&self.secrets, &name).await?;
        self.walk.touch(&name);
        match arn {
            Some(arn) => self.secrets.remove(&arn).await,
            None => Ok(()),
        }
    }
}

/// By which a person finds the secret.
fn owner_tag(owner: TokenOwner<'_>) -> (String, String) {
    match owner {
        TokenOwner::Key { name, .. } => (KEY_TAG.to_owned(), name.to_string()),
        TokenOwner::Page { set, .. } => (KEY_SET_TAG.to_owned(), set.to_string()),
    }
}

fn revision(value: &Value) -> Revision {
    Revision::from_text(value.version.clone())
}

fn place(secret_id: String, arn: String) -> TokenPlace {
    TokenPlace {
        secret_id,
        secret_arn: Some(arn),
    }
}
