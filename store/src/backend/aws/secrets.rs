//! The calls of Secrets Manager that the store is made of.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::Tag;
use uuid::Uuid;

use super::connection::Connection;
use super::failure::{Meaning, answered, meaning, meaning_of, store_error};
use super::patience::Patience;
use crate::backend::{SecretsManager, StoreError};

/// How long a call is tried again while Secrets Manager asks to slow down.
const THROTTLED_MAX: Duration = Duration::from_secs(20);
const CURRENT: &str = "AWSCURRENT";
/// What the request tokens of compare-and-swap derive from, together with the version that they follow.
const SWAP_TOKENS: Uuid = Uuid::from_u128(0x8f0c_51b1_6f0e_4f53_9c5a_7e0d_3b62_a4d7);

/// One account's and region's secrets.
#[derive(Debug)]
pub(super) struct Secrets {
    place: String,
    connection: Connection,
}

/// A secret's current value.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// Which secret: one that is made again under the same name has another.
    pub(super) arn: String,
    /// Which version.
    pub(super) version: String,
    /// The value; `None` where it is no text.
    pub(super) text: Option<String>,
}

/// A secret without its value.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) arn: String,
    pub(super) tags: BTreeMap<String, String>,
}

/// A secret to be made. It may hold a token, and so does not print.
pub(super) struct NewSecret<'a> {
    pub(super) name: &'a str,
    pub(super) description: String,
    pub(super) text: &'a str,
    pub(super) tags: Vec<(String, String)>,
}

/// How an attempt to write ended.
#[derive(Debug)]
pub(super) enum Written {
    /// The value stands.
    Done(Value),
    /// Somebody else was first, the name is not free yet, or nobody can say: read again and decide.
    ReadAgain,
}

/// A call that failed.
struct Failure {
    meaning: Meaning,
    error: StoreError,
}

impl Secrets {
    /// Nothing is called yet.
    pub(super) fn new(settings: &SecretsManager, place: &str) -> Result<Self, StoreError> {
        Ok(Self {
            place: place.to_owned(),
            connection: Connection::new(settings, place)?,
        })
    }

    /// Which store it is, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// One secret's current value; `None` where there is no such secret.
    pub(super) async fn value(&self, id: &str) -> Result<Option<Value>, StoreError> {
        let action = format!("to read secret {id}");
        let answer = self.call(&action, |client| {
            let request = client
                .get_secret_value()
                .secret_id(id)
                .version_stage(CURRENT);
            request.send()
        });
        let answer = found(answer.await)?;
        Ok(answer.and_then(|it| value(it.arn, it.version_id, it.secret_string)))
    }

    /// The current values of at most 20 secrets, by name; without those that do not exist.
    pub(super) async fn values(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, Value>, StoreError> {
        let action = format!("to read the secrets {}", names.join(", "));
        let mut values = BTreeMap::new();
        let mut page = None;
        loop {
            let answer = self.call(&action, |client| {
                let request = client.batch_get_secret_value();
                let request = request.set_secret_id_list(Some(names.to_vec()));
                request.set_next_token(page.clone()).send()
            });
            let answer = answer.await.map_err(|failure| failure.error)?;
            for error in answer.errors() {
                let code = error.error_code().unwrap_or_default();
                let message = error.message().unwrap_or_default();
                if meaning_of(code, message) != Meaning::Missing {
                    let cause = format!("{code}: {message}");
                    return Err(answered(self.place.clone(), &action, code, cause));
                }
            }
            for secret in answer.secret_values.unwrap_or_default() {
                let value = value(secret.arn, secret.version_id, secret.secret_string);
                if let (Some(name), Some(value)) = (secret.name, value) {
                    values.insert(name, value);
                }
            }
            page = answer.next_token;
            if page.is_none() {
                return Ok(values);
            }
        }
    }

    /// What a secret is, but for its value; `None` where there is no such secret.
    pub(super) async fn describe(&self, id: &str) -> Result<Option<Description>, StoreError> {
        let action = format!("to describe secret {id}");
        let answer = self.call(&action, |client| {
            client.describe_secret().secret_id(id).send()
        });
        let answer = found(answer.await)?.filter(|it| it.deleted_date.is_none());
        Ok(answer.map(|answer| Description {
            arn: answer.arn.unwrap_or_default(),
            tags: (answer.tags.unwrap_or_default().into_iter())
                .filter_map(|tag| Some((tag.key?, tag.value?)))
                .collect(),
        }))
    }

    /// Makes a secret, with the tags and the encryption that the settings ask for.
    pub(super) async fn create(&self, new: &NewSecret<'_>) -> Result<Written, StoreError> {
        let settings = self.connection.settings();
        let declared = settings.tags.iter().map(|(key, value)| tag(key, value));
        let own = new.tags.iter().map(|(key, value)| tag(key, value));
        let tags: Vec<Tag> = declared.chain(own).collect();
        let action = format!("to create secret {}", new.name);
        let answer = self.call(&action, |client| {
            client
                .create_secret()
                .name(new.name)
                .description(&new.description)
                .secret_string(new.text)
                .set_kms_key_id(settings.kms_key_id.clone())
                .set_tags((!tags.is_empty()).then(|| tags.clone()))
                .send()
        });
        written(
            answer.await.map(|it| value(it.arn, it.version_id, None)),
            &[Meaning::Exists, Meaning::Leaving, Meaning::Uncertain],
        )
    }

    /// Replaces a value where it still is the current one. One call, and safe however many try:
    ///
    /// The request token derives from the version to be replaced, so that of all who replace the same version only
    /// one succeeds. The secret is named by its ARN, so that a secret which was removed and made again meanwhile is
    /// another one. `text` must differ from what anybody else writes: it holds a nonce.
    pub(super) async fn swap(&self, standing: &Value, text: &str) -> Result<Written, StoreError> {
        let token = Uuid::new_v5(&SWAP_TOKENS, standing.version.as_bytes()).to_string();
        let action = format!("to write secret {}", standing.arn);
        let answer = self.call(&action, |client| {
            let request = client.put_secret_value().secret_id(&standing.arn);
            request
                .client_request_token(&token)
                .secret_string(text)
                .send()
        });
        let answer = answer.await.map(|answer| {
            // A version that others have followed already is a success too, of a write long ago.
            let current = answer.version_stages().iter().any(|stage| stage == CURRENT);
            let value = value(answer.arn, answer.version_id, None);
            value.filter(|_| current)
        });
        written(
            answer,
            &[Meaning::Exists, Meaning::Missing, Meaning::Uncertain],
        )
    }

    /// Sets tags; `false` where there is no such secret.
    pub(super) async fn tag(
        &self,
        id: &str,
        tags: &[(String, String)],
    ) -> Result<bool, StoreError> {
        let action = format!("to tag secret {id}");
        let tags: Vec<Tag> = tags.iter().map(|(key, value)| tag(key, value)).collect();
        let answer = self.call(&action, |client| {
            let request = client.tag_resource().secret_id(id);
            request.set_tags(Some(tags.clone())).send()
        });
        Ok(found(answer.await)?.is_some())
    }

    /// Removes a secret for good; one that is gone already is no error.
    pub(super) async fn remove(&self, id: &str) -> Result<(), StoreError> {
        let action = format!("to remove secret {id}");
        let answer = self.call(&action, |client| {
            let request = client.delete_secret().secret_id(id);
            request.force_delete_without_recovery(true).send()
        });
        found(answer.await).map(|_| ())
    }

    /// Calls, again while it is asked to slow down.
    async fn call<T, E, F>(
        &self,
        action: &str,
        send: impl Fn(&Client) -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>> + Send,
    {
        let client = self.connection.client(&self.place).await;
        let client = client.map_err(|error| Failure {
            meaning: Meaning::Other,
            error,
        })?;
        let mut patience = Patience::lasting(THROTTLED_MAX);
        loop {
            let error = match send(client).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let meaning = meaning(&error);
            if meaning != Meaning::Throttled {
                let error = store_error(&self.place, action, &error);
                return Err(Failure { meaning, error });
            }
            if !patience.again().await {
                let error = StoreError::Throttled {
                    place: self.place.clone(),
                    attempts: patience.attempts(),
                };
                return Err(Failure { meaning, error });
            }
        }
    }
}

fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.meaning == Meaning::Missing => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

fn written(
    answer: Result<Option<Value>, Failure>,
    read_again: &[Meaning],
) -> Result<Written, StoreError> {
    match answer {
        Ok(Some(value)) => Ok(Written::Done(value)),
        Ok(None) => Ok(Written::ReadAgain),
        Err(failure) if read_again.contains(&failure.meaning) => Ok(Written::ReadAgain),
        Err(failure) => Err(failure.error),
    }
}

fn value(arn: Option<String>, version: Option<String>, text: Option<String>) -> Option<Value> {
    Some(Value {
        arn: arn?,
        version: version?,
        text,
    })
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}
