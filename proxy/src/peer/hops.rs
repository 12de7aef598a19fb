//! The way that a request came, as the proxies on it wrote it down.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses of `X-Forwarded-For` from the right, `None` for what is none; `None` where there is no such header.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    texts(headers, &X_FORWARDED_FOR).map(|values| {
        let hops = values.flat_map(|text| text.rsplit(','));
        hops.map(|hop| address(hop.trim())).collect()
    })
}

/// The same of `Forwarded` (RFC 7239): what its `for` says.
pub(super) fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    texts(headers, &FORWARDED).map(|values| {
        let hops = values.flat_map(|text| {
            let mut hops = outside_quotes(text, ',');
            hops.reverse();
            hops
        });
        hops.map(node).collect()
    })
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<impl Iterator<Item = &'h str>> {
    headers.contains_key(name).then(|| {
        let values = headers.get_all(name).into_iter().rev();
        values.map(|value| value.to_str().unwrap_or("not text"))
    })
}

/// The address of a hop that names one and only one (RFC 7239, section 6).
fn node(hop: &str) -> Option<IpAddr> {
    let pairs = outside_quotes(hop, ';').into_iter();
    let mut nodes = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    let value = nodes.next()?;
    if nodes.next().is_some() {
        return None;
    }
    let quoted = value.strip_prefix('"');
    match quoted {
        Some(rest) => address(rest.strip_suffix('"')?),
        None => address(value),
    }
}

/// Cut at a separator that does not stand within quotes; what quotes never end is one piece.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let cuts = |c: char| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        is_escaped = is_quoted && c == '\\';
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    };
    text.split(cuts).collect()
}

/// An address; some proxies add the port or brackets.
fn address(text: &str) -> Option<IpAddr> {
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

    fn hops(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED, value.parse().unwrap());
        }
        let shown = |hop: Option<IpAddr>| hop.map_or("?".to_owned(), |hop| hop.to_string());
        let hops = forwarded(&headers).unwrap();
        hops.into_iter().map(shown).collect()
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (values, expected) in [
            (&["for=192.0.2.43"][..], &["192.0.2.43"][..]),
            (&["For=192.0.2.43:47011"], &["192.0.2.43"]),
            (
                &["for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http"],
                &["198.51.100.17", "192.0.2.43"],
            ),
            (
                &[
                    "for=192.0.2.43",
                    "proto=http;for=\"[2001:db8:cafe::17]:4711\"",
                ],
                &["2001:db8:cafe::17", "192.0.2.43"],
            ),
            (&["for=unknown"], &["?"]),
            (&["for=\"_gazonk\""], &["?"]),
            (&["proto=https"], &["?"]),
        ] {
            assert_eq!(hops(values), expected, "{values:?}");
        }
    }

    #[test]
    fn nobody_can_hide_a_hop_in_quotes_or_say_two() {
        assert_eq!(hops(&["for=\"x, for=192.0.2.1"]), ["?"]);
        assert_eq!(hops(&["for=\"a\\\", for=192.0.2.1\""]), ["?"]);
        assert_eq!(hops(&["for=192.0.2.1;for=192.0.2.2"]), ["?"]);
        assert_eq!(
            hops(&["host=\"a;for=192.0.2.9\";for=192.0.2.1"]),
            ["192.0.2.1"]
        );
    }
}
