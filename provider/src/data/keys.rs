//! `tollgate_keys`: the keys that fit a filter.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value as Json;
use tollgate_store::document::{self, METADATA_ENTRIES_MAX};
use tollgate_store::{Environment, Name, Timestamp};

use super::inventory::{self, Found};
use super::key::answered;
use crate::diagnostic::Diagnostic;
use crate::resource::{Fields, ResourceType};
use crate::resources;
use crate::schema::{Attribute, Schema, Shape};
use crate::source::{Answer, Source, question};
use crate::store::Store;
use crate::value::Type;

/// What only a call for each key would tell.
const NOT_LISTED: [&str; 2] = ["secret_id", "secret_arn"];

/// All keys, or some.
#[derive(Debug)]
pub(super) struct Keys {
    resource: ResourceType,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            resource: resources::key(),
        }
    }

    fn listed(&self, found: &Found) -> Json {
        let mut fields = self.resource.resource.attributes(&found.document);
        fields.insert("name".to_owned(), found.document.name().as_str().into());
        let set = found.set.as_ref().map(Name::as_str);
        fields.insert("key_set".to_owned(), set.into());
        Json::Object(fields)
    }
}

#[async_trait]
impl Source for Keys {
    fn name(&self) -> &'static str {
        "keys"
    }

    fn schema(&self) -> Schema {
        let mut listed = vec![
            Attribute::computed("name", Type::String).describe("The key's name."),
            Attribute::computed("key_set", Type::String)
                .describe("The key set that it belongs to. Null for a `tollgate_key`."),
        ];
        let answered = answered(&self.resource);
        listed.extend(answered.filter(|attribute| !NOT_LISTED.contains(&attribute.name)));
        let mut attributes = filters();
        attributes.extend([
            Attribute::computed("keys", Shape::list(listed))
                .describe("The keys, in the order of their names."),
            Attribute::computed("names", Type::list_of_strings()).describe(
                "Their names as logs show them: `NAME`, or `SET/NAME` for a key of a key set.",
            ),
        ]);
        Schema {
            description: "The keys that fit every filter given; all of them without one. No token is part of it. Keys \
                          that proxies can't read are left out, with a warning.",
            attributes,
        }
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let filter: Filter = question(config)?;
        let (keys, broken) = inventory::keys(&inventory::entries(store).await?);
        let fitting = || keys.iter().filter(|found| filter.fits(found));
        let listed = fitting().map(|found| self.listed(found)).collect();
        let names = fitting().map(|found| found.label().into()).collect();
        Ok(Answer {
            attributes: Fields::from_iter([
                ("keys".to_owned(), Json::Array(listed)),
                ("names".to_owned(), Json::Array(names)),
            ]),
            warnings: broken.into_iter().collect(),
        })
    }
}

fn check_prefix(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Name::parse(text).map(drop)
}

fn filters() -> Vec<Attribute> {
    let name = |name| Attribute::optional(name, Type::String).check(Name::parse);
    vec![
        Attribute::optional("name_prefix", Type::String)
            .check(check_prefix)
            .describe("How the key's own name starts. The empty text fits all."),
        name("principal").describe("The principal that it acts as."),
        name("scope").describe(
            "A scope that the key itself, or its key set, names. What roles or a principal give is not looked through.",
        ),
        name("role").describe("A role that the key itself, or its key set, names."),
        name("quota").describe(
            "A quota that the key itself, or its key set, names. A principal's quotas are not looked through.",
        ),
        Attribute::optional("environment", Type::String)
            .check(Environment::parse)
            .describe("The environment that its token shows."),
        Attribute::optional("enabled", Type::Bool)
            .describe("Whether it is enabled, and its key set with it."),
        Attribute::optional("expires_before", Type::String)
            .check(Timestamp::parse)
            .describe(
                "A time in RFC 3339 with an offset: the key has an `expires_at`, and it comes earlier.",
            ),
        Attribute::optional("metadata", Type::map_of_strings())
            .at_most(METADATA_ENTRIES_MAX)
            .describe("Entries that its metadata has, all of them and with the same values."),
        name("key_set").describe("The key set that it belongs to."),
    ]
}

/// What is asked for. What is left out fits every key.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    name_prefix: Option<String>,
    principal: Option<Name>,
    scope: Option<Name>,
    role: Option<Name>,
    quota: Option<Name>,
    environment: Option<Environment>,
    enabled: Option<bool>,
    expires_before: Option<Timestamp>,
    metadata: Option<BTreeMap<String, String>>,
    key_set: Option<Name>,
}

impl Filter {
    fn fits(&self, found: &Found) -> bool {
        let key_set = self.key_set.as_ref();
        key_set.is_none_or(|set| found.set.as_ref() == Some(set))
            && self
                .name_prefix
                .as_ref()
                .is_none_or(|prefix| found.document.name().as_str().starts_with(prefix))
            && found.key().is_some_and(|key| self.fits_key(key))
    }

    fn fits_key(&self, key: &document::Key) -> bool {
        let Self {
            name_prefix: _,
            principal,
            scope,
            role,
            quota,
            environment,
            enabled,
            expires_before,
            metadata,
            key_set: _,
        } = self;
        fits(principal.as_ref(), |name| {
            key.principal.as_ref() == Some(name)
        }) && fits(scope.as_ref(), |name| names(key.scopes.as_ref(), name))
            && fits(role.as_ref(), |name| names(key.roles.as_ref(), name))
            && fits(quota.as_ref(), |name| names(key.quotas.as_ref(), name))
            && fits(environment.as_ref(), |environment| {
                key.environment == *environment
            })
            && fits(enabled.as_ref(), |enabled| key.enabled == *enabled)
            && fits(expires_before.as_ref(), |before| {
                let expires = key.expires_at.as_ref();
                expires.is_some_and(|expires| expires.at() < before.at())
            })
            && fits(metadata.as_ref(), |entries| {
                has_all(key.metadata.as_ref(), entries)
            })
    }
}

fn fits<T>(filter: Option<T>, has: impl FnOnce(T) -> bool) -> bool {
    filter.is_none_or(has)
}

fn names(named: Option<&BTreeSet<Name>>, name: &Name) -> bool {
    named.is_some_and(|named| named.contains(name))
}

fn has_all(
    metadata: Option<&BTreeMap<String, String>>,
    entries: &BTreeMap<String, String>,
) -> bool {
    let has = |(key, value)| metadata.and_then(|metadata| metadata.get(key)) == Some(value);
    entries.iter().all(has)
}
