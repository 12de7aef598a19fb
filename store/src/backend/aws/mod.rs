//! A store in AWS Secrets Manager.
//!
//! ```text
//! tollgate/<namespace>/index                its value says how many shards there are; its tags shard-00.. change with
//!                                           every write of that shard, and say which secret it is in: the cheap signal
//! tollgate/<namespace>/shard-00..15         the documents whose key hashes there, as JSON, compressed where they are many
//! tollgate/<namespace>/shard-03of16.1.2     a shard that moved to another secret, as its versions were used up
//! tollgate/<namespace>/token/<key id>       one client's token
//! tollgate/<namespace>/tokens/<set>/<g>/<p> a page of a key set's tokens
//! ```
//!
//! Secrets Manager bills by secret and by call, so that thousands of documents share 16 secrets, one call tells that
//! nothing changed, and writes that wait for the same shard go out together.
//!
//! # Why two writers lose nothing
//!
//! A shard is replaced only where the version that was read is still the current one: see [`secrets::Secrets::swap`].
//! The loser reads again and applies its change to what now stands, so that another document's change is kept and
//! the same document's is a conflict.
//!
//! # Why removing a shard loses nothing
//!
//! Secrets Manager can't delete a secret on the condition that nobody wrote to it. So the write that removes the last
//! document closes the shard: the value says `closed`, and nobody ever writes to that secret again. From then on
//! anybody may delete it, at any time and more than once, without regard to clocks: it is named by its ARN, and the
//! secret that the next writer makes under the same name has another one. So a writer who finds a closed shard deletes
//! it and makes a new one, whether its closer is slow or has crashed.
//!
//! A shard whose versions are used up moves to another secret (`docs/decisions/017`), and a namespace can be spread over
//! another number of shards (`docs/decisions/018`).
//!
//! The index has no such step, because it can be made from the shards: who removes it looks for shards once more
//! afterwards, a writer whose tag finds no index makes one, and a reader who finds none asks for all the shards.

mod board;
mod commit;
mod compress;
mod connection;
mod ensure;
mod envelope;
mod failure;
mod find;
mod foreign;
mod index;
mod layout;
mod patience;
mod poll;
mod reshard;
mod rollover;
mod secrets;
mod shard;
mod slot;
mod token;
mod walk;
mod write;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{OnceCell, Semaphore};

pub use self::foreign::ForeignSecrets;

use self::board::Board;
use self::find::{Stop, UNSETTLED_MAX};
use self::index::Index;
use self::layout::{Layout, Names, ShardNumber};
use self::patience::Patience;
use self::secrets::Secrets;
use self::shard::Stage;
use self::slot::{Seen, Slot};
use self::walk::Walk;
use super::{
    Backend, Change, Cursor, Depth, Expected, Fill, KeptToken, Load, SecretsManager, StoreError,
    TokenOwner, TokenPlace,
};
use crate::document::{DocumentKey, Entry, Revision};
use crate::{Namespace, Secret};

/// One namespace in Secrets Manager.
#[derive(Debug)]
pub(super) struct Aws {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    namespace: Namespace,
    names: Names,
    secrets: Secrets,
    index: Index,
    /// How many shards are declared; `None` takes what stands.
    shards: Option<u8>,
    board: Mutex<Arc<Board>>,
    /// The index was looked at.
    oriented: OnceCell<()>,
    /// There is an index, with the declared number of shards.
    ensured: OnceCell<()>,
    /// Bounds how many shards are written at once.
    writers: Semaphore,
    /// Held by the one who reads many shards.
    listing: tokio::sync::Mutex<()>,
    walk: Walk,
}

/// How many shards are written at once.
const WRITERS_MAX: usize = 8;

/// Where the SDK finds an endpoint that is not AWS's own, the more telling first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];

impl Aws {
    /// The namespace; nothing is called yet.
    pub(super) fn new(
        settings: &SecretsManager,
        namespace: &Namespace,
    ) -> Result<Self, StoreError> {
        let place = place(settings, namespace);
        let names = Names::new(namespace);
        let store = Store {
            secrets: Secrets::new(settings, &place)?,
            index: Index::new(&names, namespace.as_str()),
            shards: settings.shards,
            board: Mutex::new(Arc::new(Board::new(Layout::FIRST))),
            oriented: OnceCell::new(),
            ensured: OnceCell::new(),
            writers: Semaphore::new(WRITERS_MAX),
            listing: tokio::sync::Mutex::default(),
            walk: Walk::new(names.tokens_prefix()),
            namespace: namespace.clone(),
            names,
        };
        Ok(Self {
            store: Arc::new(store),
        })
    }
}

/// Which Secrets Manager it is, as far as it can be told without a call.
fn place(settings: &SecretsManager, namespace: &Namespace) -> String {
    let from_environment = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let endpoint = settings.endpoint_url.clone().or_else(|| {
        ENDPOINT_VARIABLES
            .iter()
            .find_map(|name| from_environment(name))
    });
    let region = settings.region.iter().map(|region| format!(" in {region}"));
    let endpoint = endpoint.iter().map(|endpoint| format!(" at {endpoint}"));
    let details: String = region.chain(endpoint).collect();
    format!(
        "Secrets Manager{details}, namespace {:?}",
        namespace.as_str()
    )
}

impl Store {
    fn place(&self) -> &str {
        self.secrets.place()
    }

    fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    /// One document's entry, good or broken.
    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, Stop> {
        let mut board = self.board().await?;
        let known = |board: &Board| board.slot(board.layout.shard_of(key)).and_then(Slot::fresh);
        if known(&board).is_none() {
            // Whoever reads one shard reads others soon: all of them are one call, too.
            board = self.refresh_stale().await?;
        }
        let number = board.layout.shard_of(key);
        let Some(slot) = board.slot(number) else {
            return Ok(None);
        };
        match self.seen(&board, number, slot).await? {
            Seen::Absent => Ok(None),
            Seen::Shard { shard, .. } => Ok(shard.entry(key)),
            // "There is none" would have Terraform make it again.
            Seen::Corrupt { cause, .. } => {
                let secret = self.names.shard(board.layout, number, slot.generation());
                Err(Stop::Failed(self.corrupt(&secret, cause)))
            }
        }
    }

    /// Reads one shard, once for all who ask at about the same time.
    async fn seen(&self, board: &Board, number: ShardNumber, slot: &Slot) -> Result<Seen, Stop> {
        if let Some(seen) = slot.fresh() {
            return Ok(seen);
        }
        let _turn = slot.turn.lock().await;
        if let Some(seen) = slot.fresh() {
            return Ok(seen);
        }
        let lessons = slot.lessons();
        let found = self.standing(board, number, slot).await?;
        if let Some(Stage::Resharding { .. }) = found.seen.stage() {
            // It may have been left behind.
            self.look(board).await?;
        }
        slot.learn(&found, lessons);
        Ok(found.seen)
    }

    /// Reads the shards that were not read not long ago, all in a few calls, and once for all who ask meanwhile.
    async fn refresh_stale(&self) -> Result<Arc<Board>, Stop> {
        let mut board = self.board().await?;
        let numbers = |board: &Board| -> Vec<ShardNumber> {
            let stale = board.shards().filter(|(_, slot)| slot.fresh().is_none());
            stale.map(|(number, _)| number).collect()
        };
        let _turn = self.listing.lock().await;
        if !numbers(&board).is_empty() {
            let look = self.index.look(&self.secrets).await?;
            if let Some(look) = &look {
                let layout = self.index.layout(&self.secrets, look).await?;
                board = self.adopt(layout);
                board.hear(look);
            }
            let numbers = numbers(&board);
            let lessons: Vec<u64> = board.shards().map(|(_, slot)| slot.lessons()).collect();
            let (found, _) = self.gather(&board, look.as_ref(), &numbers, false).await?;
            for (number, found) in numbers.iter().zip(&found) {
                let lessons = lessons.get(number.position()).copied().unwrap_or_default();
                if let Some(slot) = board.slot(*number) {
                    slot.learn(found, lessons);
                }
            }
        }
        Ok(board)
    }

    /// Every entry, good or broken.
    async fn list(&self) -> Result<Vec<Entry>, Stop> {
        let board = self.refresh_stale().await?;
        let mut entries = Vec::new();
        for (number, slot) in board.shards() {
            match slot.last().0 {
                None | Some(Seen::Absent) => {}
                Some(Seen::Shard { shard, .. }) => entries.extend(shard.entries()),
                Some(Seen::Corrupt { cause, .. }) => {
                    let secret = self.names.shard(board.layout, number, slot.generation());
                    return Err(Stop::Failed(self.corrupt(&secret, cause)));
                }
            }
        }
        Ok(entries)
    }

    fn corrupt(&self, secret: &str, cause: String) -> StoreError {
        StoreError::Corrupt {
            place: self.place().to_owned(),
            item: format!("secret {secret}"),
            cause,
            remedy:
                "write an earlier version's value back with `aws secretsmanager put-secret-value`"
                    .to_owned(),
        }
    }
}

#[async_trait]
impl Backend for Aws {
    fn place(&self) -> String {
        self.store.place().to_owned()
    }

    async fn poll(&self, since: Option<&Cursor>, depth: Depth) -> Result<Option<Load>, StoreError> {
        self.store.poll(since, depth).await
    }

    async fn read(&self, key: &DocumentKey) -> Result<Option<Entry>, StoreError> {
        let mut patience = Patience::lasting(UNSETTLED_MAX);
        loop {
            match self.store.read(key).await {
                Ok(found) => return Ok(found),
                Err(stop) => self.store.settle(stop, &mut patience).await?,
            }
        }
    }

    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut patience = Patience::lasting(UNSETTLED_MAX);
        loop {
            match self.store.list().await {
                Ok(found) => return Ok(found),
                Err(stop) => self.store.settle(stop, &mut patience).await?,
            }
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Vec<Result<Option<Revision>, StoreError>> {
        self.store.commit(changes).await
    }

    async fn fill(&self) -> Result<Option<Fill>, StoreError> {
        Ok(self.store.fill())
    }

    async fn write_token(
        &self,
        owner: TokenOwner<'_>,
        token: &Secret,
        expected: &Expected,
    ) -> Result<TokenPlace, StoreError> {
        self.store.write_token(owner, token, expected).await
    }

    async fn read_token(&self, owner: TokenOwner<'_>) -> Result<Option<KeptToken>, StoreError> {
        self.store.read_token(owner).await
    }

    async fn token_place(&self, owner: TokenOwner<'_>) -> Result<Option<TokenPlace>, StoreError> {
        self.store.token_place(owner).await
    }

    async fn delete_token(&self, owner: TokenOwner<'_>) -> Result<(), StoreError> {
        self.store.delete_token(owner).await
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        let board = self.store.board().await?;
        match self.store.remove_unused_index(&board).await {
            Err(Stop::Failed(error)) => Err(error),
            // Somebody is at work on it.
            Ok(()) | Err(Stop::LaidOutAnew) => Ok(()),
        }
    }
}
