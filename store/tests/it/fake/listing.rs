//! The list of secrets, which is behind.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::secret::Secret;

const PAGE_MAX: u64 = 100;

/// One page of the secrets as they were some time ago.
pub(super) fn list(secrets: &[Secret], request: &Value, now: Duration, lag: Duration) -> Answer {
    let page = request["MaxResults"].as_u64().unwrap_or(PAGE_MAX);
    if page > PAGE_MAX {
        return Err(Refusal::invalid("MaxResults is at most 100"));
    }
    let start: usize = match request["NextToken"].as_str() {
        Some(token) => token.parse().map_err(|_| Refusal::invalid("NextToken"))?,
        None => 0,
    };
    let listed = |secret: &&Secret| {
        let removed = secret.removed.as_ref();
        secret.created + lag <= now
            && removed.is_none_or(|removed| removed.at + lag > now)
            && admits(request, &secret.name)
    };
    let all: Vec<Value> = secrets
        .iter()
        .filter(listed)
        .map(|secret| json!({"ARN": secret.arn, "Name": secret.name}))
        .collect();
    let end = all.len().min(start + usize::try_from(page).unwrap());
    let mut answer = json!({"SecretList": all[start.min(end)..end]});
    if end < all.len() {
        answer["NextToken"] = json!(end.to_string());
    }
    Ok(answer)
}

/// Filters by the beginning of the name; others are none that Tollgate uses.
fn admits(request: &Value, name: &str) -> bool {
    let filters = request["Filters"].as_array();
    filters.into_iter().flatten().all(|filter| {
        let values = filter["Values"].as_array();
        let mut values = values.into_iter().flatten().filter_map(Value::as_str);
        filter["Key"] == "name" && values.any(|value| name.starts_with(value))
    })
}
