//! Which headers pass, in both directions.
//!
//! What belongs to one connection stays on it (RFC 9110, section 7.6.1); what the proxy vouches for is never what a
//! client wrote.

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use smallvec::SmallVec;
use tollgate_store::{KeyId, Name};

use crate::peer::{Peer, X_FORWARDED_FOR};

/// The request's id, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_TOLLGATE_KEY: HeaderName = HeaderName::from_static("x-tollgate-key");
const X_TOLLGATE_KEY_ID: HeaderName = HeaderName::from_static("x-tollgate-key-id");
const X_TOLLGATE_PRINCIPAL: HeaderName = HeaderName::from_static("x-tollgate-principal");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID_BYTES_MAX: usize = 128;
const DPOP: &[u8] = b"DPoP ";
/// The most that the proxy vouches for: a map that has room for them grows once.
const VOUCHED_MAX: usize = 8;
/// As many headers of most requests do not pass.
const UNWANTED_USUAL: usize = 4;

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

/// From whom a header is not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forged {
    /// From nobody.
    Always,
    /// From everybody but a trusted proxy.
    ByStrangers,
    /// From nobody where `_` stands for `-`, which many servers take for the same; else it has its own rule.
    BySpelling,
}

/// What a client's headers may not say, by name.
fn rule(name: &str) -> Option<Forged> {
    Some(match name {
        // The first three are proof for this proxy, and for one request; CGI turns `proxy` into HTTP_PROXY, which many
        // programs obey; and from `x-http-method` on they make a request another one than was decided on.
        "authorization"
        | "dpop"
        | "x-api-key"
        | "forwarded"
        | "host"
        | "proxy"
        | "x-http-method"
        | "x-http-method-override"
        | "x-method-override"
        | "x-original-uri"
        | "x-original-url"
        | "x-rewrite-url" => Forged::Always,
        "cf-connecting-ip" | "traceparent" | "tracestate" | "true-client-ip" | "x-client-ip"
        | "x-real-ip" => Forged::ByStrangers,
        "connection" | "content-length" | "content-type" | "cookie" | "expect"
        | "transfer-encoding" | "upgrade" | "x-request-id" => Forged::BySpelling,
        _ if name.starts_with("x-tollgate-") => Forged::Always,
        _ if name.starts_with("x-forwarded-") => Forged::ByStrangers,
        _ => return None,
    })
}

/// What an upstream is told about a request.
#[derive(Debug)]
pub struct Voucher<'a> {
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// The address of that end, as a header says it, if it is known.
    pub address: Option<HeaderValue>,
    /// What the request was addressed to.
    pub authority: Option<HeaderValue>,
    /// The request's id.
    pub request_id: HeaderValue,
    /// The key's name, where a key was presented.
    pub key: Option<&'a str>,
    /// The key's id, likewise.
    pub key_id: Option<KeyId>,
    /// The principal that the credential acts as, where there is one.
    pub principal: Option<&'a Name>,
    /// The headers that conditions of roles look at: no other spelling of them reaches the upstream.
    pub looked_at: &'a [HeaderName],
}

/// Makes a client's headers those that the upstream gets. `Host` is left to the connection.
pub fn to_upstream(headers: &mut HeaderMap, voucher: Voucher<'_>) {
    let wants_trailers = |seen: &Seen| seen.te && headers.get_all(TE).iter().any(names_trailers);
    let is_unwanted = |name: &HeaderName| {
        is_hop_by_hop(name)
            || is_forged(name.as_str(), voucher.peer)
            || [EXPECT, TRAILER].contains(name)
            || is_other_spelling(name, voucher.looked_at)
    };
    let seen = Seen::of(headers, &is_unwanted);
    let wants_trailers = wants_trailers(&seen);
    let seen = remove(headers, seen, &is_unwanted);
    headers.reserve(VOUCHED_MAX);
    if seen.cookie {
        join_cookies(headers);
    }
    if wants_trailers {
        insert(headers, TE, HeaderValue::from_static("trailers"));
    }
    vouch(headers, voucher, &seen);
}

/// What a request is addressed to, as a header says it: mostly one has said so.
#[must_use]
pub fn authority_value(headers: &HeaderMap, authority: &str) -> Option<HeaderValue> {
    match headers.get(HOST) {
        Some(host) if host == authority => Some(host.clone()),
        _ => HeaderValue::from_str(authority).ok(),
    }
}

/// The headers that conditions of roles go by, of which they look at `looked_at`. What does not reach the upstream as it
/// was sent decides nothing: a client could say one thing here and another there.
#[must_use]
pub fn for_conditions<'h>(
    headers: &'h HeaderMap,
    looked_at: &[HeaderName],
    peer: &Peer,
) -> Cow<'h, HeaderMap> {
    let named = named_by_connection(headers);
    // What a trusted proxy says counts here, wherever it ends.
    let is_forged =
        |name: &HeaderName| !peer.is_trusted && *name != HOST && is_forged(name.as_str(), peer);
    let is_kept = |name: &HeaderName| !named.contains(name) && !is_forged(name);
    if looked_at.iter().all(is_kept) {
        return Cow::Borrowed(headers);
    }
    let mut kept = HeaderMap::new();
    for name in looked_at.iter().filter(|name| is_kept(name)) {
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    Cow::Owned(kept)
}

/// Makes an upstream's headers those that the client gets.
pub fn to_client(headers: &mut HeaderMap, request_id: &HeaderValue) {
    let seen = Seen::of(headers, &is_hop_by_hop);
    remove(headers, seen, &is_hop_by_hop);
    insert(headers, X_REQUEST_ID, request_id.clone());
}

/// The id that a trusted peer gave its request, if it is one: 1 to 128 visible ASCII characters.
#[must_use]
pub fn request_id(headers: &HeaderMap, peer: &Peer) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID).filter(|_| peer.is_trusted)?;
    let is_short = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len());
    (is_short && id.as_bytes().iter().all(u8::is_ascii_graphic)).then(|| id.clone())
}

/// Whether a request's token comes with a proof that its key is the sender's (RFC 9449, section 7.1).
#[must_use]
pub fn is_by_dpop(headers: &HeaderMap) -> bool {
    let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let scheme = authorization.and_then(|value| value.get(..DPOP.len()));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(DPOP))
}

/// What a request proves who it is of by, alone.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> HeaderMap {
    let mut credentials = HeaderMap::new();
    for name in [AUTHORIZATION, X_API_KEY] {
        for value in headers.get_all(&name) {
            let mut value = value.clone();
            value.set_sensitive(true);
            credentials.append(&name, value);
        }
    }
    credentials
}

/// What is there, by one look at each name: that is cheaper than a search for each that could be.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a name that is there or is not"
)]
struct Seen {
    connection: bool,
    transfer_encoding: bool,
    te: bool,
    cookie: bool,
    forwarded_for: bool,
    forwarded_host: bool,
    forwarded_proto: bool,
    unwanted: SmallVec<[HeaderName; UNWANTED_USUAL]>,
}

impl Seen {
    fn of(headers: &HeaderMap, is_unwanted: &dyn Fn(&HeaderName) -> bool) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            match *name {
                CONNECTION => seen.connection = true,
                TRANSFER_ENCODING => seen.transfer_encoding = true,
                TE => seen.te = true,
                COOKIE => seen.cookie = true,
                _ => {}
            }
            if is_unwanted(name) {
                seen.unwanted.push(name.clone());
            } else if *name == X_FORWARDED_FOR {
                seen.forwarded_for = true;
            } else if *name == X_FORWARDED_HOST {
                seen.forwarded_host = true;
            } else if *name == X_FORWARDED_PROTO {
                seen.forwarded_proto = true;
            }
        }
        seen
    }
}

/// Removes what belongs to the connection and what is unwanted; returns what was seen of the rest.
fn remove(
    headers: &mut HeaderMap,
    mut seen: Seen,
    is_unwanted: &dyn Fn(&HeaderName) -> bool,
) -> Seen {
    if seen.connection {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
        seen = Seen::of(headers, is_unwanted);
    }
    if seen.transfer_encoding {
        headers.remove(CONTENT_LENGTH);
    }
    for name in seen.unwanted.drain(..) {
        headers.remove(name);
    }
    seen
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
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

/// Whether only the proxy, or a trusted one before it, may say it.
fn is_forged(name: &str, peer: &Peer) -> bool {
    let is_respelled = name.contains('_');
    let name = if is_respelled {
        Cow::Owned(name.replace('_', "-"))
    } else {
        Cow::Borrowed(name)
    };
    rule(&name).is_some_and(|forged| match forged {
        _ if is_respelled => true,
        Forged::Always => true,
        Forged::ByStrangers => !peer.is_trusted,
        Forged::BySpelling => false,
    })
}

/// Whether many servers would take it for one that conditions look at, which it is not.
fn is_other_spelling(name: &HeaderName, looked_at: &[HeaderName]) -> bool {
    // Most conditions look at none.
    if looked_at.is_empty() || looked_at.contains(name) {
        return false;
    }
    let hyphened = |name: &HeaderName| name.as_str().replace('_', "-");
    let name = hyphened(name);
    looked_at.iter().any(|other| hyphened(other) == name)
}

/// HTTP/2 lets a client cut its cookies into several headers; HTTP/1.1 knows only one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().collect();
    if crumbs.len() < 2 {
        return;
    }
    let crumbs: Vec<_> = crumbs.into_iter().map(HeaderValue::as_bytes).collect();
    // What consists of values is one.
    if let Ok(cookies) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, cookies);
    }
}

fn vouch(headers: &mut HeaderMap, voucher: Voucher<'_>, seen: &Seen) {
    insert(headers, X_REQUEST_ID, voucher.request_id);
    if let (Some(key), Some(key_id)) = (voucher.key, voucher.key_id) {
        insert_text(headers, X_TOLLGATE_KEY, key);
        insert_text(headers, X_TOLLGATE_KEY_ID, key_id.as_str());
    }
    if let Some(principal) = voucher.principal {
        insert_text(headers, X_TOLLGATE_PRINCIPAL, principal.as_str());
    }
    if let Some(address) = voucher.address {
        let way = way(headers, address, seen);
        insert(headers, X_FORWARDED_FOR, way);
    }
    if !seen.forwarded_proto {
        let is_encrypted = voucher.peer.is_encrypted;
        let protocol = if is_encrypted { "https" } else { "http" };
        insert(
            headers,
            X_FORWARDED_PROTO,
            HeaderValue::from_static(protocol),
        );
    }
    if let Some(authority) = voucher.authority
        && !seen.forwarded_host
    {
        insert(headers, X_FORWARDED_HOST, authority);
    }
}

/// The way that the request came, with the peer at its end.
fn way(headers: &HeaderMap, peer: HeaderValue, seen: &Seen) -> HeaderValue {
    if !seen.forwarded_for {
        return peer;
    }
    let before = headers.get_all(X_FORWARDED_FOR).iter();
    let hops = before.chain([&peer]);
    let hops: Vec<_> = hops.filter_map(|value| value.to_str().ok()).collect();
    // What consists of values is one.
    HeaderValue::from_str(&hops.join(", ")).unwrap_or(peer)
}

#[inline(never)]
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    // Names and ids hold nothing that a header could not.
    match HeaderValue::from_str(text) {
        Ok(value) => insert(headers, name, value),
        Err(_) => _ = headers.remove(name),
    }
}

/// One for all, and never inlined: the processor waits for code that it runs through once.
#[inline(never)]
fn insert(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

#[cfg(test)]
mod tests;
