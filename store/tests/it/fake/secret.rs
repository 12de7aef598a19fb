//! One secret: its versions, their stages, its tags.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::Limits;
use super::answer::{Answer, Refusal};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
const DAY: Duration = Duration::from_hours(24);
const TAGS_MAX: usize = 50;
const STAGES_MAX: usize = 20;

#[derive(Debug)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) versions: Vec<Version>,
    pub(super) replicas: Vec<String>,
    pub(super) created: Duration,
    pub(super) removed: Option<Removed>,
}

/// A secret that was deleted: nothing reads it, and its name is taken still.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) at: Duration,
    pub(super) gone: Duration,
    pub(super) by_force: bool,
}

#[derive(Debug)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) text: String,
    created: Duration,
    stages: BTreeSet<String>,
}

impl Secret {
    pub(super) fn version_ids_to_stages(&self) -> Value {
        let staged = self.versions.iter().filter(|it| !it.stages.is_empty());
        let stages = staged.map(|version| (version.id.clone(), json!(version.stages)));
        Value::Object(stages.collect())
    }

    pub(super) fn current(&self) -> Option<&Version> {
        (self.versions.iter()).find(|version| version.stages.contains(CURRENT))
    }

    pub(super) fn value(&self) -> Answer {
        let version = self.current().ok_or_else(Refusal::not_found)?;
        Ok(json!({
            "ARN": self.arn, "Name": self.name, "VersionId": version.id, "SecretString": version.text,
            "VersionStages": version.stages,
        }))
    }

    /// The version that a request token made: once more where it is the same.
    pub(super) fn repeated(&self, token: &str, text: &str) -> Result<Option<Value>, Refusal> {
        let Some(version) = self.versions.iter().find(|version| version.id == token) else {
            return Ok(None);
        };
        if version.text != text {
            return Err(Refusal::exists(
                "The operation failed because the secret already has a version of that request token.",
            ));
        }
        Ok(Some(self.written(version)))
    }

    pub(super) fn put(
        &mut self,
        token: &str,
        text: &str,
        now: Duration,
        limits: &Limits,
    ) -> Answer {
        if text.len() > limits.value_bytes_max {
            return Err(Refusal::invalid("SecretString is too long"));
        }
        if let Some(answer) = self.repeated(token, text)? {
            return Ok(answer);
        }
        let young = |version: &&Version| version.created + DAY > now;
        if self.versions.iter().filter(young).count() >= limits.versions_max {
            let message = "You've reached the limit of versions for this secret.";
            return Err(Refusal::over_limit(message));
        }
        self.versions
            .retain(|version| version.created + DAY > now || !version.stages.is_empty());
        self.versions.push(Version {
            id: token.to_owned(),
            text: text.to_owned(),
            created: now,
            stages: BTreeSet::new(),
        });
        self.make_current(token);
        let version = self.current().ok_or_else(Refusal::not_found)?;
        Ok(self.written(version))
    }

    fn make_current(&mut self, id: &str) {
        for version in &mut self.versions {
            version.stages.remove(PREVIOUS);
            if version.stages.remove(CURRENT) {
                version.stages.insert(PREVIOUS.to_owned());
            }
            if version.id == id {
                version.stages.insert(CURRENT.to_owned());
            }
        }
    }

    fn written(&self, version: &Version) -> Value {
        json!({
            "ARN": self.arn, "Name": self.name, "VersionId": version.id, "VersionStages": version.stages,
        })
    }

    /// Gives a version a stage, which leaves the version that had it.
    pub(super) fn stage(&mut self, stage: &str, to: &str) -> Answer {
        if !self.versions.iter().any(|version| version.id == to) {
            return Err(Refusal::not_found());
        }
        if stage == CURRENT {
            self.make_current(to);
        } else {
            for version in &mut self.versions {
                version.stages.remove(stage);
                if version.id == to {
                    version.stages.insert(stage.to_owned());
                }
            }
        }
        if self
            .versions
            .iter()
            .map(|it| it.stages.len())
            .sum::<usize>()
            > STAGES_MAX
        {
            return Err(Refusal::over_limit("too many stages"));
        }
        Ok(json!({"ARN": self.arn, "Name": self.name}))
    }

    pub(super) fn tag(&mut self, request: &Value) -> Answer {
        for tag in request["Tags"].as_array().into_iter().flatten() {
            let part = |name: &str| tag[name].as_str().unwrap_or_default().to_owned();
            self.tags.insert(part("Key"), part("Value"));
        }
        if self.tags.len() > TAGS_MAX {
            return Err(Refusal::invalid("a secret has at most 50 tags"));
        }
        Ok(json!({}))
    }

    pub(super) fn described(&self) -> Value {
        let tags = self.tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let replicas = self.replicas.iter();
        let replicas: Vec<Value> = replicas
            .map(|region| json!({"Region": region, "Status": "InSync"}))
            .collect();
        let mut described = json!({
            "ARN": self.arn, "Name": self.name, "Tags": tags, "VersionIdsToStages": self.version_ids_to_stages(),
            "ReplicationStatus": replicas,
        });
        if self.removed.is_some() {
            described["DeletedDate"] = json!(1.0);
        }
        described
    }
}
