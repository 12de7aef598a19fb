//! What a client wants its connection to turn into (RFC 9110, section 7.8).

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;

/// A client's connection, which may turn into one of another protocol.
#[derive(Debug)]
pub struct Upgrade {
    /// The protocol, as the client spells it.
    pub protocol: HeaderValue,
    /// The client's connection, once it was told.
    pub client: OnUpgrade,
}

impl Upgrade {
    /// The first protocol that a request asks for and `allows` lets it have. A request with a body gets none: it is
    /// doubtful which of what follows would be the body.
    pub fn wanted<B: Body>(
        request: &mut Request<B>,
        allows: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let headers = request.headers();
        let is_named = has_token(headers, CONNECTION, |token| {
            token.eq_ignore_ascii_case("upgrade")
        });
        if !is_named || request.version() != Version::HTTP_11 || !request.body().is_end_stream() {
            return None;
        }
        let protocol = tokens(headers, UPGRADE).find(|token| allows(token))?;
        let protocol = HeaderValue::from_str(protocol).ok()?;
        let client = hyper::upgrade::on(request);
        Some(Self { protocol, client })
    }

    /// Whether an upstream's answer switches to the same protocol.
    pub fn is_granted(&self, headers: &HeaderMap) -> bool {
        let protocol = self.protocol.as_bytes();
        let mut granted = tokens(headers, UPGRADE);
        granted
            .next()
            .is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(protocol))
            && granted.next().is_none()
    }
}

/// Asks for an upgrade, or tells that it was granted.
pub fn announce(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol.clone());
}

fn has_token(headers: &HeaderMap, name: http::HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    tokens(headers, name).any(is_it)
}

fn tokens(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Empty::new()).unwrap()
    }

    fn wanted(headers: &[(&str, &str)]) -> Option<String> {
        let allows = |protocol: &str| protocol.eq_ignore_ascii_case("websocket");
        let upgrade = Upgrade::wanted(&mut request(headers), allows)?;
        Some(upgrade.protocol.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_first_allowed_protocol_is_wanted() {
        let keep = ("connection", "keep-alive, Upgrade");
        assert_eq!(
            wanted(&[keep, ("upgrade", "WebSocket")]).unwrap(),
            "WebSocket"
        );
        assert_eq!(
            wanted(&[keep, ("upgrade", "h2c, websocket")]).unwrap(),
            "websocket"
        );
    }

    #[test]
    fn what_is_not_named_not_allowed_or_not_alone_is_not_wanted() {
        let connection = ("connection", "upgrade");
        for headers in [
            &[("upgrade", "websocket")][..],
            &[("connection", "close"), ("upgrade", "websocket")],
            &[connection],
            &[connection, ("upgrade", "h2c")],
        ] {
            assert_eq!(wanted(headers), None, "{headers:?}");
        }
        let mut second = request(&[connection, ("upgrade", "websocket")]);
        *second.version_mut() = Version::HTTP_2;
        assert!(Upgrade::wanted(&mut second, |_| true).is_none());
        let mut full = request(&[connection, ("upgrade", "websocket")])
            .map(|_| Full::new(Bytes::from_static(b"body")));
        assert!(Upgrade::wanted(&mut full, |_| true).is_none());
    }

    #[test]
    fn another_protocol_than_was_asked_for_is_not_granted() {
        let mut request = request(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        let upgrade = Upgrade::wanted(&mut request, |_| true).unwrap();
        for (granted, expected) in [
            ("websocket", true),
            ("WebSocket", true),
            ("h2c", false),
            ("websocket, h2c", false),
        ] {
            let headers = HeaderMap::from_iter([(UPGRADE, granted.parse().unwrap())]);
            assert_eq!(upgrade.is_granted(&headers), expected, "{granted}");
        }
        assert!(!upgrade.is_granted(&HeaderMap::new()));
    }
}
