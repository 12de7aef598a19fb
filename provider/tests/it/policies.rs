//! The IAM policies: whose role reads which secret.

use serde_json::{Value as Json, json};
use tollgate_store::{KeyId, Name};

use crate::terraform::{Terraform, namespace};
use crate::words::texts;

const POLICY: &str = "tollgate_iam_policy";
const EDGE: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";

async fn policy(config: Json) -> Json {
    let terraform = Terraform::new().await;
    let answer = terraform.ask(POLICY, &config).await.answer();
    serde_json::from_str(answer.attribute("json").as_str().unwrap()).unwrap()
}

async fn problems(config: Json) -> Vec<String> {
    let terraform = Terraform::new().await;
    texts(&terraform.ask(POLICY, &config).await.diagnostics)
}

/// Whether a policy allows an action on a resource, by IAM's rules for its wildcards.
fn allows(policy: &Json, action: &str, resource: &str) -> bool {
    let fits = |patterns: &Json, text: &str| {
        let patterns = patterns.as_array().unwrap().iter();
        patterns
            .map(|pattern| pattern.as_str().unwrap())
            .any(|pattern| is_like(pattern.as_bytes(), text.as_bytes()))
    };
    policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .any(|statement| {
            assert_eq!(statement["Effect"], "Allow");
            fits(&statement["Action"], action) && fits(&statement["Resource"], resource)
        })
}

/// `*` is any text, `?` any one character.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|start| is_like(rest, &text[start..])),
        ([b'?', rest @ ..], [_, text @ ..]) => is_like(rest, text),
        ([one, rest @ ..], [other, text @ ..]) => one == other && is_like(rest, text),
        _ => false,
    }
}

/// The ARN of one of the namespace's secrets, as Secrets Manager would make it.
fn secret(name: &str) -> String {
    format!("{EDGE}tollgate/prod/{name}-AbC12x")
}

fn token(key: &str) -> String {
    let id = KeyId::derive(&namespace(), &Name::parse(key).unwrap());
    secret(&format!("token/{id}"))
}

/// A page of the tokens of a key set.
fn page(set: &str) -> String {
    let id = KeyId::derive(&namespace(), &Name::parse(set).unwrap());
    secret(&format!("tokens/{id}/3/12"))
}

#[test]
fn wildcards_are_matched_as_iam_does() {
    assert!(is_like(b"a*c?", b"abbcd") && is_like(b"*", b"") && is_like(b"a*", b"a"));
    assert!(!is_like(b"a?", b"a") && !is_like(b"a*c", b"abd"));
}

#[tokio::test]
async fn a_proxys_role_reads_the_documents_and_can_not_read_a_token() {
    for kms in [Json::Null, json!("arn:aws:kms:eu-west-1:1:key/k")] {
        let policy = policy(json!({"role": "enforce", "kms_key_arn": kms})).await;

        let reads = |secret: &str| allows(&policy, "secretsmanager:GetSecretValue", secret);
        for served in ["index", "shard-00", "shard-15", "shard-03-2"] {
            assert!(reads(&secret(served)), "{served}");
            let describe = "secretsmanager:DescribeSecret";
            assert!(allows(&policy, describe, &secret(served)), "{served}");
        }
        for kept in [
            token("acme-ci"),
            token("index"),
            page("partners"),
            page("shard-1"),
        ] {
            assert!(!reads(&kept), "{kept}");
            assert!(!allows(&policy, "secretsmanager:DescribeSecret", &kept));
        }
        assert!(allows(&policy, "secretsmanager:BatchGetSecretValue", "*"));
        for action in [
            "PutSecretValue",
            "DeleteSecret",
            "TagResource",
            "ListSecrets",
        ] {
            let action = format!("secretsmanager:{action}");
            assert!(!allows(&policy, &action, &secret("index")), "{action}");
        }
    }
}

#[tokio::test]
async fn a_proxys_role_reads_the_certificates_that_are_named_and_no_other() {
    let [named, other] = ["edge", "other"].map(|name| format!("{EDGE}{name}-AbC12x"));
    let shown = format!("{EDGE}login-AbC12x");
    let policy =
        policy(json!({"role": "enforce", "certificates": [named], "upstream_secrets": [shown]}))
            .await;

    let reads = |secret: &str| allows(&policy, "secretsmanager:GetSecretValue", secret);
    assert!(reads(&named) && reads(&shown) && !reads(&other));
    assert!(reads(&secret("index")) && !reads(&token("acme")));

    for (role, certificate, expected) in [
        (
            "enforce",
            "arn:aws:secretsmanager:*:123456789012:secret:*",
            "is not the ARN of a secret",
        ),
        (
            "enforce",
            "file:/etc/edge.pem",
            "is not the ARN of a secret",
        ),
        (
            "enforce",
            token("acme").as_str(),
            "one of Tollgate's own secrets",
        ),
        (
            "administer",
            named.as_str(),
            "Only proxies read certificates",
        ),
    ] {
        let told = problems(json!({"role": role, "certificates": [certificate]})).await;
        assert!(told.iter().any(|text| text.contains(expected)), "{told:?}");
    }
}

#[tokio::test]
async fn no_role_reaches_another_namespace_or_account() {
    for role in [
        json!({"role": "administer"}),
        json!({"role": "enforce"}),
        json!({"role": "client", "key": "acme-ci"}),
        json!({"role": "client", "key_set": "partners"}),
    ] {
        let mut config = role;
        config["region"] = json!("eu-west-1");
        config["account_id"] = json!("123456789012");
        let policy = policy(config).await;

        let reads = |arn: &str| allows(&policy, "secretsmanager:GetSecretValue", arn);
        for secret in [
            "index",
            "shard-00",
            "token/abcdefghij12",
            "tokens/abcdefghij12/1/0",
        ] {
            for namespace in ["prod-eu", "pro", "test"] {
                assert!(!reads(&format!(
                    "{EDGE}tollgate/{namespace}/{secret}-AbC12x"
                )));
            }
            for part in [":eu-west-2:123456789012:", ":eu-west-1:210987654321:"] {
                let arn =
                    format!("arn:aws:secretsmanager{part}secret:tollgate/prod/{secret}-AbC12x");
                assert!(!reads(&arn), "{arn}");
            }
        }
    }
}

#[tokio::test]
async fn terraforms_role_does_what_the_provider_does() {
    let policy = policy(json!({"role": "administer"})).await;

    for action in [
        "CreateSecret",
        "DescribeSecret",
        "GetSecretValue",
        "PutSecretValue",
        "TagResource",
        "UntagResource",
        "DeleteSecret",
    ] {
        let action = format!("secretsmanager:{action}");
        for arn in [
            secret("index"),
            secret("shard-00"),
            token("acme-ci"),
            page("partners"),
        ] {
            assert!(allows(&policy, &action, &arn), "{action} {arn}");
        }
    }
    assert!(allows(&policy, "secretsmanager:ListSecrets", "*"));
    assert!(allows(&policy, "secretsmanager:BatchGetSecretValue", "*"));
    let replicate = "secretsmanager:ReplicateSecretToRegions";
    assert!(!allows(&policy, replicate, &secret("index")));
}

#[tokio::test]
async fn terraforms_role_replicates_where_that_is_asked_for() {
    let policy = policy(json!({"role": "administer", "replicates": true})).await;

    for action in ["ReplicateSecretToRegions", "RemoveRegionsFromReplication"] {
        let action = format!("secretsmanager:{action}");
        assert!(allows(&policy, &action, &secret("shard-00")), "{action}");
    }
}

#[tokio::test]
async fn a_clients_role_reads_its_own_token_and_nothing_else() {
    let policy = policy(json!({"role": "client", "key": "acme-ci"})).await;

    let reads = |arn: &str| allows(&policy, "secretsmanager:GetSecretValue", arn);
    assert!(reads(&token("acme-ci")));
    for other in [
        token("acme"),
        secret("index"),
        secret("shard-00"),
        page("acme-ci"),
    ] {
        assert!(!reads(&other), "{other}");
    }
    assert!(!allows(&policy, "secretsmanager:BatchGetSecretValue", "*"));
}

#[tokio::test]
async fn the_role_of_who_hands_out_a_key_sets_tokens_reads_its_pages_and_nothing_else() {
    let policy = policy(json!({"role": "client", "key_set": "partners"})).await;

    let reads = |arn: &str| allows(&policy, "secretsmanager:GetSecretValue", arn);
    assert!(reads(&page("partners")));
    for other in [page("partner"), token("partners"), secret("index")] {
        assert!(!reads(&other), "{other}");
    }
}

#[tokio::test]
async fn a_key_of_ones_own_is_decrypted_with() {
    let key = "arn:aws:kms:eu-west-1:123456789012:key/k";
    for (role, generates) in [("administer", true), ("enforce", false)] {
        let policy = policy(json!({"role": role, "kms_key_arn": key})).await;

        assert!(allows(&policy, "kms:Decrypt", key));
        assert!(!allows(
            &policy,
            "kms:Decrypt",
            "arn:aws:kms:eu-west-1:123456789012:key/x"
        ));
        assert_eq!(allows(&policy, "kms:GenerateDataKey", key), generates);
    }
}

#[tokio::test]
async fn the_policy_is_the_same_text_every_time() {
    let terraform = Terraform::new().await;
    let config = json!({
        "role": "client", "key": "acme-ci", "partition": "aws-cn", "region": "cn-north-1", "account_id": "123456789012",
    });

    let answer = terraform.ask(POLICY, &config).await.answer();

    let id = KeyId::derive(&namespace(), &Name::parse("acme-ci").unwrap());
    assert_eq!(
        answer.attribute("json").as_str().unwrap(),
        format!(
            r#"{{"Statement":[{{"Action":["secretsmanager:GetSecretValue"],"Effect":"Allow","Resource":["arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:tollgate/prod/token/{id}-??????"],"Sid":"ReadToken"}}],"Version":"2012-10-17"}}"#
        )
    );
}

#[tokio::test]
async fn what_does_not_fit_together_is_told_at_its_place() {
    for (config, expected) in [
        (
            json!({"role": "client"}),
            "error @.key\nInvalid key\nA client reads the token of one key, or hands out those of a key set: give its name \
             in key or in key_set.",
        ),
        (
            json!({"role": "client", "key": "a", "key_set": "b"}),
            "error @.key\nInvalid key\nThe tokens of a key set are kept many in a secret, so that no policy gives away one \
             of them alone: remove key to get the policy that reads all of the set's, or use a tollgate_key.",
        ),
        (
            json!({"role": "enforce", "key_set": "b"}),
            "error @.key_set\nInvalid key_set\nOnly the policy of a client is about a key: remove it, or make the role \
             \"client\".",
        ),
        (
            json!({"role": "admin"}),
            "error @.role\nInvalid role\n\"admin\" is not a role: it must be \"administer\", \"enforce\" or \"client\".",
        ),
        (
            json!({"role": "enforce", "region": "eu-west-1:1"}),
            "error @.region\nInvalid region\n\"eu-west-1:1\" is not a part of an ARN: write letters, digits and hyphens, \
             like \"eu-west-1\", or \"*\" for all.",
        ),
        (
            json!({"role": "enforce", "kms_key_arn": "arn:aws:kms:eu-west-1:1:alias/x"}),
            "error @.kms_key_arn\nInvalid kms_key_arn\n\"arn:aws:kms:eu-west-1:1:alias/x\" is not the ARN of a KMS key: \
             write it whole, like \"arn:aws:kms:eu-west-1:123456789012:key/…\" (IAM takes no alias).",
        ),
    ] {
        assert_eq!(problems(config).await, [expected]);
    }
}
