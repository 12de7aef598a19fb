//! Conditions in Cedar, about requests that nobody sent.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "claims are written where they are passed"
)]

mod bad;
mod bounds;
mod met;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Map, Value, json};
use tollgate_conditions::Cedar;
use tollgate_gate::{Circumstances, Condition, ConditionLanguage, Facts, Target};
use tollgate_store::document::CredentialKind;
use tollgate_store::{Name, TimeZone};

/// A request, as far as conditions see it.
struct Request {
    address: Option<IpAddr>,
    time: jiff::Timestamp,
    headers: HeaderMap,
    method: Method,
    path: &'static str,
    principal: Option<Name>,
    credential: CredentialKind,
    claims: Option<Value>,
}

impl Default for Request {
    /// On a Wednesday, at half past eight.
    fn default() -> Self {
        Self {
            address: "10.1.2.3".parse().ok(),
            time: "2027-06-30T08:30:00.125Z".parse().unwrap(),
            headers: HeaderMap::new(),
            method: Method::GET,
            path: "/v1/orders/7?x=1",
            principal: Name::parse("acme").ok(),
            credential: CredentialKind::Key,
            claims: None,
        }
    }
}

impl Request {
    fn with_headers(headers: &[(&'static str, impl AsRef<[u8]>)]) -> Self {
        let mut request = Self::default();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
            request.headers.append(HeaderName::from_static(name), value);
        }
        request
    }

    fn with_claims(claims: Value) -> Self {
        Self {
            credential: CredentialKind::Token,
            claims: Some(claims),
            ..Self::default()
        }
    }

    fn ask<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let uri = Uri::from_static(self.path);
        let target = Target::parse(&self.method, Some("API.example.com:443"), &uri).unwrap();
        let claims: Option<&Map<_, _>> = self.claims.as_ref().map(|it| it.as_object().unwrap());
        ask(&Facts {
            circumstances: &Circumstances {
                address: self.address,
                time: self.time,
                headers: &self.headers,
            },
            target: &target,
            principal: self.principal.as_ref(),
            credential: Some(self.credential),
            claims,
        })
    }

    /// Whether it meets a condition.
    fn meets(&self, text: &str) -> Result<bool, String> {
        self.ask(|facts| read(text).unwrap().is_met(facts))
    }
}

fn read(text: &str) -> Result<Arc<dyn Condition>, String> {
    read_in(text, None)
}

fn read_in(text: &str, zone: Option<&str>) -> Result<Arc<dyn Condition>, String> {
    let zone = zone.map(|zone| TimeZone::parse(zone).unwrap());
    Cedar.read(&tollgate_store::Condition::parse(text)?, zone.as_ref())
}

#[test]
fn what_a_condition_looks_at_is_told() {
    let text = "context.hour >= 9 && context has address && context.address.isInRange(ip(\"10.0.0.0/8\")) \
                && context.headers has \"x-env\" && context.headers[\"x-env\"] == \"prod\" \
                && context.claims has level && context.claims.level > 2 \
                && context.claims has name && !(context.claims has ghost)";
    let mut request = Request::with_claims(json!({"level": 3, "name": "a", "other": "b"}));
    let told = |request: &Request| request.ask(|facts| read(text).unwrap().told(facts));

    let expected = [
        "context.address is 10.1.2.3",
        "context.hour is 8",
        "context.headers[\"x-env\"] is absent",
        "context.claims[\"ghost\"] is absent",
        "context.claims[\"level\"] is 3",
        "context.claims[\"name\"] is there",
    ];
    assert_eq!(told(&request), expected);

    request
        .headers
        .insert("x-env", HeaderValue::from_static("prod"));
    request.claims = Some(json!({"level": "3"}));
    request.address = None;
    let told = told(&request);
    assert_eq!(told[0], "context.address is absent");
    assert_eq!(told[2], "context.headers[\"x-env\"] is \"prod\"");
    assert_eq!(told[4], "context.claims[\"level\"] is not as it is taken");
}

#[test]
fn a_condition_names_the_headers_that_it_looks_at() {
    let text = "(context.headers has \"x-b\" && context.headers[\"x-b\"] == \"1\") || \
                context.headers has \"x-a\" || context.headers has \"x-b\"";
    let condition = read(text).unwrap();

    assert_eq!(condition.headers(), ["x-a", "x-b"]);
    assert!(read("context.hour > 1").unwrap().headers().is_empty());
}
