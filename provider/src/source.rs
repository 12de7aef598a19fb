//! What is read and never made. A data source's answer goes into the state, an ephemeral resource's goes nowhere: both
//! are asked in the same way.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tollgate_proto::tfplugin6::Schema as Message;

use crate::diagnostic::{Diagnostic, Path};
use crate::resource::Fields;
use crate::schema::{Schema, check};
use crate::store::Store;
use crate::value::{Type, Value, from_json, to_json};

/// One thing to ask for.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Its name in HCL without the provider's: `keys`.
    fn name(&self) -> &'static str;

    /// What is asked with, and what is answered (the computed attributes).
    fn schema(&self) -> Schema;

    /// What is wrong with several attributes together. What is unknown is never wrong.
    fn check(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// Answers a configuration that is wholly known, and that nothing was found wrong with.
    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic>;
}

/// What a source answers.
#[derive(Default)]
pub(crate) struct Answer {
    /// The computed attributes; one that is left out is null.
    pub(crate) attributes: Fields,
    /// What the user should know besides.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl From<Fields> for Answer {
    fn from(attributes: Fields) -> Self {
        Self {
            attributes,
            warnings: Vec::new(),
        }
    }
}

/// Reads a configuration into the types that its schema's checks parse.
pub(crate) fn question<Q: DeserializeOwned>(config: Fields) -> Result<Q, Diagnostic> {
    serde_json::from_value(Json::Object(config))
        .map_err(|error| Diagnostic::error("The configuration can't be read", error.to_string()))
}

/// The schemas of sources as Terraform reads them.
pub(crate) fn schemas(sources: &BTreeMap<String, SourceType>) -> HashMap<String, Message> {
    sources
        .iter()
        .map(|(name, source)| (name.clone(), (&source.schema).into()))
        .collect()
}

/// A source as Terraform knows it, and what was derived from its schema once.
#[derive(Debug)]
pub(crate) struct SourceType {
    source: Box<dyn Source>,
    pub(crate) schema: Schema,
    pub(crate) value_type: Type,
}

impl SourceType {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        let schema = source.schema();
        Self {
            value_type: schema.value_type(),
            source,
            schema,
        }
    }

    /// The name in HCL: `tollgate_keys`.
    pub(crate) fn type_name(&self) -> String {
        format!("tollgate_{}", self.source.name())
    }

    /// What is wrong with a configuration.
    pub(crate) fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        let mut problems = check(&self.schema.attributes, config, &Path::default());
        problems.extend(self.source.check(config));
        problems
    }

    /// The configuration, completed with its defaults and the answer; no value where something is wrong.
    pub(crate) async fn read(
        &self,
        store: &Store,
        config: &Value,
    ) -> (Option<Value>, Vec<Diagnostic>) {
        // What was unknown when the configuration was validated is checked only now.
        let problems = self.validate(config);
        if !problems.is_empty() {
            return (None, problems);
        }
        let mut fields = self.with_defaults(config);
        match self.source.answer(store, fields.clone()).await {
            Ok(Answer {
                attributes,
                warnings,
            }) => {
                fields.extend(attributes);
                match self.value(fields) {
                    Ok(value) => (Some(value), warnings),
                    Err(problem) => (None, vec![problem]),
                }
            }
            Err(problem) => (None, vec![problem]),
        }
    }

    fn value(&self, fields: Fields) -> Result<Value, Diagnostic> {
        from_json(&Json::Object(fields), &self.value_type).map_err(|error| {
            let summary = format!("{} can't be shown", self.type_name());
            Diagnostic::error(summary, error.to_string())
        })
    }

    fn with_defaults(&self, config: &Value) -> Fields {
        let given = self.schema.attributes.iter().filter_map(|attribute| {
            let value = to_json(config.attribute(attribute.name));
            let value = value.or_else(|| attribute.default.as_ref().and_then(to_json))?;
            Some((attribute.name.to_owned(), value))
        });
        given.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Attribute, Presence, Shape};
    use crate::{data, ephemeral};

    fn each(attributes: &[Attribute], visit: &mut impl FnMut(&Attribute)) {
        for attribute in attributes {
            visit(attribute);
            if let Shape::Nested(_, inner) = &attribute.shape {
                each(inner, visit);
            }
        }
    }

    #[test]
    fn terraform_accepts_every_schema_and_people_can_read_it() {
        for (name, source) in data::all().into_iter().chain(ephemeral::all()) {
            assert!(source.schema.description.ends_with('.'), "{name}");
            each(&source.schema.attributes, &mut |attribute| {
                let place = format!("{name}: {}", attribute.name);
                assert!(!attribute.replaces && !attribute.write_only, "{place}");
                let has_default = attribute.default.is_some();
                assert!(
                    !has_default || attribute.presence == Presence::Optional,
                    "{place}"
                );
            });
            let block = Message::from(&source.schema).block.unwrap();
            for attribute in block.attributes {
                let ends = attribute.description.ends_with(['.', ')']);
                assert!(ends, "{name}: {}", attribute.name);
            }
        }
    }

    #[test]
    fn no_data_source_has_a_token_or_anything_else_to_hide() {
        for (name, source) in data::all() {
            each(&source.schema.attributes, &mut |attribute| {
                assert!(!attribute.sensitive, "{name}: {}", attribute.name);
                assert!(
                    !attribute.name.contains("token"),
                    "{name}: {}",
                    attribute.name
                );
            });
        }
    }

    #[test]
    fn an_ephemeral_token_is_hidden() {
        let sources = ephemeral::all();
        let key = &sources["tollgate_key"].schema;
        let token = key.attributes.iter().find(|one| one.name == "token");

        assert!(token.unwrap().sensitive);
    }
}
