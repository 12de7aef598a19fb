//! The host that a request is addressed to.

use std::net::Ipv6Addr;

use tollgate_store::is_host;

use crate::{Malformed, text};

/// The host in lower case, without port, trailing dot or brackets (RFC 3986, section 3.2.2).
pub(super) fn canonical(authority: &str) -> Result<String, Malformed> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => bracketed(rest)?,
        None => plain(authority)?,
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(Malformed::HostInvalid);
    }
    Ok(host)
}

fn bracketed(rest: &str) -> Result<(String, Option<&str>), Malformed> {
    let (address, after) = rest.split_once(']').ok_or(Malformed::HostInvalid)?;
    let address: Ipv6Addr = address.parse().map_err(|_| Malformed::HostInvalid)?;
    let port = match after.strip_prefix(':') {
        None if !after.is_empty() => return Err(Malformed::HostInvalid),
        port => port,
    };
    Ok((address.to_string(), port))
}

fn plain(authority: &str) -> Result<(String, Option<&str>), Malformed> {
    let (name, port) = match text::split_once(authority, b':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if !is_host(&name) {
        return Err(Malformed::HostInvalid);
    }
    Ok((name, port))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_lower_case_without_port_and_trailing_dot() {
        for (authority, expected) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM", "api.example.com"),
            ("api.example.com:8443", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("api.example.com.:80", "api.example.com"),
            ("my_service", "my_service"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[2001:DB8::0:1]:443", "2001:db8::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(
                canonical(authority).as_deref(),
                Ok(expected),
                "{authority:?}"
            );
        }
    }

    #[test]
    fn what_is_no_host_with_an_optional_port_is_refused() {
        for authority in [
            "",
            ".",
            ":80",
            "a..b",
            "a..",
            "user@a",
            "user:password@a",
            "a,b",
            "a, b",
            "a/b",
            "a b",
            "a\\b",
            "a:",
            "a:80:80",
            "a:x",
            "a:+80",
            "a:65536",
            "ä.example.com",
            "%61",
            "*.example.com",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[10.0.0.1]",
            "-a.b",
        ] {
            assert_eq!(
                canonical(authority),
                Err(Malformed::HostInvalid),
                "{authority:?}"
            );
        }
    }
}
