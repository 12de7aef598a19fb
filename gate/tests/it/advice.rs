//! What is allowed and yet hardly meant.

use serde_json::{Value, json};
use tollgate_gate::advise;

use crate::documents::*;

/// What is said of a quota where the proxy says that of itself.
fn said(quota: Value, proxy: Value) -> Vec<String> {
    let mut edge = json!({"listen": [{"address": "127.0.0.1:80"}]});
    edge.as_object_mut()
        .unwrap()
        .extend(proxy.as_object().unwrap().clone());
    let entries = vec![
        entry("proxy", "edge", edge),
        entry(
            "proxy",
            "other",
            json!({"listen": [], "fleet": {"size": 900}}),
        ),
        principal("acme", json!({})),
        principal("broken", json!({"quotas": 1})),
        entry("quota", "free", quota),
    ];
    let advice = advise(&entries, &name("edge")).into_iter();
    advice
        .map(|advice| format!("{} {}", advice.id, advice.says))
        .collect()
}

#[test]
fn an_exception_for_a_principal_that_does_not_exist_is_told() {
    let limits = json!([{"requests": 10, "per": "1m"}]);
    let overrides = json!({
        "acme": {"limits": limits}, "broken": {"limits": limits}, "acmee": {"limits": limits},
    });
    let quota = json!({"limits": limits, "overrides": overrides});

    assert_eq!(
        said(quota, json!({})),
        ["quota \"free\" has an override for principal \"acmee\", which does not exist"]
    );
}

#[test]
fn a_limit_that_leaves_no_whole_request_to_each_process_is_told() {
    let quota = |more: Value| {
        let mut quota = json!({"limits": [
            {"requests": 4, "per": "1m"}, {"requests": 5, "per": "1h"}, {"concurrent": 2},
        ]});
        quota
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        quota
    };
    let fleet = json!({"fleet": {"size": 5}});
    let under_way = "quota \"free\" allows 2 requests under way, fewer than the fleet's 5 processes: each of them \
                     admits 1, together more than that";
    let in_a_minute = "quota \"free\" allows 4 requests per 1m, fewer than the fleet's 5 processes: each of them \
                       admits 1, together more than that";

    assert_eq!(
        said(quota(json!({})), fleet.clone()),
        [under_way, in_a_minute]
    );
    assert_eq!(said(quota(json!({})), json!({})), [""; 0]);
    assert_eq!(said(quota(json!({"across": "process"})), fleet), [""; 0]);
    // What is counted together is exact however little it is, but requests under way are shared.
    let together = json!({"fleet": {"size": 5}, "counters": {"url": "redis://127.0.0.1"}});
    assert_eq!(said(quota(json!({})), together), [under_way]);
}
