//! What clients are told of their quotas: `RateLimit` and `RateLimit-Policy` as of the IETF's
//! draft-ietf-httpapi-ratelimit-headers, in structured fields (RFC 9651), and what was usual before.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_gate::{Admission, Measure, OverQuota, Policy};
use tollgate_store::document::RateLimitHeaders;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Most values have no more.
const VALUE_BYTES_USUAL: usize = 48;

/// Adds how the caller stands after a request that was admitted, beside what the upstream may say of its own.
pub fn add_admitted(admission: &Admission, told: RateLimitHeaders, headers: &mut HeaderMap) {
    if told == RateLimitHeaders::None {
        return;
    }
    for policy in admission.policies() {
        headers.append(RATE_LIMIT_POLICY, policy.clone());
    }
    if let Some(standing) = admission.standing() {
        let rest = (standing.remaining, Some(standing.more_in_seconds()));
        add(&standing.policy, rest, told, headers);
    }
}

/// Adds which policy refused a request, and when it admits the next.
pub fn add_refused(over: &OverQuota, told: RateLimitHeaders, headers: &mut HeaderMap) {
    if told == RateLimitHeaders::None {
        return;
    }
    headers.append(RATE_LIMIT_POLICY, over.policy.header.clone());
    // Nobody knows when a request ends that is under way.
    let is_timed = !matches!(over.policy.measure, Measure::Concurrent { .. });
    let more_in = is_timed.then(|| over.retry_after_seconds());
    add(&over.policy, (over.remaining, more_in), told, headers);
}

fn add(
    policy: &Policy,
    (remaining, more_in): (u32, Option<u64>),
    told: RateLimitHeaders,
    headers: &mut HeaderMap,
) {
    let name = &policy.name;
    let mut number = itoa::Buffer::new();
    let mut text = String::with_capacity(VALUE_BYTES_USUAL);
    for part in ["\"", name, "\";r=", number.format(remaining)] {
        text.push_str(part);
    }
    if let Some(seconds) = more_in {
        text.push_str(";t=");
        text.push_str(number.format(seconds));
    }
    // A name holds nothing that a header could not.
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(RATE_LIMIT, value);
    }
    if told == RateLimitHeaders::Legacy {
        let limit = policy.measure.requests();
        headers.insert(LEGACY_LIMIT, HeaderValue::from(limit));
        headers.insert(LEGACY_REMAINING, HeaderValue::from(remaining));
        if let Some(seconds) = more_in {
            headers.insert(LEGACY_RESET, HeaderValue::from(seconds));
        }
    }
}
