//! Where clients' tokens are: a few are asked for one by one, many are found by walking through the list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use tokio::time::Instant;

use super::secrets::Secrets;
use super::slot::{FRESH, guard};
use crate::backend::StoreError;

/// How many tokens are looked up one by one before the list is worth its calls.
const SINGLES_MAX: usize = 20;
/// The most pages of the list: 20,000 tokens.
const PAGES_MAX: usize = 200;

/// What this process knows of a namespace's tokens.
#[derive(Debug)]
pub(super) struct Walk {
    prefix: String,
    asked: Mutex<Asked>,
    /// Locked while the list is walked: the others then find their answer.
    list: tokio::sync::Mutex<Option<List>>,
}

#[derive(Debug, Default)]
struct Asked {
    /// What was looked up, as long as it is little.
    names: BTreeSet<String>,
    /// What this process wrote or removed: the list may tell of it as it was before.
    touched: BTreeSet<String>,
    /// Nobody may list secrets here.
    denied: bool,
}

#[derive(Debug)]
struct List {
    at: Instant,
    arns: BTreeMap<String, String>,
}

impl Walk {
    /// Nothing is called yet.
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            asked: Mutex::default(),
            list: tokio::sync::Mutex::default(),
        }
    }

    /// This process wrote or removed a token.
    pub(super) fn touch(&self, name: &str) {
        guard(&self.asked).touched.insert(name.to_owned());
    }

    /// The ARN of a token's secret; `None` where there is none.
    pub(super) async fn arn(
        &self,
        secrets: &Secrets,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        if self.is_worth_a_list(name)
            && let Some(arn) = self.listed(secrets, name).await?
        {
            return Ok(Some(arn));
        }
        // The list lags: what is not in it may be there.
        let description = secrets.describe(name).await?;
        Ok(description.map(|description| description.arn))
    }

    fn is_worth_a_list(&self, name: &str) -> bool {
        let mut asked = guard(&self.asked);
        if asked.denied || asked.touched.contains(name) || !name.starts_with(&self.prefix) {
            return false;
        }
        if asked.names.contains(name) {
            return false;
        }
        if asked.names.len() < SINGLES_MAX {
            asked.names.insert(name.to_owned());
            return false;
        }
        true
    }

    async fn listed(&self, secrets: &Secrets, name: &str) -> Result<Option<String>, StoreError> {
        let mut list = self.list.lock().await;
        if list.as_ref().is_none_or(|list| list.at.elapsed() > FRESH) {
            *list = match self.walk(secrets).await {
                Ok(arns) => Some(List {
                    at: Instant::now(),
                    arns,
                }),
                Err(StoreError::Denied { cause, .. }) => {
                    let mut asked = guard(&self.asked);
                    if !asked.denied {
                        tracing::warn!(
                            cause,
                            "secrets can't be listed: every token takes a call of its own"
                        );
                    }
                    asked.denied = true;
                    None
                }
                Err(error) => return Err(error),
            };
        }
        let list = list.as_ref();
        Ok(list.and_then(|list| list.arns.get(name).cloned()))
    }

    async fn walk(&self, secrets: &Secrets) -> Result<BTreeMap<String, String>, StoreError> {
        let mut arns = BTreeMap::new();
        let mut page = None;
        for _ in 0..PAGES_MAX {
            let (listed, next) = secrets.list(&self.prefix, page).await?;
            arns.extend(listed.into_iter().map(|secret| (secret.name, secret.arn)));
            page = next;
            if page.is_none() {
                break;
            }
        }
        Ok(arns)
    }
}
