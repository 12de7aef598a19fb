//! Where a target's name leads.
//!
//! A name is asked for again every few seconds, by nobody's request; what the last good answer was holds until the next.
//! And it can be made to lead anywhere after it was declared: what a target may not be, its name may not lead to.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tollgate_store::is_link_local;

/// How old an answer gets before the name is asked for again, by chance: many names are not asked for at once. Who
/// answers from a cache does so until the answer's own time (TTL) is over.
const RENEWAL_MIN: Duration = Duration::from_secs(4);
const RENEWAL_MAX: Duration = Duration::from_secs(6);
/// The longest that nobody's request waits for an answer.
const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// The most addresses of one name that are used.
const ADDRESSES_MAX: usize = 32;

type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// What knows where names lead.
pub(super) trait Resolve: Debug + Send + Sync {
    /// The addresses of a name.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The most names that the system is asked for at once, each by a thread: where its name server hangs, other work that
/// needs threads goes on.
const LOOKUPS_MAX: usize = 32;
static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUPS_MAX);

/// The system, with its files and name servers.
#[derive(Debug)]
pub(super) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let host = host.to_owned();
        Box::pin(async move {
            let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held by the thread, which goes on for as long as the system does, whoever waits for it.
                let _place = place;
                Ok((host.as_str(), port).to_socket_addrs()?.collect())
            };
            tokio::task::spawn_blocking(lookup).await?
        })
    }
}

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    port: u16,
    is_literal: bool,
    known: Mutex<Known>,
    /// Held while the name is asked for: whoever comes meanwhile waits for the same answer.
    asking: tokio::sync::Mutex<()>,
    resolver: Arc<dyn Resolve>,
}

#[derive(Debug, Default)]
struct Known {
    /// Without one twice; empty until somebody asked.
    addresses: Vec<SocketAddr>,
    /// Those that the last connection to could not be made.
    failing: Vec<SocketAddr>,
    /// When the name is to be asked for again, once it was.
    due: Option<Instant>,
    /// Whether the last question got no answer.
    has_failed: bool,
    turn: usize,
}

impl Addresses {
    /// The addresses of `host`, a name or an address (IPv6 in brackets).
    pub(super) fn new(host: &str, port: u16, resolver: Arc<dyn Resolve>) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let literal: Option<IpAddr> = bare.parse().ok();
        let addresses = literal.map(|address| SocketAddr::from((address, port)));
        Self {
            host: bare.to_owned(),
            port,
            is_literal: literal.is_some(),
            known: Mutex::new(Known {
                addresses: addresses.into_iter().collect(),
                ..Known::default()
            }),
            asking: tokio::sync::Mutex::default(),
            resolver,
        }
    }

    /// All of them in the order to try them in: each is the first in turn, and those that failed are the last.
    pub(super) async fn all(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.known().in_turn() {
            return Ok(addresses);
        }
        let _asking = self.asking.lock().await;
        if let Some(addresses) = self.known().in_turn() {
            return Ok(addresses);
        }
        let addresses = self.ask().await?;
        let mut known = self.known();
        known.learn(addresses);
        Ok(known.in_turn().unwrap_or_default())
    }

    /// Notes whether a connection to an address could be made.
    pub(super) fn note(&self, address: SocketAddr, is_reached: bool) {
        let mut known = self.known();
        known.failing.retain(|failing| *failing != address);
        if !is_reached && known.addresses.contains(&address) {
            known.failing.push(address);
        }
    }

    /// Asks for the name again where the last answer is old. Where there is none, the last one is kept.
    pub(super) async fn renew(&self) {
        if !self.is_renewal_due() {
            return;
        }
        let Ok(_asking) = self.asking.try_lock() else {
            return;
        };
        let answer = tokio::time::timeout(LOOKUP_MAX, self.ask()).await;
        let mut known = self.known();
        match answer {
            Ok(Ok(addresses)) => known.renewed(&self.host, addresses),
            Ok(Err(error)) => known.keep(&self.host, &error.to_string()),
            Err(_) => known.keep(&self.host, "no name server answered in time"),
        }
    }

    /// Whether the last answer is old.
    pub(super) fn is_renewal_due(&self) -> bool {
        let due = self.known().due.filter(|_| !self.is_literal);
        due.is_some_and(|due| due <= Instant::now())
    }

    /// Whether the name still leads to an address, as far as is known.
    pub(super) fn lead_to(&self, address: SocketAddr) -> bool {
        let known = self.known();
        known.addresses.is_empty() || known.addresses.contains(&address)
    }

    async fn ask(&self) -> io::Result<Vec<SocketAddr>> {
        allowed(self.resolver.resolve(&self.host, self.port).await?)
    }

    /// A panic elsewhere leaves a list as good as it was.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn in_turn(&mut self) -> Option<Vec<SocketAddr>> {
        if self.addresses.is_empty() {
            return None;
        }
        let mut addresses = self.addresses.clone();
        addresses.rotate_left(self.turn % self.addresses.len());
        self.turn = self.turn.wrapping_add(1);
        addresses.sort_by_key(|address| self.failing.contains(address));
        Some(addresses)
    }

    fn learn(&mut self, addresses: Vec<SocketAddr>) {
        self.failing.retain(|failing| addresses.contains(failing));
        self.addresses = addresses;
        self.was_asked();
    }

    fn renewed(&mut self, host: &str, addresses: Vec<SocketAddr>) {
        if std::mem::take(&mut self.has_failed) {
            tracing::info!(host, "a target's name could be asked for again");
        }
        self.learn(addresses);
    }

    /// One line for each change: what fails is asked for again soon.
    fn keep(&mut self, host: &str, error: &str) {
        if !std::mem::replace(&mut self.has_failed, true) {
            tracing::warn!(
                host,
                error,
                "a target's name could not be asked for again: its last addresses are used on"
            );
        }
        self.was_asked();
    }

    fn was_asked(&mut self) {
        let pause = rand::rng().random_range(RENEWAL_MIN..=RENEWAL_MAX);
        self.due = Some(Instant::now() + pause);
    }
}

fn allowed(addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let mut allowed: Vec<_> = Vec::new();
    for address in addresses {
        if !is_link_local(address.ip()) && !allowed.contains(&address) {
            allowed.push(address);
        }
    }
    if allowed.is_empty() {
        return Err(io::Error::other(
            "the name leads to no address, or only to link-local ones, where a cloud's metadata service answers",
        ));
    }
    allowed.truncate(ADDRESSES_MAX);
    Ok(allowed)
}

#[cfg(test)]
mod tests;
