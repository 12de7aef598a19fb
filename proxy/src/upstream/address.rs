//! Where a target's name leads.
//!
//! A name is asked for again every 30 seconds, by nobody's request; what the last good answer was holds until the next.
//! And it can be made to lead anywhere after it was declared: what a target may not be, its name may not lead to.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tollgate_store::is_link_local;

/// How old an answer may be before the name is asked for again.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
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

/// The system, with its files and name servers.
#[derive(Debug)]
pub(super) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
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
    /// When the name was last asked for.
    asked: Option<Instant>,
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
            Ok(Ok(addresses)) => known.learn(addresses),
            Ok(Err(error)) => known.keep(&self.host, &error.to_string()),
            Err(_) => known.keep(&self.host, "no name server answered in time"),
        }
    }

    /// Whether the last answer is old.
    pub(super) fn is_renewal_due(&self) -> bool {
        let asked = self.known().asked.filter(|_| !self.is_literal);
        asked.is_some_and(|asked| asked.elapsed() >= RENEWAL_INTERVAL)
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
        self.asked = Some(Instant::now());
    }

    fn keep(&mut self, host: &str, error: &str) {
        tracing::warn!(
            host,
            error,
            "a target's name could not be asked for again: its last addresses are used on"
        );
        self.asked = Some(Instant::now());
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// What a name server says, each answer once and the last for ever; an empty one is a failure.
    #[derive(Debug)]
    struct Answers(Vec<Vec<SocketAddr>>, AtomicUsize);

    impl Resolve for Answers {
        fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
            let asked = self.1.fetch_add(1, Ordering::SeqCst);
            let answer = self.0[asked.min(self.0.len() - 1)].clone();
            Box::pin(async move {
                if answer.is_empty() {
                    return Err(io::Error::other("no answer"));
                }
                Ok(answer)
            })
        }
    }

    fn parsed(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn addresses(answers: &[&[&str]]) -> (Addresses, Arc<Answers>) {
        let answers = answers.iter().map(|answer| parsed(answer)).collect();
        let answers = Arc::new(Answers(answers, AtomicUsize::new(0)));
        let resolver = Arc::clone(&answers);
        (Addresses::new("orders.test", 80, resolver), answers)
    }

    #[test]
    fn a_name_never_leads_to_a_metadata_service() {
        for address in [
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(allowed(parsed(&[address])).is_err(), "{address}");
            let kept = allowed(parsed(&["10.0.0.1:80", address])).unwrap();
            assert_eq!(kept, parsed(&["10.0.0.1:80"]));
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_the_first_in_turn() {
        let (addresses, answers) = addresses(&[&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]]);
        let firsts: Vec<_> = [(); 3]
            .map(async |()| addresses.all().await.unwrap()[0].to_string())
            .into_iter()
            .collect();
        let mut told = Vec::new();
        for first in firsts {
            told.push(first.await);
        }

        assert_eq!(told, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]);
        assert_eq!(answers.1.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_address_that_failed_is_the_last_until_it_is_reached() {
        let (addresses, _) = addresses(&[&["10.0.0.1:80", "10.0.0.2:80"]]);
        let [dead, alive] = addresses.all().await.unwrap().try_into().unwrap();
        addresses.note(dead, false);
        for _ in 0..2 {
            assert_eq!(addresses.all().await.unwrap(), [alive, dead]);
        }

        addresses.note(dead, true);
        let firsts = [addresses.all().await, addresses.all().await];
        let firsts = firsts.map(|all| all.unwrap()[0]);
        assert!(firsts.contains(&dead) && firsts.contains(&alive));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_for_again_and_its_last_good_answer_kept() {
        let (addresses, answers) = addresses(&[&["10.0.0.1:80"], &["10.0.0.2:80"], &[]]);
        assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.1:80"]));
        addresses.renew().await;
        assert_eq!(answers.1.load(Ordering::SeqCst), 1);

        tokio::time::advance(RENEWAL_INTERVAL).await;
        addresses.renew().await;
        assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.2:80"]));
        assert!(!addresses.lead_to(parsed(&["10.0.0.1:80"])[0]));

        tokio::time::advance(RENEWAL_INTERVAL).await;
        addresses.renew().await;
        assert_eq!(answers.1.load(Ordering::SeqCst), 3);
        assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.2:80"]));
    }

    #[tokio::test]
    async fn a_name_that_leads_nowhere_is_asked_for_by_each_connection() {
        let (addresses, answers) = addresses(&[&[], &["10.0.0.1:80"]]);

        assert!(addresses.all().await.is_err());
        assert!(addresses.all().await.is_ok());
        assert_eq!(answers.1.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_address_is_itself() {
        let addresses = Addresses::new("[::1]", 8080, Arc::new(System));

        assert_eq!(addresses.all().await.unwrap(), parsed(&["[::1]:8080"]));
    }
}
