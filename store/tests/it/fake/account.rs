//! The secrets of one account and region, and what each call does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::Limits;
use super::answer::{Answer, Refusal, text, texts};
use super::listing;
use super::secret::{Removed, Secret};

const RECOVERY_DAYS_DEFAULT: u64 = 30;
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Account {
    limits: Limits,
    started: Instant,
    advanced: Duration,
    /// Also those that were removed, which the list may still tell of.
    secrets: Vec<Secret>,
    /// When the calls of the last second came, by group.
    recent: BTreeMap<&'static str, Vec<Duration>>,
}

impl Account {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            advanced: Duration::ZERO,
            secrets: Vec::new(),
            recent: BTreeMap::new(),
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.advanced += by;
    }

    pub(super) fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    pub(super) fn versions(&self, name: &str) -> usize {
        self.find(name).map_or(0, |secret| secret.versions.len())
    }

    pub(super) fn replicas(&self, name: &str) -> Vec<String> {
        let secret = self.find(name);
        secret.map_or_else(|_| Vec::new(), |secret| secret.replicas.clone())
    }

    pub(super) fn answer(&mut self, operation: &str, request: &Value) -> Answer {
        self.throttle(operation)?;
        if self.limits.denied.contains(operation) {
            let message = format!("not authorized to perform: secretsmanager:{operation}");
            return Err(Refusal::new("AccessDeniedException", message));
        }
        let now = self.now();
        match operation {
            "CreateSecret" => self.create(request),
            "PutSecretValue" => {
                let limits = self.limits.clone();
                let token = text(request, "ClientRequestToken")?;
                self.writable(request)?
                    .put(token, text(request, "SecretString")?, now, &limits)
            }
            "UpdateSecretVersionStage" => {
                let (stage, to) = (
                    text(request, "VersionStage")?,
                    text(request, "MoveToVersionId")?,
                );
                self.writable(request)?.stage(stage, to)
            }
            "GetSecretValue" => self.readable(text(request, "SecretId")?)?.value(),
            "BatchGetSecretValue" => self.batch(request),
            "DescribeSecret" => Ok(self.described(text(request, "SecretId")?)?.described()),
            "ListSecrets" => listing::list(&self.secrets, request, now, self.limits.list_lag),
            "ListSecretVersionIds" => self.version_ids(request),
            "TagResource" => self.writable(request)?.tag(request),
            "UntagResource" => {
                let secret = self.writable(request)?;
                for key in texts(request, "TagKeys") {
                    secret.tags.remove(&key);
                }
                Ok(json!({}))
            }
            "RemoveRegionsFromReplication" => {
                let regions = texts(request, "RemoveReplicaRegions");
                let secret = self.writable(request)?;
                secret.replicas.retain(|region| !regions.contains(region));
                Ok(secret.described())
            }
            "DeleteSecret" => self.delete(request),
            "RestoreSecret" => self.restore(request),
            _ => Err(Refusal::new("UnknownOperationException", operation)),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed() + self.advanced
    }

    fn throttle(&mut self, operation: &str) -> Result<(), Refusal> {
        let Some(writes) = self.limits.writes_per_second else {
            return Ok(());
        };
        let (group, times) = group(operation);
        let now = self.now();
        let recent = self.recent.entry(group).or_default();
        recent.retain(|at| *at + SECOND > now);
        if recent.len() >= (writes * times) as usize {
            return Err(Refusal::new("ThrottlingException", "Rate exceeded"));
        }
        recent.push(now);
        Ok(())
    }

    fn create(&mut self, request: &Value) -> Answer {
        let name = text(request, "Name")?;
        check_name(name)?;
        let (token, value) = (
            text(request, "ClientRequestToken")?,
            text(request, "SecretString")?,
        );
        let (now, limits) = (self.now(), self.limits.clone());
        match self.position(name).map(|at| &self.secrets[at]) {
            Some(secret) if secret.removed.is_some() => {
                let message = "You can't create this secret because a secret with this name is already scheduled for \
                               deletion.";
                return Err(Refusal::new("InvalidRequestException", message));
            }
            Some(secret) => {
                let exists = || Refusal::exists(format!("The secret {name} already exists."));
                return secret.repeated(token, value)?.ok_or_else(exists);
            }
            None => {}
        }
        let ending = Uuid::now_v7().simple().to_string();
        let mut secret = Secret {
            name: name.to_owned(),
            arn: format!(
                "arn:aws:secretsmanager:eu-west-1:000000000000:secret:{name}-{}",
                &ending[26..]
            ),
            tags: BTreeMap::new(),
            versions: Vec::new(),
            replicas: Vec::new(),
            created: now,
            removed: None,
        };
        secret.tag(request)?;
        for replica in request["AddReplicaRegions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            secret.replicas.push(text(replica, "Region")?.to_owned());
        }
        let answer = secret.put(token, value, now, &limits)?;
        self.secrets.push(secret);
        Ok(answer)
    }

    fn batch(&self, request: &Value) -> Answer {
        let ids = texts(request, "SecretIdList");
        if ids.len() > 20 || ids.is_empty() {
            return Err(Refusal::invalid("SecretIdList must have 1 to 20 members"));
        }
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for id in &ids {
            match self.readable(id).and_then(Secret::value) {
                Ok(value) => values.push(value),
                Err(refusal) => errors.push(refusal.of_secret(id)),
            }
        }
        Ok(json!({"SecretValues": values, "Errors": errors}))
    }

    fn version_ids(&self, request: &Value) -> Answer {
        let secret = self.readable(text(request, "SecretId")?)?;
        let ids = secret.versions.iter();
        let versions: Vec<Value> = ids.map(|it| json!({"VersionId": it.id})).collect();
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "Versions": versions}))
    }

    fn delete(&mut self, request: &Value) -> Answer {
        let id = text(request, "SecretId")?;
        let by_force = request["ForceDeleteWithoutRecovery"].as_bool() == Some(true);
        let days = request["RecoveryWindowInDays"].as_u64();
        let (now, removal) = (self.now(), self.limits.removal);
        let secret = match self.position(id) {
            Some(at) if self.secrets[at].removed.is_none() => &mut self.secrets[at],
            // What is gone already is no error by force.
            _ if by_force => return Ok(json!({"Name": id})),
            Some(_) => return Err(Refusal::marked_for_deletion()),
            None => return Err(Refusal::not_found()),
        };
        if !secret.replicas.is_empty() {
            let message = format!(
                "You can't delete secret {} that still has replica regions {:?}.",
                secret.name, secret.replicas
            );
            return Err(Refusal::new("InvalidRequestException", message));
        }
        let window = u32::try_from(days.unwrap_or(RECOVERY_DAYS_DEFAULT)).unwrap();
        secret.removed = Some(Removed {
            at: now,
            gone: now + if by_force { removal } else { DAY * window },
            by_force,
        });
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": 1.0}))
    }

    fn restore(&mut self, request: &Value) -> Answer {
        let at = self.position(text(request, "SecretId")?);
        let secret = &mut self.secrets[at.ok_or_else(Refusal::not_found)?];
        if secret
            .removed
            .take_if(|removed| !removed.by_force)
            .is_none()
        {
            return Err(Refusal::not_found());
        }
        Ok(json!({"ARN": secret.arn, "Name": secret.name}))
    }

    /// A secret that is there or whose name is taken still.
    fn position(&self, id: &str) -> Option<usize> {
        let now = self.now();
        let gone = |secret: &Secret| secret.removed.as_ref().is_some_and(|it| it.gone <= now);
        let found = |secret: &Secret| (secret.name == id || secret.arn == id) && !gone(secret);
        self.secrets.iter().position(found)
    }

    fn find(&self, id: &str) -> Result<&Secret, Refusal> {
        let position = self.position(id).ok_or_else(Refusal::not_found)?;
        Ok(&self.secrets[position])
    }

    fn readable(&self, id: &str) -> Result<&Secret, Refusal> {
        let secret = self.find(id)?;
        match secret.removed {
            Some(_) => Err(Refusal::marked_for_deletion()),
            None => Ok(secret),
        }
    }

    /// One that is scheduled for deletion can be described, one that is deleted by force can't.
    fn described(&self, id: &str) -> Result<&Secret, Refusal> {
        let secret = self.find(id)?;
        match &secret.removed {
            Some(removed) if removed.by_force => Err(Refusal::not_found()),
            _ => Ok(secret),
        }
    }

    fn writable(&mut self, request: &Value) -> Result<&mut Secret, Refusal> {
        let id = text(request, "SecretId")?;
        self.readable(id)?;
        let position = self.position(id).ok_or_else(Refusal::not_found)?;
        Ok(&mut self.secrets[position])
    }
}

/// Which calls AWS counts together, and how many times 50 a second it allows them.
fn group(operation: &str) -> (&'static str, u32) {
    match operation {
        "PutSecretValue" | "UpdateSecretVersionStage" | "RemoveRegionsFromReplication" => {
            ("put", 1)
        }
        "TagResource" | "UntagResource" => ("tag", 1),
        "CreateSecret" => ("create", 1),
        "DeleteSecret" => ("delete", 1),
        "ListSecrets" => ("list", 2),
        "BatchGetSecretValue" => ("batch", 2),
        "GetSecretValue" => ("get", 200),
        "DescribeSecret" => ("describe", 800),
        _ => ("other", 1),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let holds = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    let ending = name.rsplit_once('-').map_or(0, |(_, ending)| ending.len());
    if name.is_empty() || name.len() > 512 || !name.chars().all(holds) || ending == 6 {
        return Err(Refusal::invalid(format!("{name} is no secret's name")));
    }
    Ok(())
}
