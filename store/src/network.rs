//! What stands on the wire: methods, hosts, addresses, the URLs of targets.

use std::net::{IpAddr, Ipv4Addr};

use crate::text;

/// The most characters of a host's name (RFC 1035).
pub(crate) const HOST_CHARS_MAX: usize = 253;
const METHOD_CHARS_MAX: usize = 24;

/// A request method in capitals, like `GET`; never `CONNECT` or `TRACE`, which no proxy lets through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method {
    text: String,
}
text!(Method);

impl Method {
    /// Reads a method; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "CONNECT" | "TRACE") {
            return Err(format!(
                "{text} can't be granted: a proxy never lets it through"
            ));
        }
        let holds = |c: char| c.is_ascii_uppercase() || c == '-';
        if !text.is_empty() && text.len() <= METHOD_CHARS_MAX && text.chars().all(holds) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        let suggestion = text.to_ascii_uppercase();
        if suggestion != text && Self::parse(&suggestion).is_ok() {
            return Err(format!(
                "{text:?} is not a method: methods are capitals, write {suggestion:?}"
            ));
        }
        Err(format!(
            "{text:?} is not a method: write capitals, like \"GET\""
        ))
    }
}

/// A host's name or address in lower case without a port, or `*.` and a name, which stands for one more label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    text: String,
}
text!(HostPattern);

impl HostPattern {
    /// Reads a pattern; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        if is_host(name) && !(text.starts_with("*.") && name.parse::<IpAddr>().is_ok()) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "{text:?} is not a host: write a name in lower case without a port, like \"api.example.com\" or \
             \"*.example.com\""
        ))
    }

    /// Whether the pattern stands for `host`, which must be in lower case, without port or trailing dot.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.text.strip_prefix('*') {
            None => self.text == host,
            Some(suffix) => host
                .strip_suffix(suffix)
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        }
    }

    /// Whether the pattern names exactly one host.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.text.starts_with('*')
    }
}

/// A block of addresses, like `10.0.0.0/8` or `2001:db8::/32`; a single address stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    text: String,
    network: ipnet::IpNet,
}
text!(Cidr);

impl Cidr {
    /// Reads a block; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = network(text).ok_or_else(|| {
            format!("{text:?} is not a block of addresses: write one like \"10.0.0.0/8\" or \"2001:db8::/32\"")
        })?;
        if network.trunc() != network {
            return Err(format!(
                "{text:?} has bits set outside its prefix: did you mean \"{}\"?",
                network.trunc()
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            network,
        })
    }

    /// Whether `address` is within the block; an IPv4 address inside IPv6 counts as the IPv4 one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.network.contains(&address.to_canonical())
    }
}

/// Numbers have no leading zeros: to some readers they are octal (RFC 6943, section 3.1.1).
fn network(text: &str) -> Option<ipnet::IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(ipnet::IpNet::from);
    };
    let length: u8 = prefix.parse().ok()?;
    let is_plain = length.to_string() == prefix;
    let address = address.parse().ok().filter(|_| is_plain)?;
    ipnet::IpNet::new(address, length).ok()
}

/// Where an upstream answers: `http` or `https`, a host and a port, and nothing else.
///
/// Link-local addresses are refused: a cloud's metadata service answers there, and hands out credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetUrl {
    text: String,
    encrypted: bool,
    loopback: bool,
    host: String,
    port: u16,
}
text!(TargetUrl);

impl TargetUrl {
    /// Reads a target; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write it like \"https://orders.internal:8443\"";
        let url = url::Url::parse(text)
            .map_err(|error| format!("{text:?} is not a URL ({error}): {example}"))?;
        let encrypted = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(format!("{other:?} can't be spoken to a target: {example}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "a target's URL must not hold credentials: {example}"
            ));
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || text.ends_with('/')
        {
            return Err(format!(
                "{text:?} must end after the host and port, without a path: {example}"
            ));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(format!("{text:?} names no host: {example}"));
        };
        if port == 0 {
            return Err(format!(
                "{text:?} names port 0, where nothing can listen: {example}"
            ));
        }
        if names_link_local(&host) {
            return Err(format!(
                "{text:?} is a link-local address, where a cloud's metadata service hands out credentials: name the \
                 upstream's own address"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            encrypted,
            loopback: is_loopback(&host),
            host: host.to_string(),
            port,
        })
    }

    /// Whether TLS is spoken to the target.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether it is this machine by itself, so that nobody on the way hears what is said.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The host, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether another spelling leads to the same place.
    #[must_use]
    pub fn leads_to_same(&self, other: &Self) -> bool {
        let place = |url: &Self| (url.encrypted, url.port);
        place(self) == place(other) && self.host == other.host
    }
}

/// Whether a URL's host is this machine by itself, so that nobody on the way hears what is said.
pub(crate) fn is_loopback(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => *name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether a URL's host is a link-local address: see [`is_link_local`].
pub(crate) fn names_link_local(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(_) => false,
        url::Host::Ipv4(address) => is_link_local((*address).into()),
        url::Host::Ipv6(address) => is_link_local((*address).into()),
    }
}

/// Whether a cloud's metadata service may answer there: a link-local address, AWS's own, or `0.0.0.0`.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.segments().starts_with(&[0xfd00, 0xec2])
        }
    }
}

/// Whether `text` is a host in lower case: a name of RFC 1123 labels (underscores allowed), or an address without
/// brackets.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        (1..=63).contains(&label.len())
            && label.chars().all(holds)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok()
        || (text.len() <= HOST_CHARS_MAX && text.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_case_method_is_refused_with_the_right_one() {
        assert!(Method::parse("GET").is_ok());
        assert_eq!(
            Method::parse("get").unwrap_err(),
            "\"get\" is not a method: methods are capitals, write \"GET\""
        );
        assert!(Method::parse("TRACE").is_err());
        assert!(Method::parse("").is_err());
    }

    #[test]
    fn a_star_stands_for_exactly_one_label() {
        let pattern = HostPattern::parse("*.example.com").unwrap();

        assert!(pattern.matches("api.example.com"));
        for host in [
            "example.com",
            ".example.com",
            "a.b.example.com",
            "apiexample.com",
        ] {
            assert!(!pattern.matches(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "a*.example.com",
            "API.example.com",
            "api.example.com:80",
            "a..b",
            "-a.b",
            "*.10.0.0.1",
            "a/b",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_block_with_stray_bits_says_what_was_meant() {
        assert_eq!(
            Cidr::parse("10.0.0.1/8").unwrap_err(),
            "\"10.0.0.1/8\" has bits set outside its prefix: did you mean \"10.0.0.0/8\"?"
        );
        assert!(
            Cidr::parse("127.0.0.1")
                .unwrap()
                .contains("::ffff:127.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn a_number_of_a_block_has_one_reading() {
        for text in [
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "::/129",
        ] {
            assert!(Cidr::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "2001:db8::1",
        ] {
            assert!(Cidr::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_target_is_a_scheme_a_host_and_a_port() {
        let target = TargetUrl::parse("https://orders.internal").unwrap();

        assert_eq!(
            (target.host(), target.port(), target.encrypted()),
            ("orders.internal", 443, true)
        );
        for text in [
            "orders.internal:8080",
            "ftp://orders",
            "http://u:p@orders",
            "http://orders/v1",
            "http://orders/",
            "http://orders?x",
            "http://orders:0",
            "http://",
        ] {
            assert!(TargetUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_metadata_service_is_no_target() {
        for text in [
            "http://169.254.169.254",
            "http://[fe80::1]:80",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://2852039166",
            "http://0.0.0.0:80",
        ] {
            assert!(
                TargetUrl::parse(text).unwrap_err().contains("link-local"),
                "{text:?}"
            );
        }
    }
}
