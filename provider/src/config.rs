//! The provider's own configuration: which store, and which of its namespaces.

mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tollgate_store::Namespace;
use tollgate_store::backend::{Location, SecretsManager};

use crate::diagnostic::{Diagnostic, Path};
use crate::schema::{Attribute, Schema, Shape, check};
use crate::value::{Type, Value};
use words::{check_given, check_kms_key, check_region, check_role, check_tag, check_tag_value};

/// Names the namespace where the configuration does not.
const NAMESPACE_VARIABLE: &str = "TOLLGATE_NAMESPACE";
/// Names the store where the configuration does not.
const STORE_VARIABLE: &str = "TOLLGATE_STORE";
/// The most tags of a secret that are ours to give: AWS allows 50, and Tollgate needs some.
const TAGS_MAX: usize = 30;
/// The most secrets that a namespace's documents are spread over: each needs a tag of the index.
const SHARDS_MAX: u32 = 40;
/// The most regions that secrets are replicated to.
const REPLICA_REGIONS_MAX: usize = 10;

/// What the provider is to work with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// A namespace of a store.
    Known(Location, Namespace),
    /// Something that another resource makes first: nothing can be read or planned against it yet.
    Unknown,
}

/// The provider's attributes.
pub(crate) fn schema() -> Schema {
    Schema {
        description: "API access as code: keys, scopes, quotas, upstreams, routes and proxies, kept in AWS Secrets \
                      Manager or in a directory, and enforced by a fleet of proxies.",
        attributes: vec![
            Attribute::optional("namespace", Type::String)
                .check(Namespace::parse)
                .describe(
                    "What belongs together: one fleet of proxies serves one namespace. 1 to 32 lower-case letters, \
                     digits, `_` or `-`. Otherwise `TOLLGATE_NAMESPACE`.",
                ),
            Attribute::optional("secrets_manager", Shape::single(secrets_manager())).describe(
                "Keeps everything in AWS Secrets Manager. Either this or `directory`; otherwise `TOLLGATE_STORE`.",
            ),
            Attribute::optional("directory", Type::String)
                .check(check_directory)
                .describe(
                    "Keeps everything in a folder: for a laptop, a test, a volume on premises. A relative path begins \
                     where Terraform runs.",
                ),
        ],
    }
}

fn secrets_manager() -> [Attribute; 8] {
    let text = |name| Attribute::optional(name, Type::String).check(check_given);
    [
        text("region").check(check_region).describe("The region, like `eu-west-1`."),
        text("profile").describe("A profile of the shared AWS configuration files."),
        text("endpoint_url").check(check_url).describe(
            "Another address of Secrets Manager, like `http://localhost:4566`: a VPC endpoint, or an emulator.",
        ),
        text("assume_role_arn")
            .check(check_role)
            .describe("The ARN of a role to assume with the credentials found."),
        text("kms_key_id").check(check_kms_key).describe(
            "The KMS key that encrypts every secret made. AWS's own key for Secrets Manager where left out.",
        ),
        Attribute::optional("tags", Type::map_of_strings())
            .at_most(TAGS_MAX)
            .check_keys(check_tag)
            .check(check_tag_value)
            .describe("Tags of every secret made, at most 30. None begins with `aws:` or `tollgate-`."),
        Attribute::optional("shards", Type::Number)
            .bounds(1..=SHARDS_MAX)
            .describe(
                "How many secrets the documents are spread over, 1 to 40; together with `tags` at most 46. A namespace \
                 that fills up is spread anew by the first apply that writes to it. 16 for a new namespace where left \
                 out, and what stands for any other.",
            ),
        Attribute::optional("replica_regions", Type::set_of_strings())
            .check(check_region)
            .at_most(REPLICA_REGIONS_MAX)
            .describe(
                "Further regions that every secret made from now on is replicated to, at most 10, so that proxies there \
                 read the copy.",
            ),
    ]
}

/// What is wrong with a configuration, whatever the environment adds to it.
pub(crate) fn validate(config: &Value) -> Vec<Diagnostic> {
    let mut problems = check(&schema().attributes, config, &Path::default());
    let is_given = |name: &str| !matches!(config.attribute(name), Value::Null | Value::Unknown);
    if is_given("secrets_manager") && is_given("directory") {
        problems.push(Diagnostic::invalid(
            Path::attribute("directory"),
            "Both secrets_manager and directory are given, but there is only one store: remove one of the two.",
        ));
    }
    let settings = config.attribute("secrets_manager");
    if let (Value::String(region), Value::Set(replicas)) = (
        settings.attribute("region"),
        settings.attribute("replica_regions"),
    ) && replicas
        .iter()
        .any(|replica| replica.as_str() == Some(region))
    {
        let path = Path::attribute("secrets_manager").then_attribute("replica_regions");
        let message = format!("{region} is the region of the secrets themselves: leave it out");
        problems.push(Diagnostic::invalid(path, &message));
    }
    problems
}

/// Reads a configuration that [`validate`] found nothing wrong with; `environment` looks a variable up.
pub(crate) fn setup(
    config: &Value,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Setup, Diagnostic> {
    if !config.is_wholly_known() {
        return Ok(Setup::Unknown);
    }
    let variable = |name| environment(name).filter(|text| !text.is_empty());
    let namespace = match config.attribute("namespace").as_str() {
        Some(text) => Namespace::parse(text),
        None => match variable(NAMESPACE_VARIABLE) {
            Some(text) => Namespace::parse(&text)
                .map_err(|message| format!("{NAMESPACE_VARIABLE}: {message}")),
            None => Err(format!(
                "No namespace is given: set the attribute namespace or the environment variable {NAMESPACE_VARIABLE}, to \
                 a name like \"prod\"."
            )),
        },
    };
    let namespace =
        namespace.map_err(|message| Diagnostic::invalid(Path::attribute("namespace"), &message))?;
    let location = match (
        config.attribute("directory").as_str(),
        config.attribute("secrets_manager"),
        variable(STORE_VARIABLE),
    ) {
        (Some(directory), _, _) => Location::Directory(PathBuf::from(directory)),
        (None, settings @ Value::Object(_), _) => Location::SecretsManager(read_settings(settings)),
        (None, _, Some(text)) => Location::parse(&text).map_err(|message| {
            Diagnostic::error("Invalid store", format!("{STORE_VARIABLE}: {message}"))
        })?,
        (None, _, None) => return Err(no_store()),
    };
    Ok(Setup::Known(location, namespace))
}

fn no_store() -> Diagnostic {
    Diagnostic::error(
        "No store is given",
        format!(
            "The provider does not know where to keep things. Set secrets_manager = {{ region = \"eu-west-1\" }} (AWS), \
             or directory = \"./.tollgate\" (this machine), or the environment variable {STORE_VARIABLE} to \
             \"secretsmanager\" or \"directory:PATH\"."
        ),
    )
    .at(Path::attribute("secrets_manager"))
}

fn read_settings(settings: &Value) -> SecretsManager {
    let text = |name: &str| settings.attribute(name).as_str().map(str::to_owned);
    let tags = match settings.attribute("tags") {
        Value::Map(tags) => tags
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        _ => BTreeMap::new(),
    };
    SecretsManager {
        region: text("region"),
        profile: text("profile"),
        endpoint_url: text("endpoint_url"),
        assume_role_arn: text("assume_role_arn"),
        kms_key_id: text("kms_key_id"),
        tags,
        shards: match settings.attribute("shards") {
            Value::Number(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
            _ => None,
        },
        replica_regions: match settings.attribute("replica_regions") {
            Value::Set(regions) => regions
                .iter()
                .filter_map(|region| region.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        },
    }
}

/// A shell would take `~` for the home folder; here it would be a folder of that name.
fn check_directory(text: &str) -> Result<(), String> {
    if text == "~" || text.starts_with("~/") {
        return Err(format!(
            "\"~\" is not read as the home folder here: write `pathexpand({text:?})`"
        ));
    }
    check_given(text)
}

fn check_url(text: &str) -> Result<(), String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not an address of Secrets Manager: write a URL, like \"http://localhost:4566\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config<const N: usize>(given: [(&str, Value); N]) -> Value {
        Value::object(given)
    }

    fn settle(config: &Value, variables: &[(&str, &str)]) -> Result<Setup, Diagnostic> {
        let found = |name: &str| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| (*value).to_owned())
        };
        setup(config, &found)
    }

    fn prod() -> Namespace {
        Namespace::parse("prod").unwrap()
    }

    #[test]
    fn the_configuration_is_taken_before_the_environment() {
        let config = config([("namespace", "prod".into()), ("directory", "./here".into())]);

        let setup = settle(
            &config,
            &[
                ("TOLLGATE_NAMESPACE", "other"),
                ("TOLLGATE_STORE", "secretsmanager"),
            ],
        );

        let location = Location::Directory("./here".into());
        assert_eq!(setup, Ok(Setup::Known(location, prod())));
    }

    #[test]
    fn what_is_not_configured_comes_from_the_environment() {
        let variables = [
            ("TOLLGATE_NAMESPACE", "prod"),
            ("TOLLGATE_STORE", "directory:/srv"),
        ];

        let setup = settle(&config([]), &variables);

        let location = Location::Directory("/srv".into());
        assert_eq!(setup, Ok(Setup::Known(location, prod())));
    }

    #[test]
    fn every_setting_of_secrets_manager_is_read() {
        let settings = Value::object([
            ("region", "eu-west-1".into()),
            ("profile", "ops".into()),
            ("endpoint_url", "http://localhost:4566".into()),
            ("assume_role_arn", "arn:aws:iam::123456789012:role/x".into()),
            ("kms_key_id", "alias/x".into()),
            (
                "tags",
                Value::Map([("team".to_owned(), "api".into())].into()),
            ),
            ("shards", 32.into()),
            ("replica_regions", Value::set(vec!["us-east-1".into()])),
        ]);

        let setup = settle(
            &config([("namespace", "prod".into()), ("secrets_manager", settings)]),
            &[],
        );

        let expected = SecretsManager {
            region: Some("eu-west-1".to_owned()),
            profile: Some("ops".to_owned()),
            endpoint_url: Some("http://localhost:4566".to_owned()),
            assume_role_arn: Some("arn:aws:iam::123456789012:role/x".to_owned()),
            kms_key_id: Some("alias/x".to_owned()),
            tags: [("team".to_owned(), "api".to_owned())].into(),
            shards: Some(32),
            replica_regions: vec!["us-east-1".to_owned()],
        };
        assert_eq!(
            setup,
            Ok(Setup::Known(Location::SecretsManager(expected), prod()))
        );
    }

    #[test]
    fn settings_that_aws_would_refuse_late_are_refused_at_once() {
        let tags = |tag: &str| Value::Map([(tag.to_owned(), "x".into())].into());
        for (setting, value) in [
            ("region", "frankfurt".into()),
            ("region", "eu-west".into()),
            ("assume_role_arn", "tollgate".into()),
            ("assume_role_arn", "arn:aws:iam::123456789012:user/x".into()),
            ("kms_key_id", "nope".into()),
            (
                "kms_key_id",
                "arn:aws:kms:eu-west-1:123456789012:thing/x".into(),
            ),
            ("tags", tags("aws:owner")),
            ("tags", tags("Tollgate-key")),
            ("tags", tags(&"x".repeat(129))),
            ("replica_regions", Value::set(vec!["nowhere".into()])),
        ] {
            let settings = Value::object([(setting, value)]);
            let problems = validate(&config([("secrets_manager", settings)]));
            assert_eq!(problems.len(), 1, "{setting}: {problems:?}");
        }
        let own = Value::object([
            ("region", "eu-west-1".into()),
            ("replica_regions", Value::set(vec!["eu-west-1".into()])),
        ]);
        assert_eq!(validate(&config([("secrets_manager", own)])).len(), 1);
    }

    #[test]
    fn what_another_resource_makes_first_is_not_an_error_yet() {
        let config = config([("namespace", Value::Unknown)]);

        assert_eq!(validate(&config), []);
        assert_eq!(settle(&config, &[]), Ok(Setup::Unknown));
    }
}
