//! Who is at the other end of a connection, and whom they speak for.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use tollgate_store::Cidr;

use crate::caller::Caller;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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
    /// Reads `X-Forwarded-For` from the right, as far as the addresses are trusted ones: whatever stands further left
    /// could have been written by anybody.
    #[must_use]
    pub fn new(caller: &Caller, headers: &HeaderMap, trusted: Option<&BTreeSet<Cidr>>) -> Self {
        let address = caller.address.map(|address| address.to_canonical());
        let trusts = |address: IpAddr| {
            let mut blocks = trusted.into_iter().flatten();
            blocks.any(|block| block.contains(address))
        };
        let is_trusted = address.is_some_and(trusts);
        let mut client = address;
        if is_trusted {
            for hop in hops(headers) {
                // What is no address was not written by a proxy that can be trusted.
                let Some(hop) = hop else { break };
                client = Some(hop);
                if !trusts(hop) {
                    break;
                }
            }
        }
        Self {
            address,
            is_encrypted: caller.tls.is_some(),
            is_trusted,
            client,
        }
    }
}

/// The addresses of `X-Forwarded-For` from the right; `None` for what is none.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
    values.flat_map(|value| {
        let text = value.to_str().unwrap_or("not text");
        text.rsplit(',').map(|hop| hop_address(hop.trim()))
    })
}

/// An address; some proxies add the port or brackets.
fn hop_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
        .map(|address| address.to_canonical())
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
        let caller = Caller {
            address: Some(peer.parse().unwrap()),
            tls: None,
        };
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
}
