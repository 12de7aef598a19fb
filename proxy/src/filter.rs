//! What hyper lets through and two servers could read differently.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Version};

use crate::connection::{HEAD_BYTES_MAX, HEADERS_MAX};

/// What each field of a list counts beyond its name and its value (RFC 9113, section 6.5.2).
const FIELD_BYTES: usize = 32;

/// What makes a request's head ambiguous, beyond what its target shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// HTTP/1.1 without `Host` (RFC 9112, section 3.2).
    #[error("the request has no Host header")]
    HostMissing,
    /// More than one `Host`.
    #[error("the request has several Host headers")]
    HostSeveral,
    /// `Host` is other than `:authority` or the authority of an absolute target.
    #[error("the Host header and the request target name two hosts")]
    HostAmbiguous,
    /// `Host` is no text.
    #[error("the Host header is no text")]
    HostInvalid,
    /// A body whose end can be read in two ways (RFC 9112, section 6.3).
    #[error("the length of the request's body is ambiguous")]
    FramingAmbiguous,
    /// A line of the head that ends in LF alone, which some take for an end and some do not (RFC 9112, section 2.2).
    #[error("a line of the request's head ends without CR")]
    LineFeedBare,
    /// A fragment in the target, which some cut off and some do not (RFC 9112, section 3.2).
    #[error("the request target has a fragment")]
    TargetFragment,
    /// What came is no head of HTTP/1.1.
    #[error("the request's head is malformed")]
    HeadInvalid,
    /// The head has more bytes or fields than a proxy takes.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// A coding other than `chunked`, or one that the protocol does not have.
    #[error("the request's Transfer-Encoding is not \"chunked\"")]
    FramingUnknown,
    /// `Expect` wants something else than `100-continue`, the only thing that is known (RFC 9110, section 10.1.1).
    #[error("the request's Expect header is not \"100-continue\"")]
    ExpectationUnknown,
    /// An absolute target of another scheme.
    #[error("the request target's scheme is neither http nor https")]
    SchemeUnknown,
}

impl Fault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::HostMissing => "host_missing",
            Self::HostSeveral => "host_several",
            Self::HostAmbiguous => "host_ambiguous",
            Self::HostInvalid => "host_invalid",
            Self::FramingAmbiguous => "framing_ambiguous",
            Self::LineFeedBare => "line_feed_bare",
            Self::TargetFragment => "target_fragment",
            Self::HeadInvalid => "head_invalid",
            Self::HeadTooLarge => "head_too_large",
            Self::FramingUnknown => "framing_unknown",
            Self::ExpectationUnknown => "expectation_unknown",
            Self::SchemeUnknown => "scheme_unknown",
        }
    }
}

/// Checks a request's head as far as hyper shows it, and returns what it is addressed to: `:authority`, the authority
/// of an absolute target, or `Host`.
pub fn check<B>(request: &Request<B>) -> Result<Option<&str>, Fault> {
    // What its connection saw before hyper did.
    if let Some(fault) = request.extensions().get::<Fault>() {
        return Err(*fault);
    }
    // Of HTTP/1.1, hyper counts the bytes.
    if request.headers().len() > HEADERS_MAX
        || request.version() == Version::HTTP_2 && list_bytes(request) > HEAD_BYTES_MAX
    {
        return Err(Fault::HeadTooLarge);
    }
    check_framing(request)?;
    check_target(request)?;
    let authority = authority(request)?;
    check_expectations(request.headers())?;
    Ok(authority)
}

/// How long a request's list of fields is (RFC 9113, section 6.5.2).
fn list_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let pseudo = [
        (":method", request.method().as_str()),
        (":scheme", uri.scheme_str().unwrap_or_default()),
        (":authority", authority),
        (":path", path),
    ];
    let pseudo = pseudo.iter().map(|(name, value)| name.len() + value.len());
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len());
    pseudo.chain(fields).map(|bytes| bytes + FIELD_BYTES).sum()
}

fn authority<B>(request: &Request<B>) -> Result<Option<&str>, Fault> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::HostSeveral);
    }
    let host = host
        .map(|host| host.to_str().map_err(|_| Fault::HostInvalid))
        .transpose()?;
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match (authority, host) {
        (_, None) if request.version() == Version::HTTP_11 => Err(Fault::HostMissing),
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err(Fault::HostAmbiguous)
        }
        (authority, host) => Ok(authority.or(host)),
    }
}

fn check_framing<B>(request: &Request<B>) -> Result<(), Fault> {
    let mut lengths = request.headers().get_all(CONTENT_LENGTH).iter();
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    // hyper drops a length beside chunks: only the connection sees both.
    if lengths.next().is_some() || codings.next().is_some() {
        return Err(Fault::FramingAmbiguous);
    }
    // hyper takes "5, 5" for one length.
    if length.is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err(Fault::FramingAmbiguous);
    }
    match coding {
        None => Ok(()),
        Some(coding)
            if request.version() == Version::HTTP_11
                && coding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(())
        }
        Some(_) => Err(Fault::FramingUnknown),
    }
}

fn check_target<B>(request: &Request<B>) -> Result<(), Fault> {
    let is_http = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    };
    let uri = request.uri();
    if uri.scheme_str().is_some_and(|scheme| !is_http(scheme)) {
        return Err(Fault::SchemeUnknown);
    }
    Ok(())
}

/// `Expect` goes no further than here: who sends on without it what it does not know would promise what nobody keeps.
fn check_expectations(headers: &HeaderMap) -> Result<(), Fault> {
    let values = headers.get_all(EXPECT).iter();
    let mut members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_known = |member: &[u8]| {
        let member = member.trim_ascii();
        member.is_empty() || member.eq_ignore_ascii_case(b"100-continue")
    };
    if members.all(is_known) {
        Ok(())
    } else {
        Err(Fault::ExpectationUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn fault(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<Fault> {
        check(&request(version, uri, headers)).err()
    }

    #[test]
    fn a_request_is_addressed_to_its_authority_or_else_its_host() {
        let plain = request(Version::HTTP_11, "/", &[("host", "a.test:80")]);
        assert_eq!(check(&plain), Ok(Some("a.test:80")));

        let second = request(Version::HTTP_2, "http://a.test/", &[]);
        assert_eq!(check(&second), Ok(Some("a.test")));

        let both = request(Version::HTTP_2, "http://a.test/", &[("host", "A.test")]);
        assert_eq!(check(&both), Ok(Some("a.test")));

        let old = request(Version::HTTP_10, "/", &[]);
        assert_eq!(check(&old), Ok(None));
    }

    #[test]
    fn hosts_that_disagree_are_refused() {
        let hosts = [("host", "a.test"), ("host", "a.test")];
        for (version, uri, headers, expected) in [
            (Version::HTTP_11, "/", &[][..], Fault::HostMissing),
            (Version::HTTP_11, "http://a.test/", &[], Fault::HostMissing),
            (Version::HTTP_11, "/", &hosts, Fault::HostSeveral),
            (
                Version::HTTP_11,
                "http://a.test/",
                &[("host", "b.test")],
                Fault::HostAmbiguous,
            ),
            (
                Version::HTTP_2,
                "http://a.test/",
                &[("host", "a.test:80")],
                Fault::HostAmbiguous,
            ),
            (Version::HTTP_11, "/", &[("host", "ä")], Fault::HostInvalid),
        ] {
            assert_eq!(
                fault(version, uri, headers),
                Some(expected),
                "{uri} {headers:?}"
            );
        }
    }

    #[test]
    fn a_body_whose_end_can_be_read_in_two_ways_is_refused() {
        let host = ("host", "a.test");
        for headers in [
            &[host, ("content-length", "5"), ("content-length", "5")][..],
            &[host, ("content-length", "5, 5")],
            &[host, ("content-length", "+5")],
            &[
                host,
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
        ] {
            assert_eq!(
                fault(Version::HTTP_11, "/", headers),
                Some(Fault::FramingAmbiguous),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn only_chunked_is_a_coding_and_only_in_http_1_1() {
        let host = ("host", "a.test");
        let chunked = [host, ("transfer-encoding", "Chunked")];
        assert_eq!(fault(Version::HTTP_11, "/", &chunked), None);
        assert_eq!(
            fault(Version::HTTP_10, "/", &chunked),
            Some(Fault::FramingUnknown)
        );
        for coding in [
            "identity",
            "gzip, chunked",
            "chunked, chunked",
            "",
            "xchunked",
        ] {
            assert_eq!(
                fault(
                    Version::HTTP_11,
                    "/",
                    &[host, ("transfer-encoding", coding)]
                ),
                Some(Fault::FramingUnknown),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn a_target_of_another_scheme_is_refused() {
        let host = [("host", "a.test")];
        for uri in ["ftp://a.test/", "file://a.test/", "ws://a.test/"] {
            assert_eq!(
                fault(Version::HTTP_11, uri, &host),
                Some(Fault::SchemeUnknown),
                "{uri}"
            );
        }
        assert_eq!(fault(Version::HTTP_11, "HTTPS://a.test/", &host), None);
    }

    #[test]
    fn nothing_may_be_expected_but_to_be_told_to_go_on() {
        for known in [
            "100-continue",
            "100-Continue",
            "100-continue, 100-continue",
            "",
        ] {
            let headers = [("host", "a"), ("expect", known)];
            assert_eq!(fault(Version::HTTP_11, "/", &headers), None, "{known}");
        }
        for unknown in ["200-ok", "100-continue, x", "100-continue=1", "\u{e9}"] {
            let headers = [
                ("host", "a"),
                ("expect", "100-continue"),
                ("expect", unknown),
            ];
            for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
                let fault = fault(version, "http://a/", &headers);
                assert_eq!(fault, Some(Fault::ExpectationUnknown), "{unknown}");
            }
        }
    }

    #[test]
    fn a_list_of_fields_is_bounded_and_each_counts_more_than_its_bytes() {
        // Those before the path and its "/", the scheme and the host.
        let others = ":method:scheme:authority:pathGEThttpa/".len() + "x".len() + 5 * FIELD_BYTES;
        for (more, expected) in [(0, None), (1, Some(Fault::HeadTooLarge))] {
            let value = "v".repeat(HEAD_BYTES_MAX - others + more);
            let headers = [("x", value.as_str())];
            assert_eq!(fault(Version::HTTP_2, "http://a/", &headers), expected);
        }
    }
}
