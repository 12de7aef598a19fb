//! Heads of requests: what they ask for, and who they say they come from.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use serde_json::json;
use tollgate_conditions::Cedar;
use tollgate_gate::{Now, Snapshot, Target};
use tollgate_proxy::filter;
use tollgate_store::Name;
use tollgate_store::document::{Document, DocumentKey, Entry, Kind};
use tollgate_store::token::Verifier;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The only token that opens anything: nobody comes upon it by chance.
const TOKEN: &str = "a-token-that-is-brought-along-from-elsewhere-8f1c";
const PATH_DANGERS: [&str; 6] = ["/../", "/./", "//", "%2e", "%2E", "\\"];

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(snapshot);

/// The path that is accepted is canonical, and nobody is let in without the token.
///
/// # Panics
///
/// Where that does not hold.
pub fn requests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, uri, host) = (line(), line(), line());
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method.as_bytes()), Uri::try_from(uri)) else {
        return;
    };
    let request = Request::builder()
        .version(Version::HTTP_11)
        .method(method)
        .uri(uri);
    let mut request = request.header(HOST, host);
    for header in lines {
        let (name, value) = header
            .split_once(':')
            .unwrap_or((AUTHORIZATION.as_str(), header));
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value.trim()),
        ) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else {
        return;
    };
    let Ok(authority) = filter::check(&request) else {
        return;
    };
    let Ok(target) = Target::parse(request.method(), authority, request.uri()) else {
        return;
    };
    check_target(&target);
    let now = Now {
        wall: "2027-01-01T00:00:00Z".parse().unwrap_or_default(),
        monotonic: Duration::ZERO,
    };
    if SNAPSHOT.identify(request.headers(), ADDRESS, now).is_ok() {
        let headers = request.headers().values();
        let mut values = headers.filter_map(|value| value.to_str().ok());
        assert!(
            values.any(|value| value.contains(TOKEN)),
            "nobody is let in without a token"
        );
    }
}

fn check_target(target: &Target) {
    let path = format!("{}/", target.path());
    // An empty segment may end a path, and nothing else.
    let inner = path.strip_suffix("//").unwrap_or(&path);
    for danger in PATH_DANGERS {
        assert!(!inner.contains(danger), "{danger} in {path:?}");
    }
    let uri = Uri::from(target.path_and_query().clone());
    let again = Target::parse(target.method(), Some(target.host()), &uri);
    let again = again.expect("what is forwarded is accepted");
    assert_eq!(
        again.path_and_query(),
        target.path_and_query(),
        "it is canonical"
    );
}

fn snapshot() -> Snapshot {
    let entry = |kind, name: &str, spec| {
        let name = Name::parse(name).expect("a name");
        let key = DocumentKey { kind, name };
        Entry {
            id: key.clone().into(),
            revision: None,
            document: Document::parse(&key, spec),
        }
    };
    let version = json!({
        "version": 1, "sha256": Verifier::of(TOKEN), "created_at": "2026-01-01T00:00:00Z", "imported": true,
    });
    let key = json!({"id": "000000000000", "scopes": ["all"], "versions": [version]});
    let entries = [
        entry(Kind::Scope, "all", json!({"grants": [{"path": "/**"}]})),
        entry(Kind::Key, "one", key),
        entry(
            Kind::Proxy,
            "edge",
            json!({"listen": [{"address": "127.0.0.1:80"}]}),
        ),
    ];
    let (snapshot, rejected) =
        Snapshot::build(&entries, &Name::parse("edge").expect("a name"), &Cedar);
    assert!(rejected.is_empty(), "{rejected:?}");
    snapshot
}
