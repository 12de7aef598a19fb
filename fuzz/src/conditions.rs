//! Conditions of roles.

use http::{HeaderMap, Method, Uri};
use tollgate_conditions::{Cedar, is_credential};
use tollgate_gate::{Circumstances, ConditionLanguage, Facts, Target};
use tollgate_store::Condition;

/// A condition that is accepted sees no credential, and any request either meets it or not.
///
/// # Panics
///
/// Where that does not hold.
pub fn conditions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(text) = Condition::parse(text) else {
        return;
    };
    let Ok(condition) = Cedar.read(&text, None) else {
        return;
    };
    assert!(!condition.headers().iter().any(is_credential), "{text}");
    let uri = Uri::from_static("/v1/orders");
    let target = Target::parse(&Method::GET, Some("a.test"), &uri).expect("a target");
    let facts = Facts {
        circumstances: &Circumstances {
            address: None,
            time: jiff::Timestamp::UNIX_EPOCH,
            headers: &HeaderMap::new(),
        },
        target: &target,
        principal: None,
        credential: None,
        claims: None,
    };
    let _ = (condition.is_met(&facts), condition.told(&facts));
}
