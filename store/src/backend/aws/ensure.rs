//! What has to be so before a process writes for the first time: an index, and the declared number of shards.

use std::time::Duration;

use super::Store;
use super::find::Stop;
use super::index::{Plan, Previous};
use super::layout::{Layout, SHARDS_DEFAULT, SHARDS_MAX};
use super::patience::Patience;
use super::secrets::{Value, Written};
use super::shard::Stage;
use super::slot::Seen;
use crate::backend::StoreError;

/// How long it is tried while others are at it, too.
const CONTENDED_MAX: Duration = Duration::from_mins(1);
/// How many pages of a namespace's shards are listed at most: each holds 100, a namespace has 40 and leftovers.
const PAGES_MAX: u8 = 3;

impl Store {
    /// Makes sure, once a process, that there is an index which this build can follow, and as many shards as declared.
    ///
    /// Before the first document is written: who may not create secrets shall hear so while nothing is done yet.
    pub(super) async fn ensure(&self) -> Result<(), StoreError> {
        let ensured = self.ensured.get_or_try_init(|| self.lay_out());
        ensured.await.copied()
    }

    async fn lay_out(&self) -> Result<(), StoreError> {
        let mut patience = Patience::lasting(CONTENDED_MAX);
        loop {
            match self.lay_out_once().await {
                Ok(true) => return Ok(()),
                Ok(false) | Err(Stop::LaidOutAnew) => {}
                Err(Stop::Failed(error)) => return Err(error),
            }
            if !patience.again().await {
                return Err(self.unsettled());
            }
        }
    }

    /// One step; `true` where there was nothing left to do.
    async fn lay_out_once(&self) -> Result<bool, Stop> {
        let Some(look) = self.index.look(&self.secrets).await? else {
            self.begin().await?;
            return Ok(true);
        };
        let Some(value) = self.secrets.value(self.index.name()).await? else {
            return Ok(false);
        };
        let plan = self.index.plan(&self.secrets, &value)?;
        let layout = self.index.learn(&self.secrets, &look, &value)?;
        let board = self.adopt(layout);
        board.hear(&look);
        if let Some(previous) = &plan.previous {
            self.clear_away(&value, layout, previous).await?;
            return Ok(false);
        }
        match self.shards {
            Some(count) if count != layout.count => {
                self.reshard(&board, &value, count).await?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Makes the index of a new namespace, or of one whose index was lost.
    async fn begin(&self) -> Result<(), Stop> {
        let mut tags = self.used(&self.current()).await?;
        if tags.is_empty()
            && let Some(layout) = self.layout_listed().await?
        {
            tags = self.used(&self.adopt(layout)).await?;
        }
        if tags.is_empty() {
            self.adopt(Layout::new(self.shards.unwrap_or(SHARDS_DEFAULT)));
        }
        let plan = Plan {
            layout: self.current().layout,
            previous: None,
        };
        Ok(self.index.create(&self.secrets, &plan, tags).await?)
    }

    /// The newest layout that any secret's name tells of. The list lags, which is why nothing else relies on it.
    async fn layout_listed(&self) -> Result<Option<Layout>, StoreError> {
        let mut newest = None;
        let mut page = None;
        for _ in 0..PAGES_MAX {
            let listed = self.secrets.list(&self.names.shards_prefix(), page).await;
            let (listed, next) = match listed {
                Ok(listed) => listed,
                Err(StoreError::Denied { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let layouts = listed
                .iter()
                .filter_map(|it| self.names.layout_of(&it.name));
            newest = layouts.chain(newest).max();
            page = next;
            if page.is_none() {
                break;
            }
        }
        Ok(newest.filter(|layout| (1..=SHARDS_MAX).contains(&layout.count)))
    }

    /// Tells of the shards of a new layout, and removes those of the one before.
    async fn clear_away(
        &self,
        index: &Value,
        layout: Layout,
        previous: &Previous,
    ) -> Result<(), Stop> {
        let board = self.adopt(layout);
        let used = self.used(&board).await?;
        if !used.is_empty() {
            self.set_tags(used).await?;
        }
        let look = self.look(&board).await?;
        let tags = look.map(|look| look.tags).unwrap_or_default();
        let own: Vec<String> = board.shards().map(|(number, _)| number.tag()).collect();
        let stale: Vec<String> = tags.into_keys().filter(|tag| !own.contains(tag)).collect();
        if !stale.is_empty() {
            self.secrets.untag(&index.arn, &stale).await?;
        }
        let old = previous.layout(layout);
        let names: Vec<String> = old
            .shards()
            .zip(&previous.generations)
            .map(|(number, generation)| self.names.shard(old, number, *generation))
            .collect();
        for value in self.secrets.values(&names).await?.into_values() {
            let stage = Seen::of(Some(&value)).stage();
            // Anything else is of a later life of the namespace.
            if matches!(stage, Some(Stage::Resharding { .. })) {
                self.secrets.remove(&value.arn).await?;
            }
        }
        let plan = Plan {
            layout,
            previous: None,
        };
        if let Written::Done(value) = self.secrets.swap(index, &plan.to_text()).await? {
            self.index.hear(&value, layout);
        }
        Ok(())
    }
}
