//! The servers of a cluster: a connection and a breaker for each, so that one that is gone takes only its own part of
//! the counts with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Common;
use super::complaint::Complaint;
use super::connection::{CONNECT_MAX, Connection, CounterFault, Place};
use super::importers::Importers;
use super::keeper::Keeper;
use super::slots::{self, Range, slot};

/// How often a cluster is asked who has what.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// How often at most, where a server said that another one has a key.
const ASK_INTERVAL_MIN: Duration = Duration::from_millis(250);
/// So many tags are tried to find one of each server's.
const TAGS_MAX: u32 = 1_000_000;

/// The servers of a cluster, by what they have.
#[derive(Debug)]
pub(super) struct Nodes {
    common: Arc<Common>,
    map: ArcSwap<Map>,
    /// Those that are not in the map yet.
    importers: Importers,
    /// Something is elsewhere than the map says.
    stale: Notify,
    /// Whether it was asked for at least once.
    tried: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Map {
    /// In the order of their slots.
    ranges: Vec<(u16, u16, Arc<Keeper>)>,
    kept: BTreeMap<Place, Kept>,
}

/// A server that is kept in touch with for as long as somebody holds this.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) keeper: Arc<Keeper>,
    _keeping: Arc<DropGuard>,
}

impl Nodes {
    /// None yet.
    pub(super) fn new(common: &Arc<Common>) -> Self {
        Self {
            common: Arc::clone(common),
            map: ArcSwap::default(),
            importers: Importers::default(),
            stale: Notify::new(),
            tried: watch::Sender::new(false),
        }
    }

    /// The server that has the keys with a tag.
    pub(super) fn of(&self, tag: &str) -> Option<Arc<Keeper>> {
        let (map, slot) = (self.map.load(), slot(tag));
        let place = map.ranges.partition_point(|(_, last, _)| *last < slot);
        let (first, _, keeper) = map.ranges.get(place)?;
        (*first <= slot).then(|| Arc::clone(keeper))
    }

    /// The server at an address that another one told, which knows better than the map. One that is new is connected
    /// to.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Keeper>> {
        self.stale.notify_one();
        let place = Place::parse(address)?;
        if let Some(kept) = self.map.load().kept.get(&place) {
            return Some(Arc::clone(&kept.keeper));
        }
        let now = self.common.clock.monotonic();
        let keep_in_touch = || self.keep_in_touch(place.clone(), Vec::new());
        self.importers.at(&place, now, keep_in_touch)
    }

    /// Whether any server can be asked.
    pub(super) fn is_up(&self) -> bool {
        let map = self.map.load();
        let mut kept = map.kept.values();
        kept.any(|kept| kept.keeper.connection().is_some())
    }

    /// Waits until all servers were tried to connect to, at most so long.
    pub(super) async fn tried(&self, wait_max: Duration) {
        let wait = async {
            let mut tried = self.tried.subscribe();
            let _ = tried.wait_for(|tried| *tried).await;
            let map = self.map.load_full();
            for kept in map.kept.values() {
                kept.keeper.tried(wait_max).await;
            }
        };
        let _ = tokio::time::timeout(wait_max, wait).await;
    }

    /// Follows for ever who has what.
    pub(super) async fn keep(&self) {
        let mut complaint = Complaint::default();
        loop {
            match self.learn().await {
                Ok(ranges) => {
                    let _ = complaint.is_over();
                    self.follow(&ranges);
                }
                Err(fault) => {
                    if complaint.is_due(self.common.clock.monotonic()) {
                        let place = &self.common.material.declared.url;
                        tracing::warn!(%fault, %place, "the cluster of the fleet's counters does not say who has what");
                    }
                }
            }
            self.tried.send_replace(true);
            tokio::time::sleep(ASK_INTERVAL_MIN).await;
            let _ = tokio::time::timeout(ASK_INTERVAL, self.stale.notified()).await;
        }
    }

    /// Asks those that are connected, and then the one that is declared.
    async fn learn(&self) -> Result<Vec<Range>, CounterFault> {
        let map = self.map.load_full();
        for kept in map.kept.values() {
            if let Some(connection) = kept.keeper.connection()
                && let Ok(ranges) = ask(&connection, &kept.keeper.place).await
            {
                return Ok(ranges);
            }
        }
        let url = &self.common.material.declared.url;
        let declared = Place {
            host: url.host().to_owned(),
            port: url.port(),
        };
        let number = self.common.meter.connection_number();
        let connection = Connection::open(&declared, &self.common.material, number).await?;
        ask(&connection, &declared).await
    }

    /// Keeps in touch with those that have something, and with nobody else.
    fn follow(&self, ranges: &[Range]) {
        let before = self.map.load_full();
        let mut map = Map::default();
        for (place, tag) in tags(ranges) {
            let known = before.kept.get(&place).cloned();
            let known = known.or_else(|| self.importers.take(&place));
            let tags = vec![tag];
            let kept = known.unwrap_or_else(|| self.keep_in_touch(place.clone(), tags.clone()));
            kept.keeper.try_by(tags);
            map.kept.insert(place, kept);
        }
        for range in ranges {
            if let Some(kept) = map.kept.get(&range.place) {
                let keeper = Arc::clone(&kept.keeper);
                map.ranges.push((range.first, range.last, keeper));
            }
        }
        let mut gone = self.importers.end_idle(self.common.clock.monotonic());
        gone.extend(before.kept.keys().cloned());
        gone.retain(|place| !map.kept.contains_key(place));
        for place in &gone {
            self.common.board.forget(place, &self.common.metrics);
        }
        self.map.store(Arc::new(map));
    }

    fn keep_in_touch(&self, place: Place, tags: Vec<String>) -> Kept {
        let keeper = Arc::new(Keeper::new(&self.common, place, tags));
        let token = CancellationToken::new();
        let (kept, keeping) = (Arc::clone(&keeper), token.clone());
        tokio::spawn(async move { keeping.run_until_cancelled(kept.keep()).await });
        Kept {
            keeper,
            _keeping: Arc::new(token.drop_guard()),
        }
    }
}

async fn ask(connection: &Connection, place: &Place) -> Result<Vec<Range>, CounterFault> {
    let told = tokio::time::timeout(CONNECT_MAX, connection.slots()).await;
    let told = told.map_err(|_| CounterFault::TooLate(CONNECT_MAX))??;
    let ranges = slots::read(&told, place).ok_or(CounterFault::Unreadable)?;
    if ranges.is_empty() {
        return Err(CounterFault::Refused("its cluster has no slots".to_owned()));
    }
    Ok(ranges)
}

/// A tag for each server whose keys it has.
fn tags(ranges: &[Range]) -> BTreeMap<Place, String> {
    let mut missing: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for range in ranges {
        let slots = (range.first, range.last);
        missing.entry(&range.place).or_default().push(slots);
    }
    let mut found = BTreeMap::new();
    for number in 0..TAGS_MAX {
        if missing.is_empty() {
            break;
        }
        let tag = format!("n|{number}");
        let slot = slot(&tag);
        let has = |ranges: &Vec<(u16, u16)>| {
            let mut ranges = ranges.iter();
            ranges.any(|(first, last)| (*first..=*last).contains(&slot))
        };
        let place = missing.iter().find(|(_, ranges)| has(ranges));
        if let Some(place) = place.map(|(place, _)| *place) {
            missing.remove(place);
            found.insert(place.clone(), tag);
        }
    }
    found
}
