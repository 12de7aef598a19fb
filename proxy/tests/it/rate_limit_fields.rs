//! What clients are told of their quotas, read by somebody else's parser of structured fields (RFC 9651).

use serde_json::json;
use sfv::{BareItem, List, ListEntry, Parser};
use tollgate_store::document::Kind;

use crate::corpora::corpora;
use crate::support::{Client, Stage, token, until};

/// A name, and numbers by their letters.
type Member = (String, Vec<(String, i64)>);

/// The members of a field: a name each, and numbers by their letters. What is none of it is said.
fn members(text: &str, letters: &[&str]) -> Result<Vec<Member>, String> {
    let list = Parser::new(text).parse::<List>();
    let list = list.map_err(|error| error.to_string())?;
    let member = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else {
            return Err(format!("{entry:?} is no item"));
        };
        let BareItem::String(name) = &item.bare_item else {
            return Err(format!("{:?} is no string", item.bare_item));
        };
        let mut numbers = Vec::new();
        for (key, value) in &item.params {
            match value {
                BareItem::Integer(number) if letters.contains(&key.as_str()) => {
                    numbers.push((key.to_string(), i64::from(*number)));
                }
                BareItem::String(_) if key.as_str() == "qu" => {}
                BareItem::ByteSequence(_) if key.as_str() == "pk" => {}
                _ => return Err(format!("{key:?}: {value:?}")),
            }
        }
        Ok((name.to_string(), numbers))
    };
    list.iter().map(member).collect()
}

fn joined(headers: &http::HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    values.join(", ")
}

#[tokio::test]
async fn every_kind_of_limit_is_told_in_structured_fields() {
    let stage = Stage::new().await;
    let limits = json!([
        {"requests": 3, "per": "1h"},
        {"requests": 5, "per": "1m", "window": "smooth", "burst": 5},
        {"requests": 70, "per": "day"},
        {"requests": 700, "per": "month"},
        {"concurrent": 9},
    ]);
    stage
        .store
        .put(Kind::Quota, "free", json!({"limits": limits}))
        .await;
    let counted = token("counted");
    let key = json!({"quotas": ["free"]});
    stage.store.put_key("counted", &counted, key).await;
    let client = Client::new(&stage.proxy).bearing(&counted);
    until("the key is known", async || {
        client.get("/v2").await.status == 403
    })
    .await;

    for status in [200, 200, 200, 429] {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, status);
        let policies = members(&joined(&reply.headers, "ratelimit-policy"), &["q", "w"]).unwrap();
        let standing = members(&joined(&reply.headers, "ratelimit"), &["r", "t"]).unwrap();
        assert_eq!(policies.len(), if status == 200 { 5 } else { 1 });
        let [(name, numbers)] = &standing[..] else {
            panic!("one standing, not {standing:?}");
        };
        assert!(
            policies.iter().any(|(policy, _)| policy == name),
            "{name} is one of {policies:?}"
        );
        let keys: Vec<_> = numbers.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["r", "t"], "{numbers:?}");
        assert!(policies.iter().all(|(_, numbers)| numbers[0].0 == "q"));
    }
}

#[test]
fn the_drafts_own_examples_are_read_by_the_same_reader() {
    let name = "the_drafts_own_examples_are_read_by_the_same_reader";
    let Some(folder) = corpora(name) else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("ratelimit-headers/examples.txt")).unwrap();
    let mut read = 0;
    for line in text.lines() {
        let (field, value) = line.split_once(": ").unwrap();
        let letters: &[&str] = match field {
            "RateLimit" => &["r", "t"],
            _ => &["q", "w"],
        };
        match members(value, letters) {
            Ok(members) => {
                assert!(!members.is_empty(), "{line}");
                read += 1;
            }
            // Those of the appendix that are of older drafts, or of other parties.
            Err(_) => assert!(
                ["quota;", "burst=", ";q=12;r="]
                    .iter()
                    .any(|odd| value.contains(odd)),
                "{line}"
            ),
        }
    }
    assert!(read > 30, "{read}");
}
