//! The index: one secret whose value tells how the namespace is spread, and whose tags tell which shards changed.
//! One call reads the tags and which version the value is, and setting a tag makes no version.
//!
//! It holds nothing that the shards' names do not tell: losing it costs its readers a larger call, and the next writer
//! makes it anew.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::envelope::check_format;
use super::layout::{
    FORMAT_LATEST, FORMAT_PLAIN, Layout, Names, SHARD_TAG, SHARDS_DEFAULT, SHARDS_MAX, layout_told,
};
use super::patience::Patience;
use super::secrets::{NewSecret, Secrets, Value, Written};
use super::slot::guard;
use crate::backend::StoreError;

/// How long the name of a removed index may stay taken.
const LEAVING_MAX: Duration = Duration::from_secs(20);

/// Every shard's tag on the index.
pub(super) type Tags = BTreeMap<String, String>;

/// One namespace's index.
#[derive(Debug)]
pub(super) struct Index {
    name: String,
    namespace: String,
    /// The layout, and which version of the index told of it.
    known: Mutex<Option<(String, Layout)>>,
}

/// The index as one call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) arn: String,
    /// Which version the value is.
    pub(super) version: String,
    pub(super) tags: Tags,
}

/// What the index's value says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    /// The layout before, while its secrets may still be there.
    pub(super) previous: Option<Previous>,
}

/// A layout that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Previous {
    shard_count: u8,
    /// Which secret each of its shards was in, by number.
    pub(super) generations: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Raw {
    format: u64,
    #[serde(default = "shards_default")]
    shard_count: u8,
    #[serde(default = "edition_first")]
    edition: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
}

fn shards_default() -> u8 {
    SHARDS_DEFAULT
}

fn edition_first() -> u32 {
    Layout::FIRST.edition
}

impl Index {
    /// The index of the namespace; nothing is called yet.
    pub(super) fn new(names: &Names, namespace: &str) -> Self {
        Self {
            name: names.index(),
            namespace: namespace.to_owned(),
            known: Mutex::default(),
        }
    }

    /// The secret's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Which version stands, and the shards' tags; `None` where there is no index.
    pub(super) async fn look(&self, secrets: &Secrets) -> Result<Option<Look>, StoreError> {
        let description = secrets.describe(&self.name).await?;
        Ok(description.map(|description| {
            let mut tags = description.tags;
            tags.retain(|key, _| key.starts_with(SHARD_TAG));
            Look {
                arn: description.arn,
                version: description.version,
                tags,
            }
        }))
    }

    /// The layout that stands at that look, where it was read already.
    pub(super) fn known(&self, look: &Look) -> Option<Layout> {
        let known = guard(&self.known);
        let (version, layout) = known.as_ref()?;
        (*version == look.version).then_some(*layout)
    }

    /// Whether no layout was ever read.
    pub(super) fn is_unread(&self) -> bool {
        guard(&self.known).is_none()
    }

    /// The layout that stands; reads the value where it has changed.
    pub(super) async fn layout(
        &self,
        secrets: &Secrets,
        look: &Look,
    ) -> Result<Layout, StoreError> {
        if let Some(layout) = self.known(look) {
            return Ok(layout);
        }
        match secrets.value(&self.name).await? {
            Some(value) => self.learn(secrets, look, &value),
            // Removed since: whatever comes next finds that out.
            None => Ok(layout_told(&look.tags).unwrap_or(Layout::FIRST)),
        }
    }

    /// Learns the layout from the value. An error where another version of Tollgate laid the namespace out.
    ///
    /// A spoilt index is none: a typing error must not keep changes from arriving. The tags tell the layout, too.
    pub(super) fn learn(
        &self,
        secrets: &Secrets,
        look: &Look,
        value: &Value,
    ) -> Result<Layout, StoreError> {
        let text = value.text.as_deref().unwrap_or_default();
        let layout = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) if json.get("format").is_some() => self.plan(secrets, value)?.layout,
            _ => {
                tracing::warn!(
                    secret = self.name,
                    "the index is spoilt: writers will refuse it"
                );
                let known = guard(&self.known).as_ref().map(|(_, layout)| *layout);
                known.or(layout_told(&look.tags)).unwrap_or(Layout::FIRST)
            }
        };
        *guard(&self.known) = Some((value.version.clone(), layout));
        Ok(layout)
    }

    /// Hears of a layout that this process wrote.
    pub(super) fn hear(&self, value: &Value, layout: Layout) {
        *guard(&self.known) = Some((value.version.clone(), layout));
    }

    /// What the value says; an error where this build can't read it.
    pub(super) fn plan(&self, secrets: &Secrets, value: &Value) -> Result<Plan, StoreError> {
        let text = value.text.as_deref().unwrap_or_default();
        Plan::parse(text).map_err(|cause| StoreError::Corrupt {
            place: secrets.place().to_owned(),
            item: format!("secret {}", self.name),
            cause,
            remedy: "give it back the value of an earlier version, or remove it: the next `terraform apply` makes it \
                     anew"
                .to_owned(),
        })
    }

    /// Sets tags; `false` where there is no index.
    pub(super) async fn tag(
        &self,
        secrets: &Secrets,
        tags: &[(String, String)],
    ) -> Result<bool, StoreError> {
        secrets.tag(&self.name, tags).await
    }

    /// Makes the index, or sets the tags where somebody else made it.
    pub(super) async fn create(
        &self,
        secrets: &Secrets,
        plan: &Plan,
        tags: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        let new = NewSecret {
            name: &self.name,
            description: format!(
                "Tollgate: tells which documents of namespace {:?} changed",
                self.namespace
            ),
            text: &plan.to_text(),
            tags,
        };
        let mut patience = Patience::lasting(LEAVING_MAX);
        loop {
            if let Written::Done(value) = secrets.create(&new).await? {
                self.hear(&value, plan.layout);
                return Ok(());
            }
            // Where somebody else made it, they know nothing of these tags.
            let made = match new.tags.as_slice() {
                [] => secrets.describe(&self.name).await?.is_some(),
                tags => secrets.tag(&self.name, tags).await?,
            };
            if made {
                return Ok(());
            }
            if !patience.again().await {
                return Err(name_is_taken(secrets, &self.name));
            }
        }
    }
}

impl Plan {
    /// Reads the index's value; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        check_format(&json)?;
        let Raw {
            format: _,
            shard_count: count,
            edition,
            previous,
        } = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let counts = [Some(count), previous.as_ref().map(|it| it.shard_count)];
        for count in counts.into_iter().flatten() {
            if !(1..=SHARDS_MAX).contains(&count) {
                return Err(format!(
                    "it tells of {count} shards, 1 to {SHARDS_MAX} are possible"
                ));
            }
        }
        Ok(Self {
            layout: Layout { edition, count },
            previous,
        })
    }

    /// The value that [`Plan::parse`] reads. Builds that know only the first layout refuse every other.
    pub(super) fn to_text(&self) -> String {
        let raw = Raw {
            format: if self.layout == Layout::FIRST {
                FORMAT_PLAIN
            } else {
                FORMAT_LATEST
            },
            shard_count: self.layout.count,
            edition: self.layout.edition,
            previous: self.previous.clone(),
        };
        // Numbers: JSON can hold them all.
        serde_json::to_string(&raw).unwrap_or_default()
    }
}

impl Previous {
    /// The layout, and which secret each of its shards was in.
    pub(super) fn new(layout: Layout, generations: Vec<u32>) -> Self {
        Self {
            shard_count: layout.count,
            generations,
        }
    }

    /// The layout that the one which followed took the place of.
    pub(super) fn layout(&self, following: Layout) -> Layout {
        Layout {
            edition: following.edition.saturating_sub(1),
            count: self.shard_count,
        }
    }
}

/// A name stayed taken by a secret that is being deleted.
pub(super) fn name_is_taken(secrets: &Secrets, name: &str) -> StoreError {
    StoreError::Failed {
        place: secrets.place().to_owned(),
        action: format!("to create secret {name}"),
        cause: "a secret of that name is scheduled for deletion: restore it (`aws secretsmanager restore-secret`) where \
                its documents are wanted back, remove it for good where they are not, and try again"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_and_that_of_an_earlier_build_is_the_first() {
        for plan in [
            Plan {
                layout: Layout::FIRST,
                previous: None,
            },
            Plan {
                layout: Layout::FIRST.next(32),
                previous: Some(Previous::new(Layout::FIRST, vec![1; 16])),
            },
        ] {
            assert_eq!(Plan::parse(&plan.to_text()).as_ref(), Ok(&plan));
        }
        let earlier =
            r#"{"format":1,"shard_count":16,"shards":{"shard-00":"tollgate/prod/shard-00"}}"#;
        assert_eq!(Plan::parse(earlier).unwrap().layout, Layout::FIRST);
    }

    #[test]
    fn a_plan_that_this_build_cant_follow_is_refused() {
        for (text, expected) in [
            ("[", "not JSON"),
            (r#"{"format":3}"#, "upgrade it"),
            (r#"{"format":2,"shard_count":41}"#, "1 to 40"),
            (r#"{"format":2,"shard_count":0}"#, "1 to 40"),
        ] {
            let problem = Plan::parse(text).unwrap_err();

            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
