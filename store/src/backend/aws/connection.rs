//! The client of Secrets Manager: made at the first call, from the settings and the usual AWS chain.

use std::error::Error;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Builder, SharedCredentialsProvider};
use tokio::sync::OnceCell;

use super::layout::{SHARD_TAG, SHARDS_DEFAULT, SHARDS_MAX};
use crate::backend::{SecretsManager, StoreError};

/// A silent endpoint is given up after two attempts, within 5 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS_MAX: u32 = 2;
/// Also bounds what comes before: finding credentials, assuming a role.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);
/// The most tags that Secrets Manager takes a secret; the index needs one a shard.
const TAGS_MAX: usize = 50;
/// How many tags a secret has that tell whose it is.
const OWN_TAGS: usize = 1;

/// The settings, and the client once it was needed.
#[derive(Debug)]
pub(super) struct Connection {
    settings: SecretsManager,
    client: OnceCell<Client>,
}

impl Connection {
    /// Takes settings that can be used.
    pub(super) fn new(settings: &SecretsManager, place: &str) -> Result<Self, StoreError> {
        let refused = |cause: String| StoreError::Failed {
            place: place.to_owned(),
            action: "to open".to_owned(),
            cause,
        };
        let shards = settings.shards.unwrap_or(SHARDS_DEFAULT);
        if !(1..=SHARDS_MAX).contains(&shards) {
            let cause = format!("{shards} shards are declared, 1 to {SHARDS_MAX} are possible");
            return Err(refused(cause));
        }
        let (count, tags_max) = (
            settings.tags.len(),
            TAGS_MAX - OWN_TAGS - usize::from(shards),
        );
        if count > tags_max {
            let cause = format!(
                "{count} tags are given, at most {tags_max} are possible beside {shards} shards, of which each takes one"
            );
            return Err(refused(cause));
        }
        let reserved = |key: &&String| key.starts_with(SHARD_TAG) || key.starts_with("tollgate-");
        if let Some(key) = settings.tags.keys().find(reserved) {
            let cause = format!("the tag {key:?} is one that Tollgate sets: rename it");
            return Err(refused(cause));
        }
        Ok(Self {
            settings: settings.clone(),
            client: OnceCell::new(),
        })
    }

    /// What every secret made is given.
    pub(super) fn settings(&self) -> &SecretsManager {
        &self.settings
    }

    /// The client; an error where no region can be found.
    pub(super) async fn client(&self, place: &str) -> Result<&Client, StoreError> {
        // Boxed: it runs once, and would make every call's future as large as its own.
        let connect = || Box::pin(self.connect(place));
        self.client.get_or_try_init(connect).await
    }

    async fn connect(&self, place: &str) -> Result<Client, StoreError> {
        let config = self.load().await;
        let config = self.with_profile(config, place).await?;
        if config.region().is_none() {
            return Err(StoreError::Unreachable {
                place: place.to_owned(),
                cause: "no AWS region is set".to_owned(),
                remedy: "set `region`, or the environment variable AWS_REGION".to_owned(),
            });
        }
        let mut builder = Builder::from(&config);
        if let Some(url) = &self.settings.endpoint_url {
            builder = builder.endpoint_url(url);
        }
        if let Some(arn) = &self.settings.assume_role_arn {
            let provider = AssumeRoleProvider::builder(arn)
                .session_name("tollgate")
                .configure(&config)
                .build()
                .await;
            builder = builder.credentials_provider(SharedCredentialsProvider::new(provider));
        }
        Ok(Client::from_conf(builder.build()))
    }

    /// A profile that is named counts before credentials of the environment.
    async fn with_profile(&self, config: SdkConfig, place: &str) -> Result<SdkConfig, StoreError> {
        let Some(profile) = &self.settings.profile else {
            return Ok(config);
        };
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile);
        let provider = provider.build();
        if let Err(error) = provider.provide_credentials().await {
            return Err(StoreError::Unreachable {
                place: place.to_owned(),
                cause: format!(
                    "the profile {profile:?} gives no credentials: {}",
                    root_cause(&error)
                ),
                remedy: "see `aws configure list-profiles` for those that there are, mend it, or take `profile` out"
                    .to_owned(),
            });
        }
        let provider = SharedCredentialsProvider::new(provider);
        Ok(config.into_builder().credentials_provider(provider).build())
    }

    async fn load(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
        if let Some(region) = &self.settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.settings.profile {
            loader = loader.profile_name(profile);
        }
        loader.load().await
    }
}

/// What lies at the bottom of an error: the SDK wraps it several times.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(tags: impl IntoIterator<Item = String>) -> Result<Connection, String> {
        let settings = SecretsManager {
            tags: tags.into_iter().map(|tag| (tag, String::new())).collect(),
            ..SecretsManager::default()
        };
        Connection::new(&settings, "here").map_err(|error| error.to_string())
    }

    #[test]
    fn tags_that_tollgate_sets_and_more_than_fit_are_refused() {
        assert!(opened(["team".to_owned()]).is_ok());
        assert!(
            opened(["shard-03".to_owned()])
                .unwrap_err()
                .contains("shard-03")
        );
        let many = (0..34).map(|number| format!("tag-{number}"));
        assert!(opened(many).unwrap_err().contains("at most 33"));
    }

    #[test]
    fn more_shards_leave_room_for_fewer_tags() {
        let opened = |shards, tags| {
            let tags = (0..tags).map(|number| (format!("tag-{number}"), String::new()));
            let settings = SecretsManager {
                shards: Some(shards),
                tags: tags.collect(),
                ..SecretsManager::default()
            };
            Connection::new(&settings, "here").is_ok()
        };

        assert!(opened(40, 9) && opened(1, 48));
        assert!(!opened(40, 10) && !opened(0, 0) && !opened(41, 0));
    }
}
