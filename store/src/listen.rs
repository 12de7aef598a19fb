//! Where a proxy listens, and who may tell it of clients.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::material::is_path;
use crate::{Cidr, text};

/// The most bytes of a Unix socket's path, on the system that allows for the fewest.
const SOCKET_PATH_BYTES_MAX: usize = 103;
const UNIX: &str = "unix";

/// Where a proxy listens: an address and a port, like `0.0.0.0:8080` or `[::]:8080`, or a Unix socket, like
/// `unix:/run/tollgate.sock`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddress {
    text: String,
    place: ListenPlace,
}
text!(ListenAddress);

/// What a listen address stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenPlace {
    /// An address and a port of TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads an address; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let place = match text.strip_prefix("unix:") {
            Some(path) if is_path(path) && path.len() <= SOCKET_PATH_BYTES_MAX => {
                ListenPlace::Unix(PathBuf::from(path))
            }
            Some(_) => {
                return Err(format!(
                    "{text:?} is not a Unix socket: write its absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes, \
                     like \"unix:/run/tollgate.sock\""
                ));
            }
            None => ListenPlace::Tcp(text.parse().map_err(|_| {
                format!(
                    "{text:?} is not an address to listen on: write an address and a port, like \"0.0.0.0:8080\", or a \
                     Unix socket, like \"unix:/run/tollgate.sock\""
                )
            })?),
        };
        Ok(Self {
            text: text.to_owned(),
            place,
        })
    }

    /// What it stands for.
    #[must_use]
    pub fn place(&self) -> &ListenPlace {
        &self.place
    }
}

impl From<ListenPlace> for ListenAddress {
    fn from(place: ListenPlace) -> Self {
        Self {
            text: place.to_string(),
            place,
        }
    }
}

impl fmt::Display for ListenPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Who may tell of clients by the PROXY protocol: a block of addresses, or `unix`, whoever may open the Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxySender {
    text: String,
    /// `None`: by a Unix socket.
    network: Option<Cidr>,
}
text!(ProxySender);

impl ProxySender {
    /// Reads a sender; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = match text {
            UNIX => None,
            _ => Some(Cidr::parse(text)?),
        };
        Ok(Self {
            text: text.to_owned(),
            network,
        })
    }

    /// Whether it is whoever may open the Unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        self.network.is_none()
    }

    /// Whether it stands for a peer of that address; `None` is the other end of a Unix socket.
    #[must_use]
    pub fn is(&self, peer: Option<IpAddr>) -> bool {
        match (&self.network, peer) {
            (Some(network), Some(peer)) => network.contains(peer),
            (None, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_tcp_or_a_unix_socket() {
        for (text, place) in [
            (
                "0.0.0.0:80",
                ListenPlace::Tcp("0.0.0.0:80".parse().unwrap()),
            ),
            ("[::1]:80", ListenPlace::Tcp("[::1]:80".parse().unwrap())),
            ("unix:/run/a.sock", ListenPlace::Unix("/run/a.sock".into())),
        ] {
            let address = ListenAddress::parse(text).unwrap();
            assert_eq!(*address.place(), place);
            assert_eq!(ListenAddress::from(place), address);
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_would_be_right() {
        let long = format!("unix:/{}", "x".repeat(103));
        for text in [
            "8080",
            "localhost:80",
            "unix:",
            "unix:a.sock",
            "unix:/run/../a",
            "unix:///a",
            &long,
        ] {
            let error = ListenAddress::parse(text).unwrap_err();
            assert!(error.contains("\"unix:/run/tollgate.sock\""), "{error}");
        }
    }

    #[test]
    fn a_sender_is_known_by_its_address_or_by_having_none() {
        let [network, unix] = ["10.0.0.0/8", "unix"].map(|text| ProxySender::parse(text).unwrap());
        let within = "10.1.2.3".parse().ok();

        assert!(network.is(within) && unix.is(None));
        assert!(!network.is(None) && !unix.is(within));
        assert!(!network.is("192.0.2.1".parse().ok()));
        assert!(ProxySender::parse("Unix").is_err());
    }
}
