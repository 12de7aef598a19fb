//! Who is at the other end of a connection, and whom they speak for.

mod hops;

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::HeaderMap;
use tollgate_store::Cidr;

use crate::caller::Caller;

pub(crate) use hops::X_FORWARDED_FOR;

/// The other end of a connection, for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Who holds the connection, if it is known.
    pub address: Option<IpAddr>,
    /// Whether what it says is encrypted.
    pub is_encrypted: bool,
    /// Whether its word about the client is taken.
    pub is_trusted: bool,
    /// Whose request it is, if it is known: what quotas, allow lists and the log go by.
    pub client: Option<IpAddr>,
}

impl Peer {
    /// Reads `X-Forwarded-For` and `Forwarded` (RFC 7239) from the right, as far as the addresses are trusted ones:
    /// whatever stands further left could have been written by anybody. Where both are there and name two clients, the
    /// client is unknown: a proxy that writes one of them may pass on the other as it came from a stranger.
    #[must_use]
    pub fn new(caller: &Caller, headers: &HeaderMap, trusted: Option<&BTreeSet<Cidr>>) -> Self {
        let address = caller.address.map(|address| address.to_canonical());
        let trusts = |address: IpAddr| {
            let mut blocks = trusted.into_iter().flatten();
            blocks.any(|block| block.contains(address))
        };
        let is_trusted = address.is_some_and(trusts);
        let by = |hops: Vec<Option<IpAddr>>| client(address, hops, trusts);
        let client = if is_trusted {
            match (hops::x_forwarded_for(headers), hops::forwarded(headers)) {
                (None, None) => address,
                (Some(hops), None) | (None, Some(hops)) => by(hops),
                (Some(one), Some(other)) => by(one).filter(|found| by(other) == Some(*found)),
            }
        } else {
            address
        };
        Self {
            address,
            is_encrypted: caller.tls.is_some(),
            is_trusted,
            client,
        }
    }
}

/// The first hop from the right that is not trusted, or the last before what is no address, which no proxy that can be
/// trusted wrote.
fn client(
    peer: Option<IpAddr>,
    hops: Vec<Option<IpAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = peer;
    for hop in hops {
        let Some(hop) = hop else { break };
        client = Some(hop);
        if !trusts(hop) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"]
            .map(|block| Cidr::parse(block).unwrap())
            .into();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        let caller = Caller::new(Some(peer.parse().unwrap()), None);
        let peer = Peer::new(&caller, &headers, Some(&trusted));
        peer.client.unwrap().to_string()
    }

    #[test]
    fn a_strangers_word_about_the_client_is_not_taken() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_client_is_the_first_address_from_the_right_that_is_not_trusted() {
        for (forwarded, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7", "10.1.1.1"], "198.51.100.7"),
            (&["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(client("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7, junk, 10.1.1.1"]),
            "10.1.1.1"
        );
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_an_ipv4_peer() {
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    }

    fn by_both(x_forwarded_for: &str, forwarded: &str) -> Option<String> {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()].into();
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, x_forwarded_for.parse().unwrap());
        headers.append("forwarded", forwarded.parse().unwrap());
        let caller = Caller::new("10.0.0.1".parse().ok(), None);
        let client = Peer::new(&caller, &headers, Some(&trusted)).client;
        client.map(|client| client.to_string())
    }

    #[test]
    fn two_headers_that_name_one_client_are_taken_and_two_clients_are_none() {
        let agreed = by_both("203.0.113.9, 198.51.100.7", "for=198.51.100.7");
        assert_eq!(agreed.as_deref(), Some("198.51.100.7"));
        // The stranger's own Forwarded passes through a proxy that only writes X-Forwarded-For, or the other way round.
        assert_eq!(by_both("198.51.100.7", "for=10.9.9.9"), None);
        assert_eq!(by_both("10.9.9.9", "for=198.51.100.7"), None);
        assert_eq!(by_both("198.51.100.7", "for=unknown"), None);
    }
}
