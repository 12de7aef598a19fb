//! Wrong configurations, and the exact words that their authors get.

mod cases;

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_proto::tfplugin6::validate_provider_config;
use tollgate_provider::value::{Type, from_json};
use tonic::Request;

use crate::terraform::{Terraform, wire};
use crate::words::texts;

/// In an order of its own, whichever it is written in.
fn sorted(json: &Json) -> Json {
    let mut json = json.clone();
    json.sort_all_objects();
    json
}

/// A long value is told by its beginning.
fn shortened(json: &Json) -> String {
    let text = sorted(json).to_string();
    match text.char_indices().nth(90) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[tokio::test]
async fn every_mistake_is_explained_where_it_stands() {
    let terraform = Terraform::new().await;
    let mut told = String::new();
    for (sample, mistakes) in cases::all() {
        for (attribute, value) in mistakes {
            let config = terraform.config(sample.resource, &sample.with(attribute, value.clone()));

            let problems = terraform.validate(sample.resource, &config).await;

            let heading = format!("{} {attribute} = {}", sample.resource, shortened(&value));
            assert!(!problems.is_empty(), "{heading}");
            writeln!(told, "{heading}").unwrap();
            for text in texts(&problems) {
                writeln!(told, "    {}", text.replace('\n', "\n    ")).unwrap();
            }
        }
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_mistake_is_told_although_everything_else_is_still_unknown() {
    let terraform = Terraform::new().await;
    for (sample, mistakes) in cases::all() {
        for (attribute, value) in mistakes {
            let sample_of_attribute = sample.with(attribute, value.clone());
            let mut config = terraform.config(sample.resource, &sample_of_attribute);
            let known = terraform.validate(sample.resource, &config).await;
            // What only the whole document can tell has to wait for the whole.
            let is_cross_check = matches!(
                (sample.kind, attribute, known[0].detail.as_str()),
                (_, _, detail) if detail.contains("earlier limit")
                    || detail.contains("later than not_before")
                    || detail.contains("already listened on")
                    || detail.contains("tries that are given up")
                    || detail.contains("above limit_max")
                    || detail.contains("named twice")
                    || detail.contains("can't send to a Unix socket")
                    || detail.contains("for Unix sockets")
                    || detail.contains("for client certificates")
                    || detail.contains("give a subject of its own")
                    || detail.contains("set anonymous, or leave")
                    || detail.contains("has no query")
                    || detail.contains("either there or here")
                    || detail.contains("is too long")
                    || detail.contains("needs a principal")
                    || detail.contains("must be shorter than every")
                    || detail.contains("come from principal")
                    || detail.contains("key set's name has at most")
                    || detail.contains("hours go by")
                    || detail.contains("token_wo_version too")
                    || detail.contains("give token_wo too")
                    || detail.contains("one of Tollgate's own")
                    || is_of_several_quota_fields(detail)
                    || detail.contains("name a header, or leave it out")
                    || detail.contains("a header says one thing")
                    || detail.contains("where a credential stands: take another")
                    || detail.contains("nobody on the way can take what it is shown")
                    || detail.contains("it must be 10s to 5m")
                    || detail.contains("exactly one of header")
                    || detail.contains("hold a colon")
                    || detail.contains("shows a credential of its own")
                    || detail.contains("has no query here")
                    || detail.contains("is none of the targets")
                    || detail.contains("not signed need TLS")
                    || detail.contains("not signed are not held")
                    || detail.contains("of the resource is there")
                    || detail.contains("is there twice")
            );
            for other in terraform.attributes(sample.resource) {
                let is_given = other.required || other.optional;
                if is_given && other.name != attribute {
                    config = crate::terraform::with(
                        &config,
                        &other.name,
                        tollgate_provider::value::Value::Unknown,
                    );
                }
            }

            let problems = terraform.validate(sample.resource, &config).await;

            let expected = if is_cross_check { vec![] } else { known };
            assert_eq!(problems, expected, "{} {attribute}", sample.resource);
        }
    }
}

/// What a quota's or a fleet's fields say only together.
fn is_of_several_quota_fields(detail: &str) -> bool {
    [
        "give requests and per",
        "give the time that the requests",
        "is a limit of its own",
        "no meaning beside concurrent",
        "is concurrent, too",
        "of the calendar has a fixed beginning",
        "which a smooth window needs",
        "needs window = \"smooth\"",
        "No limit is per",
        "Give size, dns or both",
        "needs across = \"fleet\"",
        "which can't fail",
        "a username goes with a password",
        "must not be sent in the clear",
        "no certificate in the clear",
    ]
    .iter()
    .any(|words| detail.contains(words))
}

#[tokio::test]
async fn a_wrong_provider_configuration_is_explained_too() {
    let terraform = Terraform::new().await;
    let kind = Type::parse(
        br#"["object",{"namespace":"string","directory":"string","secrets_manager":["object",{"region":"string",
        "profile":"string","endpoint_url":"string","assume_role_arn":"string","kms_key_id":"string",
        "tags":["map","string"],"shards":"number","replica_regions":["set","string"]}]}]"#,
    )
    .unwrap();
    let mut told = String::new();
    for json in [
        json!({"namespace": "Prod"}),
        json!({"namespace": ""}),
        json!({"namespace": "prod", "directory": ""}),
        json!({"namespace": "prod", "directory": "~/store"}),
        json!({"namespace": "prod", "directory": "./here", "secrets_manager": {}}),
        json!({"secrets_manager": {"region": "", "endpoint_url": "localhost:4566"}}),
        json!({"secrets_manager": {"shards": 0}}),
        json!({"secrets_manager": {"shards": 41}}),
        json!({"secrets_manager": {"replica_regions": []}}),
        json!({"secrets_manager": {"replica_regions": [""]}}),
        json!({"secrets_manager": {"tags": {}}}),
    ] {
        let request = validate_provider_config::Request {
            config: Some(wire(&from_json(&json, &kind).unwrap())),
        };
        let response = terraform
            .provider
            .validate_provider_config(Request::new(request))
            .await;
        let problems = response.unwrap().into_inner().diagnostics;
        assert!(!problems.is_empty(), "{json}");
        writeln!(told, "{}", sorted(&json)).unwrap();
        for text in texts(&problems) {
            writeln!(told, "    {}", text.replace('\n', "\n    ")).unwrap();
        }
    }
    insta::assert_snapshot!(told);
}
