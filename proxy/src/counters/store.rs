//! Who counts: one server, or those of a cluster.

use std::sync::Arc;
use std::time::Duration;

use super::Common;
use super::connection::Place;
use super::keeper::Keeper;
use super::nodes::Nodes;

/// Of a server that has all keys, what has two tags is counted too.
const TAGS: [&str; 2] = ["n|0", "n|1"];

/// Who counts.
#[derive(Debug)]
pub(super) enum Store {
    Single(Arc<Keeper>),
    Cluster(Nodes),
}

impl Store {
    pub(super) fn new(common: &Arc<Common>) -> Self {
        if common.is_cluster() {
            return Self::Cluster(Nodes::new(common));
        }
        let url = &common.material.declared.url;
        let place = Place {
            host: url.host().to_owned(),
            port: url.port(),
        };
        let tags = TAGS.map(ToOwned::to_owned).to_vec();
        Self::Single(Arc::new(Keeper::new(common, place, tags)))
    }

    pub(super) async fn keep(&self) {
        match self {
            Self::Single(keeper) => keeper.keep().await,
            Self::Cluster(nodes) => nodes.keep().await,
        }
    }

    pub(super) async fn tried(&self, wait_max: Duration) {
        match self {
            Self::Single(keeper) => keeper.tried(wait_max).await,
            Self::Cluster(nodes) => nodes.tried(wait_max).await,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        match self {
            Self::Single(keeper) => keeper.connection().is_some(),
            Self::Cluster(nodes) => nodes.is_up(),
        }
    }

    /// The server that counts what has a tag.
    pub(super) fn keeper(&self, tag: &str) -> Option<Arc<Keeper>> {
        match self {
            Self::Single(keeper) => Some(Arc::clone(keeper)),
            Self::Cluster(nodes) => nodes.of(tag),
        }
    }

    /// The server of a cluster at an address that another one told.
    pub(super) fn keeper_at(&self, address: &str) -> Option<Arc<Keeper>> {
        match self {
            Self::Single(_) => None,
            Self::Cluster(nodes) => nodes.at(address),
        }
    }

    /// The connection that a tag is counted by; 0: by none.
    pub(super) fn connection_number(&self, tag: &str) -> u32 {
        let connection = self.keeper(tag).and_then(|keeper| keeper.connection());
        connection.map_or(0, |connection| connection.number)
    }
}
