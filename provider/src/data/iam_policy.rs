//! `tollgate_iam_policy`: what each of the three parties needs in AWS, and no more.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tollgate_store::{KeyId, MaterialPlace, MaterialReference, Name, Namespace};

use crate::diagnostic::{Diagnostic, Path};
use crate::resource::Fields;
use crate::schema::{Attribute, Schema};
use crate::source::{Answer, Source, question};
use crate::store::Store;
use crate::value::{Type, Value};

/// The version of the language that policies are written in.
const LANGUAGE: &str = "2012-10-17";
/// The most characters of a part of an ARN.
const ARN_PART_CHARS_MAX: usize = 64;
/// The most characters of an ARN.
const ARN_CHARS_MAX: usize = 2_048;

/// The most secrets of certificates.
const CERTIFICATES_MAX: usize = 64;
/// The most secrets that upstreams need.
const UPSTREAM_SECRETS_MAX: usize = 256;
/// Attributes that name secrets which only proxies read.
const FOREIGN: [&str; 2] = ["certificates", "upstream_secrets"];

/// The policies.
#[derive(Debug)]
pub(super) struct IamPolicy;

#[async_trait]
impl Source for IamPolicy {
    fn name(&self) -> &'static str {
        "iam_policy"
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "The least that each party needs in AWS, as the JSON of an IAM policy: Terraform, which \
                          administers the namespace of the provider's configuration; proxies, which enforce it and can \
                          read no token; and one client, which reads its own token. Nothing is asked of AWS.",
            attributes: attributes(),
        }
    }

    fn check(&self, config: &Value) -> Vec<Diagnostic> {
        let is_client = match config.attribute("role") {
            Value::Unknown => return Vec::new(),
            role => role.as_str() == Some(Role::Client.as_str()),
        };
        let (key, key_set) = (config.attribute("key"), config.attribute("key_set"));
        let mut problems = Vec::new();
        for (name, value) in [("key", key), ("key_set", key_set)] {
            if !is_client && !value.is_null() {
                let message = "Only the policy of a client is about a key: remove it, or make the role \"client\"";
                problems.push(Diagnostic::invalid(Path::attribute(name), message));
            }
        }
        let is_proxy = config.attribute("role").as_str() == Some(Role::Enforce.as_str());
        for name in FOREIGN {
            if !is_proxy && !config.attribute(name).is_null() {
                let message = "Only proxies read certificates and secrets of upstreams: remove it, or make the role \
                               \"enforce\"";
                problems.push(Diagnostic::invalid(Path::attribute(name), message));
            }
        }
        if is_client && key.is_null() && key_set.is_null() {
            let message = "A client reads the token of one key, or hands out those of a key set: give its name in key \
                           or in key_set";
            problems.push(Diagnostic::invalid(Path::attribute("key"), message));
        }
        let is_given = |value: &Value| !matches!(value, Value::Null | Value::Unknown);
        if is_client && is_given(key) && is_given(key_set) {
            let message = "The tokens of a key set are kept many in a secret, so that no policy gives away one of them \
                           alone: remove key to get the policy that reads all of the set's, or use a tollgate_key";
            problems.push(Diagnostic::invalid(Path::attribute("key"), message));
        }
        problems
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let question: Question = question(config)?;
        let policy = policy(&store.namespace, &question);
        Ok(Fields::from_iter([("json".to_owned(), policy.to_string().into())]).into())
    }
}

fn attributes() -> Vec<Attribute> {
    let text = |name| Attribute::optional(name, Type::String);
    vec![
        Attribute::required("role", Type::String)
            .check(Role::parse)
            .describe(
                "Whose policy: `administer` for Terraform, `enforce` for proxies, `client` for who reads a token.",
            ),
        text("key").check(Name::parse).describe(
            "The name of the key whose token the client reads. Only with the role `client`.",
        ),
        text("key_set").check(Name::parse).describe(
            "The name of the key set whose tokens are read: all of them, as whoever hands them out needs it, since many \
             share a secret. Only with the role `client`, and in place of `key`.",
        ),
        text("partition")
            .check(check_arn_part)
            .default("aws")
            .describe("The partition of AWS, like `aws-cn`."),
        text("region")
            .check(check_arn_part)
            .default("*")
            .describe("The region of the secrets."),
        text("account_id")
            .check(check_arn_part)
            .default("*")
            .describe("The account of the secrets."),
        text("kms_key_arn").check(check_kms_key).describe(
            "The ARN of the KMS key that encrypts the secrets, where it is one of your own.",
        ),
        Attribute::optional("certificates", Type::set_of_strings())
            .check(check_certificate)
            .at_most(CERTIFICATES_MAX)
            .describe(
                "The ARNs of the secrets that `listen[].tls` of a `tollgate_proxy` names, 1 to 64. Only with the role \
                 `enforce`. A KMS key of their own is not in the policy.",
            ),
        Attribute::optional("upstream_secrets", Type::set_of_strings())
            .check(check_certificate)
            .at_most(UPSTREAM_SECRETS_MAX)
            .describe(
                "The ARNs of the secrets that `tls`, `identity.jwt` and `credential` of a `tollgate_upstream`, and `ca` and \
                 `introspection` of a `tollgate_issuer`, name, 1 \
                 to 256. Only with the role `enforce`. A KMS key of their own is not in the policy.",
            ),
        Attribute::optional("replicates", Type::Bool)
            .default(false)
            .describe("Whether `administer` may also replicate secrets to other regions."),
        Attribute::computed("json", Type::String)
            .describe("The policy, for `aws_iam_policy` or `aws_iam_role_policy`."),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Administer,
    Enforce,
    Client,
}

impl Role {
    const ALL: [Self; 3] = [Self::Administer, Self::Enforce, Self::Client];

    fn as_str(self) -> &'static str {
        match self {
            Self::Administer => "administer",
            Self::Enforce => "enforce",
            Self::Client => "client",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| {
            format!("{text:?} is not a role: it must be \"administer\", \"enforce\" or \"client\"")
        })
    }
}

#[derive(Debug, Deserialize)]
struct Question {
    role: Role,
    key: Option<Name>,
    key_set: Option<Name>,
    partition: String,
    region: String,
    account_id: String,
    kms_key_arn: Option<String>,
    replicates: bool,
    certificates: Option<BTreeSet<String>>,
    upstream_secrets: Option<BTreeSet<String>>,
}

impl Question {
    /// The ARN of the secrets that `pattern` fits, below the namespace's own prefix. Secrets Manager appends a hyphen
    /// and six characters to every name.
    fn secrets(&self, namespace: &Namespace, pattern: &str) -> String {
        let Self {
            partition,
            region,
            account_id,
            ..
        } = self;
        format!(
            "arn:{partition}:secretsmanager:{region}:{account_id}:secret:tollgate/{namespace}/{pattern}"
        )
    }
}

fn policy(namespace: &Namespace, question: &Question) -> Json {
    let secrets = |pattern: &str| question.secrets(namespace, pattern);
    let mut statements = match question.role {
        Role::Administer => {
            let mut actions = ADMINISTER.to_vec();
            if question.replicates {
                actions.extend(REPLICATE);
            }
            vec![
                allow("Administer", &actions, &[secrets("*")]),
                // Neither can be limited to some secrets. The first reads only what GetSecretValue allows.
                allow(
                    "Find",
                    &["BatchGetSecretValue", "ListSecrets"],
                    &[EVERYTHING.to_owned()],
                ),
            ]
        }
        Role::Enforce => enforce(question, &[secrets("index-??????"), secrets("shard-*")]),
        Role::Client => {
            let own = question
                .key
                .as_ref()
                .map(|key| format!("token/{}-??????", KeyId::derive(namespace, key)));
            let pages = question.key_set.as_ref().map(|set| {
                // A set's name may hold what a secret's may not.
                format!("tokens/{}/*", KeyId::derive(namespace, set))
            });
            let read: Vec<_> = own
                .or(pages)
                .iter()
                .map(|pattern| secrets(pattern))
                .collect();
            vec![allow("ReadToken", &["GetSecretValue"], &read)]
        }
    };
    statements.extend(
        question
            .kms_key_arn
            .as_deref()
            .map(|key| decrypt(question.role, key)),
    );
    let mut policy = json!({ "Version": LANGUAGE, "Statement": statements });
    // A policy that is written in another order is another text, and a change in every plan.
    policy.sort_all_objects();
    policy
}

fn enforce(question: &Question, documents: &[String]) -> Vec<Json> {
    let mut statements = vec![
        allow("Enforce", &["DescribeSecret", "GetSecretValue"], documents),
        allow(
            "ReadTogether",
            &["BatchGetSecretValue"],
            &[EVERYTHING.to_owned()],
        ),
    ];
    for (id, secrets) in [
        ("ReadCertificates", &question.certificates),
        ("ReadUpstreamSecrets", &question.upstream_secrets),
    ] {
        if let Some(secrets) = secrets {
            let secrets: Vec<_> = secrets.iter().cloned().collect();
            statements.push(allow(id, &["GetSecretValue"], &secrets));
        }
    }
    statements
}

const EVERYTHING: &str = "*";
const ADMINISTER: [&str; 7] = [
    "CreateSecret",
    "DeleteSecret",
    "DescribeSecret",
    "GetSecretValue",
    "PutSecretValue",
    "TagResource",
    "UntagResource",
];
const REPLICATE: [&str; 2] = ["RemoveRegionsFromReplication", "ReplicateSecretToRegions"];

fn allow(id: &str, actions: &[&str], resources: &[String]) -> Json {
    let actions: Vec<_> = actions
        .iter()
        .map(|action| format!("secretsmanager:{action}"))
        .collect();
    json!({ "Sid": id, "Effect": "Allow", "Action": actions, "Resource": resources })
}

fn decrypt(role: Role, key: &str) -> Json {
    let actions: &[&str] = match role {
        Role::Administer => &["kms:Decrypt", "kms:GenerateDataKey"],
        Role::Enforce | Role::Client => &["kms:Decrypt"],
    };
    json!({ "Sid": "Decrypt", "Effect": "Allow", "Action": actions, "Resource": [key] })
}

/// One that held a colon would be another ARN.
fn check_arn_part(text: &str) -> Result<(), String> {
    let holds = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_word = !text.is_empty() && text.len() <= ARN_PART_CHARS_MAX && text.chars().all(holds);
    if is_word || text == EVERYTHING {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not a part of an ARN: write letters, digits and hyphens, like \"eu-west-1\", or \"*\" for all"
    ))
}

/// One of Tollgate's own secrets may be a token, which no proxy reads.
fn check_certificate(text: &str) -> Result<(), String> {
    let is_secret = MaterialReference::parse(text)
        .is_ok_and(|reference| matches!(reference.place(), MaterialPlace::Secret { .. }));
    if !is_secret {
        return Err(format!(
            "{text:?} is not the ARN of a secret: write it whole, like \
             \"arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf\""
        ));
    }
    if text.contains(":secret:tollgate/") {
        return Err(format!(
            "{text:?} is one of Tollgate's own secrets: certificates and the like are in secrets of yours"
        ));
    }
    Ok(())
}

fn check_kms_key(text: &str) -> Result<(), String> {
    let is_key = |text: &str| {
        let mut parts = text.splitn(6, ':');
        parts.next() == Some("arn")
            && parts.nth(1) == Some("kms")
            && parts
                .nth(2)
                .is_some_and(|resource| resource.starts_with("key/"))
    };
    if text.len() <= ARN_CHARS_MAX && is_key(text) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not the ARN of a KMS key: write it whole, like \"arn:aws:kms:eu-west-1:123456789012:key/…\" (IAM \
         takes no alias)"
    ))
}
