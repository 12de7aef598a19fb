//! Secrets that are not the store's own, and that others write: certificates and their keys.

use std::collections::BTreeMap;

use super::secrets::{Secrets, Value};
use crate::Secret;
use crate::backend::{SecretsManager, StoreError};

/// Reads secrets of one region that are not the store's own.
#[derive(Debug)]
pub struct ForeignSecrets {
    secrets: Secrets,
}

impl ForeignSecrets {
    /// Those of a region, by the settings of a store. Nothing is called yet.
    pub fn new(settings: &SecretsManager, region: &str) -> Result<Self, StoreError> {
        let settings = SecretsManager {
            region: Some(region.to_owned()),
            ..settings.clone()
        };
        let place = format!("Secrets Manager in {region}");
        Ok(Self {
            secrets: Secrets::new(&settings, &place)?,
        })
    }

    /// Their values, by ARN, or why each can't be read. It is one call, unless one of them can't be.
    pub async fn read(&self, arns: &[String]) -> BTreeMap<String, Result<Secret, String>> {
        if let Ok(values) = self.secrets.values(arns).await {
            let mut found: BTreeMap<_, _> = values
                .into_values()
                .map(|value| (value.arn.clone(), value))
                .collect();
            let read = arns
                .iter()
                .map(|arn| (arn.clone(), text(found.remove(arn))));
            return read.collect();
        }
        let mut read = BTreeMap::new();
        for arn in arns {
            let value = self.secrets.value(arn).await;
            let value = value.map_err(|error| error.to_string()).and_then(text);
            read.insert(arn.clone(), value);
        }
        read
    }
}

fn text(value: Option<Value>) -> Result<Secret, String> {
    let value = value.ok_or("there is no such secret")?;
    let text = value.text.ok_or("it is a binary secret: it must be text")?;
    Ok(Secret::new(text))
}
