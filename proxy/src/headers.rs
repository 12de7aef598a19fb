//! Which headers pass, in both directions.
//!
//! What belongs to one connection stays on it (RFC 9110, section 7.6.1); what the proxy vouches for is never what a
//! client wrote.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use tollgate_store::{KeyId, Name};

use crate::peer::{Peer, X_FORWARDED_FOR};

/// The request's id, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_TOLLGATE_KEY: HeaderName = HeaderName::from_static("x-tollgate-key");
const X_TOLLGATE_KEY_ID: HeaderName = HeaderName::from_static("x-tollgate-key-id");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID_BYTES_MAX: usize = 128;
const IDENTITY_PREFIX: &str = "x-tollgate-";
const FORWARDED_PREFIX: &str = "x-forwarded-";

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers whose spelling with `_` many servers take for the same.
const MEANINGFUL: [&str; 11] = [
    "authorization",
    "connection",
    "content-length",
    "forwarded",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "x-api-key",
    "x-real-ip",
    "x-request-id",
];

/// What an upstream is told about a request.
#[derive(Debug)]
pub struct Voucher<'a> {
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// What the request was addressed to.
    pub authority: Option<String>,
    /// The request's id.
    pub request_id: &'a HeaderValue,
    /// The key's name.
    pub key: &'a Name,
    /// The key's id.
    pub key_id: KeyId,
}

/// Makes a client's headers those that the upstream gets. `Host` is left to the connection.
pub fn to_upstream(headers: &mut HeaderMap, voucher: &Voucher<'_>) {
    let wants_trailers = headers.get_all(TE).iter().any(names_trailers);
    remove_hop_by_hop(headers);
    remove_forged(headers, voucher.peer);
    for name in [HOST, EXPECT, AUTHORIZATION, X_API_KEY, FORWARDED] {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    vouch(headers, voucher);
}

/// Makes an upstream's headers those that the client gets.
pub fn to_client(headers: &mut HeaderMap, request_id: &HeaderValue) {
    remove_hop_by_hop(headers);
    headers.insert(X_REQUEST_ID, request_id.clone());
}

/// The id that a trusted peer gave its request, if it is one: 1 to 128 visible ASCII characters.
#[must_use]
pub fn request_id(headers: &HeaderMap, peer: &Peer) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID).filter(|_| peer.is_trusted)?;
    let is_short = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len());
    (is_short && id.as_bytes().iter().all(u8::is_ascii_graphic)).then(|| id.clone())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect()
}

fn names_trailers(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',')
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Removes what only the proxy, or a trusted one before it, may say.
fn remove_forged(headers: &mut HeaderMap, peer: &Peer) {
    let forged: Vec<_> = headers
        .keys()
        .filter(|name| is_forged(name.as_str(), peer))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

fn is_forged(name: &str, peer: &Peer) -> bool {
    if name.contains('_') {
        let name = name.replace('_', "-");
        return name.starts_with(IDENTITY_PREFIX)
            || name.starts_with(FORWARDED_PREFIX)
            || MEANINGFUL.contains(&name.as_str());
    }
    let is_hearsay = name.starts_with(FORWARDED_PREFIX)
        || matches!(name, "traceparent" | "tracestate" | "x-real-ip");
    name.starts_with(IDENTITY_PREFIX) || (is_hearsay && !peer.is_trusted)
}

fn vouch(headers: &mut HeaderMap, voucher: &Voucher<'_>) {
    headers.insert(X_REQUEST_ID, voucher.request_id.clone());
    insert_text(headers, X_TOLLGATE_KEY, voucher.key.as_str());
    insert_text(headers, X_TOLLGATE_KEY_ID, voucher.key_id.as_str());
    insert_text(
        headers,
        X_FORWARDED_FOR,
        &forwarded_for(headers, voucher.peer),
    );
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if let Some(authority) = &voucher.authority
        && !headers.contains_key(X_FORWARDED_HOST)
    {
        insert_text(headers, X_FORWARDED_HOST, authority);
    }
}

/// The way that the request came, with the peer at its end.
fn forwarded_for(headers: &HeaderMap, peer: &Peer) -> String {
    let mut way = String::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        if let Ok(text) = value.to_str() {
            way.push_str(text);
            way.push_str(", ");
        }
    }
    way.push_str(&peer.address.to_string());
    way
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    // Names, ids, hosts and addresses hold nothing that a header could not.
    match HeaderValue::from_str(text) {
        Ok(value) => headers.insert(name, value),
        Err(_) => headers.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(is_trusted: bool) -> Peer {
        Peer {
            address: "192.0.2.1".parse().unwrap(),
            is_trusted,
            client: "192.0.2.1".parse().unwrap(),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        pairs.collect()
    }

    /// What the upstream gets, apart from what it always gets.
    fn passed(is_trusted: bool, pairs: &[(&str, &str)]) -> Vec<String> {
        let mut headers = map(pairs);
        let voucher = Voucher {
            peer: &peer(is_trusted),
            authority: Some("api.test".to_owned()),
            request_id: &HeaderValue::from_static("r-1"),
            key: &Name::parse("acme").unwrap(),
            key_id: KeyId::parse("abcdefghijkl").unwrap(),
        };
        to_upstream(&mut headers, &voucher);
        let always = [
            "x-request-id: r-1",
            "x-tollgate-key: acme",
            "x-tollgate-key-id: abcdefghijkl",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: api.test",
            "x-forwarded-proto: http",
        ];
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        if !is_trusted {
            for line in always {
                let index = lines.iter().position(|other| other == line);
                lines.remove(index.unwrap_or_else(|| panic!("{line} in {lines:?}")));
            }
        }
        lines.sort();
        lines
    }

    #[test]
    fn what_belongs_to_the_connection_stays_on_it() {
        let lines = passed(
            false,
            &[
                ("connection", "close, X-Private"),
                ("connection", "x-more"),
                ("x-private", "1"),
                ("x-more", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("proxy-authorization", "Basic eA=="),
                ("upgrade", "websocket"),
                ("http2-settings", "AAMAAABkAAQAAP__"),
                ("te", "gzip"),
                ("expect", "100-continue"),
                ("accept", "*/*"),
            ],
        );

        assert_eq!(lines, ["accept: */*"]);
    }

    #[test]
    fn the_wish_for_trailers_passes() {
        assert_eq!(
            passed(false, &[("te", "gzip;q=0.5, Trailers")]),
            ["te: trailers"]
        );
    }

    #[test]
    fn credentials_stay_here() {
        let lines = passed(
            false,
            &[
                ("authorization", "Bearer x"),
                ("x-api-key", "x"),
                ("x_api_key", "x"),
                ("host", "api.test"),
            ],
        );

        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn what_only_the_proxy_may_say_is_not_taken_from_a_stranger() {
        let lines = passed(
            false,
            &[
                ("x-tollgate-key", "root"),
                ("x-tollgate-key", "root"),
                ("x_tollgate_key_id", "root"),
                ("x-tollgate_key", "root"),
                ("x-tollgate-role", "root"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x_forwarded_for", "10.0.0.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-prefix", "/admin"),
                ("forwarded", "for=10.0.0.1"),
                ("x-real-ip", "10.0.0.1"),
                ("x-request-id", "forged"),
                ("traceparent", "00-1"),
                ("content_length", "5"),
            ],
        );

        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn a_client_cant_have_removed_what_the_proxy_adds() {
        let lines = passed(
            false,
            &[(
                "connection",
                "x-tollgate-key, x-tollgate-key-id, x-forwarded-for, x-request-id",
            )],
        );

        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn a_trusted_peers_word_is_kept_and_continued() {
        let lines = passed(
            true,
            &[
                ("x-forwarded-for", "198.51.100.7"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "public.test"),
                ("traceparent", "00-1"),
                ("x-tollgate-key", "root"),
            ],
        );

        assert_eq!(
            lines,
            [
                "traceparent: 00-1",
                "x-forwarded-for: 198.51.100.7, 192.0.2.1",
                "x-forwarded-host: public.test",
                "x-forwarded-proto: https",
                "x-request-id: r-1",
                "x-tollgate-key-id: abcdefghijkl",
                "x-tollgate-key: acme",
            ]
        );
    }

    #[test]
    fn a_length_beside_chunks_is_dropped() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
        to_client(&mut headers, &HeaderValue::from_static("r-1"));

        assert_eq!(headers, map(&[("x-request-id", "r-1")]));
    }

    #[test]
    fn an_id_is_taken_from_a_trusted_peer_if_it_is_short_and_visible() {
        let id = |value: &str, is_trusted| {
            request_id(&map(&[("x-request-id", value)]), &peer(is_trusted))
        };

        assert!(id("0190-abc", true).is_some());
        assert!(id("0190-abc", false).is_none());
        assert!(id("a b", true).is_none());
        assert!(id("", true).is_none());
        assert!(id(&"a".repeat(129), true).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_spelling_of_an_identity_header_passes(
            name in "[xX][-_][tT][oO]llgate[-_][a-z_-]{1,12}",
            value in "[ -~]{0,20}",
        ) {
            let lines = passed(false, &[(name.as_str(), value.as_str())]);
            proptest::prop_assert!(lines.is_empty(), "{:?}", lines);
        }
    }
}
