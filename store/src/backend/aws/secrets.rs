//! The calls of Secrets Manager that the store is made of.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, ReplicaRegionType, Tag};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::connection::Connection;
use super::failure::{Meaning, answered, meaning, meaning_of, store_error};
use super::patience::Patience;
use crate::backend::{SecretsManager, StoreError};

/// How long a call is tried again while Secrets Manager asks to slow down.
const THROTTLED_MAX: Duration = Duration::from_secs(30);
/// How many calls are under way at once: AWS takes 50 writes a second, and terraform makes ten at a time.
const CALLS_AT_ONCE_MAX: usize = 16;
/// The most secrets that one call reads.
const BATCH_MAX: usize = 20;
/// The most secrets on one page of a list.
const LIST_PAGE_MAX: i32 = 100;
const CURRENT: &str = "AWSCURRENT";
/// What the request tokens of compare-and-swap derive from, together with the version that they follow.
const SWAP_TOKENS: Uuid = Uuid::from_u128(0x8f0c_51b1_6f0e_4f53_9c5a_7e0d_3b62_a4d7);

/// One account's and region's secrets.
#[derive(Debug)]
pub(super) struct Secrets {
    place: String,
    connection: Connection,
    turns: Semaphore,
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
    /// Which version is the current one.
    pub(super) version: String,
    pub(super) tags: BTreeMap<String, String>,
    /// The regions that it is replicated to.
    pub(super) replicas: Vec<String>,
}

/// A secret to be made. It may hold a token, and so does not print.
pub(super) struct NewSecret<'a> {
    pub(super) name: &'a str,
    pub(super) description: String,
    pub(super) text: &'a str,
    pub(super) tags: Vec<(String, String)>,
}

/// A secret in a list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) arn: String,
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
            turns: Semaphore::new(CALLS_AT_ONCE_MAX),
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

    /// The current values of secrets, by name; without those that do not exist.
    pub(super) async fn values(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, Value>, StoreError> {
        let mut values = BTreeMap::new();
        for batch in names.chunks(BATCH_MAX) {
            self.add_values(batch, &mut values).await?;
        }
        Ok(values)
    }

    async fn add_values(
        &self,
        names: &[String],
        values: &mut BTreeMap<String, Value>,
    ) -> Result<(), StoreError> {
        let action = format!("to read the secrets {}", names.join(", "));
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
                return Ok(());
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
            version: current(answer.version_ids_to_stages.unwrap_or_default()),
            replicas: (answer.replication_status.unwrap_or_default().into_iter())
                .filter_map(|replica| replica.region)
                .collect(),
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
        let regions = settings.replica_regions.iter();
        let replicas: Vec<ReplicaRegionType> = regions
            .map(|region| ReplicaRegionType::builder().region(region).build())
            .collect();
        let action = format!("to create secret {}", new.name);
        let answer = self.call(&action, |client| {
            client
                .create_secret()
                .name(new.name)
                .description(&new.description)
                .secret_string(new.text)
                .set_kms_key_id(settings.kms_key_id.clone())
                .set_tags((!tags.is_empty()).then(|| tags.clone()))
                .set_add_replica_regions((!replicas.is_empty()).then(|| replicas.clone()))
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

    /// Removes tags; no error where there is no such secret.
    pub(super) async fn untag(&self, id: &str, keys: &[String]) -> Result<(), StoreError> {
        let action = format!("to remove tags of secret {id}");
        let answer = self.call(&action, |client| {
            let request = client.untag_resource().secret_id(id);
            request.set_tag_keys(Some(keys.to_vec())).send()
        });
        found(answer.await).map(drop)
    }

    /// One page of the secrets whose name starts like that, and where the next page starts.
    pub(super) async fn list(
        &self,
        prefix: &str,
        page: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), StoreError> {
        let action = format!("to list the secrets {prefix}*");
        let filter = Filter::builder()
            .key(FilterNameStringType::Name)
            .values(prefix)
            .build();
        let answer = self.call(&action, |client| {
            let request = client.list_secrets().filters(filter.clone());
            let request = request.max_results(LIST_PAGE_MAX);
            request.set_next_token(page.clone()).send()
        });
        let answer = answer.await.map_err(|failure| failure.error)?;
        let secrets = answer.secret_list.unwrap_or_default().into_iter();
        let listed = secrets.filter_map(|secret| {
            let name = secret.name.filter(|name| name.starts_with(prefix))?;
            let arn = secret.arn?;
            secret
                .deleted_date
                .is_none()
                .then_some(Listed { name, arn })
        });
        Ok((listed.collect(), answer.next_token))
    }

    /// Removes a secret for good; one that is gone already is no error.
    pub(super) async fn remove(&self, id: &str) -> Result<(), StoreError> {
        match self.delete(id).await {
            // Replicas keep it, also those that were once declared and are not any more.
            Err(failure) if failure.meaning == Meaning::Replicated => {
                self.remove_replicas(id).await?;
                found(self.delete(id).await).map(drop)
            }
            answer => found(answer).map(drop),
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Failure> {
        let action = format!("to remove secret {id}");
        let answer = self.call(&action, |client| {
            let request = client.delete_secret().secret_id(id);
            request.force_delete_without_recovery(true).send()
        });
        answer.await.map(drop)
    }

    async fn remove_replicas(&self, id: &str) -> Result<(), StoreError> {
        let Some(description) = self.describe(id).await? else {
            return Ok(());
        };
        let action = format!("to remove the replicas of secret {id}");
        let answer = self.call(&action, |client| {
            let request = client.remove_regions_from_replication().secret_id(id);
            let regions = Some(description.replicas.clone());
            request.set_remove_replica_regions(regions).send()
        });
        found(answer.await).map(drop)
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
        // Whoever is asked to slow down keeps its turn, so that a burst does not grow while it waits.
        let _turn = self.turns.acquire().await;
        let mut patience = Patience::lasting(THROTTLED_MAX);
        loop {
            let error = match Box::pin(send(client)).await {
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

/// Which version is the current one; empty where none is.
fn current(stages: HashMap<String, Vec<String>>) -> String {
    let current = |(_, stages): &(String, Vec<String>)| stages.iter().any(|it| it == CURRENT);
    stages.into_iter().find(current).unwrap_or_default().0
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}
