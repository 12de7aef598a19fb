//! What a condition sees of one request: only what it looks at.

use cedar_policy::Context;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use tollgate_gate::Facts;
use tollgate_store::document::CredentialKind;

use crate::uses::{Shape, Uses};
use crate::value::Value;

/// The most bytes of a header that conditions take: with a longer one they are not met.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;

/// The context of a condition; the error says what of the request is not as the condition takes it.
pub(crate) fn of(uses: &Uses, facts: &Facts<'_>, zone: &TimeZone) -> Result<Context, String> {
    let mut pairs = Vec::new();
    for name in &uses.attributes {
        if let Some(value) = attribute(name, facts, zone) {
            pairs.push(((*name).to_owned(), value.expression()?));
        }
    }
    let mut headers = Vec::new();
    for name in &uses.headers {
        let value = header(facts.circumstances.headers, name)?;
        headers.extend(value.map(|value| (name.as_str().to_owned(), value)));
    }
    let mut claims = Vec::new();
    for (name, shape) in &uses.claims {
        let value = claim(facts, name, shape)?;
        claims.extend(value.map(|value| (name.clone(), value)));
    }
    for (name, members) in [("headers", headers), ("claims", claims)] {
        pairs.push((name.to_owned(), Value::Record(members).expression()?));
    }
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// The same as one sentence each, like `context.hour is 22`.
pub(crate) fn told(uses: &Uses, facts: &Facts<'_>, zone: &TimeZone) -> Vec<String> {
    let says = |what: String, value: Result<Option<Value>, String>| match value {
        Ok(Some(value)) => format!("{what} is {value}"),
        Ok(None) => format!("{what} is absent"),
        // Why it is none is told already.
        Err(_) => format!("{what} is not as it is taken"),
    };
    let attributes = uses.attributes.iter().map(|name| {
        let value = attribute(name, facts, zone);
        says(format!("context.{name}"), Ok(value))
    });
    let headers = uses.headers.iter().map(|name| {
        let value = header(facts.circumstances.headers, name);
        says(format!("context.headers[{:?}]", name.as_str()), value)
    });
    let claims = uses.claims.iter().map(|(name, shape)| match shape {
        Shape::Any if matches!(claim(facts, name, shape), Ok(Some(_))) => {
            format!("context.claims[{name:?}] is there")
        }
        shape => says(
            format!("context.claims[{name:?}]"),
            claim(facts, name, shape),
        ),
    });
    attributes.chain(headers).chain(claims).collect()
}

fn attribute(name: &str, facts: &Facts<'_>, zone: &TimeZone) -> Option<Value> {
    let time = facts.circumstances.time;
    let number = |number: i8| Value::Number(number.into());
    Some(match name {
        "address" => Value::Address(facts.circumstances.address?.to_canonical()),
        "credential" => Value::Text(
            facts
                .credential
                .map_or("", CredentialKind::as_str)
                .to_owned(),
        ),
        "host" => Value::Text(facts.target.host().to_owned()),
        "hour" => number(zone.to_datetime(time).hour()),
        "method" => Value::Text(facts.target.method().as_str().to_owned()),
        "minute" => number(zone.to_datetime(time).minute()),
        "path" => Value::Text(facts.target.path().to_owned()),
        "principal" => Value::Text(facts.principal?.to_string()),
        "time" => Value::Time(time),
        "weekday" => number(zone.to_datetime(time).weekday().to_monday_one_offset()),
        _ => return None,
    })
}

/// Several of one name are one (RFC 9110, section 5.3). What is no text is there all the same.
fn header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Value>, String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if values.is_empty() {
        return Ok(None);
    }
    let value = values.join(&b", "[..]);
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!(
            "header {name} has more than {VALUE_BYTES_MAX} bytes"
        ));
    }
    Ok(Some(Value::Text(
        String::from_utf8_lossy(&value).into_owned(),
    )))
}

fn claim(facts: &Facts<'_>, name: &str, shape: &Shape) -> Result<Option<Value>, String> {
    let claim = facts.claims.and_then(|claims| claims.get(name));
    Value::of_claim(claim, shape).map_err(|why| format!("claim {name:?} {why}"))
}
