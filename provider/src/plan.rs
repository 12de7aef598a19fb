//! Plans: what a resource will be once its configuration is applied, under Terraform's rules.

use std::collections::BTreeMap;

use crate::diagnostic::Path;
use crate::private::Private;
use crate::resource::ResourceType;
use crate::schema::{Attribute, Nesting, Schema, Shape};
use crate::value::Value;

/// What will be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The state after apply; what only apply can tell is unknown.
    pub(crate) state: Value,
    /// The changed attributes that can't be changed in place.
    pub(crate) replaces: Vec<Path>,
}

impl Plan {
    /// Nothing will be.
    pub(crate) fn destroy() -> Self {
        Self {
            state: Value::Null,
            replaces: Vec::new(),
        }
    }
}

impl ResourceType {
    /// Plans a create (`prior` is null) or an update.
    pub(crate) fn plan(&self, prior: &Value, config: &Value, private: &Private) -> Plan {
        let settled = if private.is_unsettled() {
            &Value::Null
        } else {
            prior
        };
        let mut plan = plan(&self.schema, prior, settled, config);
        if !settled.is_null() {
            self.resource.foresee(prior, &mut plan.state, private.due);
        }
        plan
    }
}

/// Plans a create (`prior` is null) or an update.
///
/// What the configuration gives is kept as it is, and what it leaves out is null, its default, or what it was. A
/// computed value is taken over from `settled`, the prior state where it can be relied on, and unknown otherwise.
fn plan(schema: &Schema, prior: &Value, settled: &Value, config: &Value) -> Plan {
    let state = attributes(&schema.attributes, config, object(settled));
    let changed = |attribute: &&Attribute| {
        attribute.replaces && state.attribute(attribute.name) != prior.attribute(attribute.name)
    };
    let replaces = match object(prior) {
        Some(_) => schema.attributes.iter().filter(changed).collect(),
        None => Vec::new(),
    };
    let path = |attribute: &Attribute| Path::attribute(attribute.name);
    Plan {
        replaces: replaces.into_iter().map(path).collect(),
        state,
    }
}

/// `fresh`, as read from the store, in the words of `prior` where they mean the same.
pub(crate) fn keep_words(attributes: &[Attribute], prior: &Value, fresh: Value) -> Value {
    let Value::Object(mut values) = fresh else {
        return fresh;
    };
    for attribute in attributes {
        if let Some(value) = values.get_mut(attribute.name) {
            let fresh = std::mem::replace(value, Value::Null);
            *value = keep_word(attribute, prior.attribute(attribute.name), fresh);
        }
    }
    Value::Object(values)
}

fn keep_word(attribute: &Attribute, prior: &Value, fresh: Value) -> Value {
    match (prior, fresh) {
        (Value::String(word), Value::String(fresh)) if attribute.means_the_same(word, &fresh) => {
            prior.clone()
        }
        (Value::List(priors), Value::List(fresh)) => {
            let known = priors.iter().chain(std::iter::repeat(&Value::Null));
            let pairs = fresh.into_iter().zip(known);
            Value::List(
                pairs
                    .map(|(fresh, prior)| keep_word(attribute, prior, fresh))
                    .collect(),
            )
        }
        (Value::Map(priors), Value::Map(fresh)) => {
            let kept = fresh.into_iter().map(|(key, fresh)| {
                let prior = priors.get(&key).unwrap_or(&Value::Null);
                let kept = keep_word(attribute, prior, fresh);
                (key, kept)
            });
            Value::Map(kept.collect())
        }
        (Value::Object(_), fresh @ Value::Object(_)) => match &attribute.shape {
            Shape::Nested(_, inner) => keep_words(inner, prior, fresh),
            Shape::Plain(_) => fresh,
        },
        (_, fresh) => fresh,
    }
}

fn attributes(schema: &[Attribute], config: &Value, prior: Option<&Value>) -> Value {
    if config == &Value::Unknown {
        return Value::Unknown;
    }
    let planned = schema.iter().map(|attribute| {
        let name = attribute.name;
        let prior = prior.map(|prior| prior.attribute(name));
        let value = planned(attribute, config.attribute(name), prior);
        (name.to_owned(), value)
    });
    Value::Object(planned.collect())
}

/// One attribute's value; `prior` is `None` where what it belongs to did not exist.
fn planned(attribute: &Attribute, config: &Value, prior: Option<&Value>) -> Value {
    if attribute.write_only {
        return Value::Null;
    }
    match (config, &attribute.shape) {
        (Value::Null, _) => left_out(attribute, prior),
        (_, Shape::Plain(_)) => config.clone(),
        (_, Shape::Nested(nesting, inner)) => nested(*nesting, inner, config, prior),
    }
}

fn left_out(attribute: &Attribute, prior: Option<&Value>) -> Value {
    match &attribute.default {
        Some(default) => default.clone(),
        None if attribute.is_computed() => prior.cloned().unwrap_or(Value::Unknown),
        None => Value::Null,
    }
}

fn nested(nesting: Nesting, inner: &[Attribute], config: &Value, prior: Option<&Value>) -> Value {
    match (nesting, config) {
        (Nesting::Single, Value::Object(_)) => attributes(inner, config, prior.and_then(object)),
        (Nesting::List, Value::List(elements)) => {
            let priors = match prior {
                Some(Value::List(priors)) => priors.as_slice(),
                _ => &[],
            };
            let priors = priors.iter().map(object).chain(std::iter::repeat(None));
            let pairs = elements.iter().zip(priors);
            Value::List(
                pairs
                    .map(|(config, prior)| attributes(inner, config, prior))
                    .collect(),
            )
        }
        // Nothing tells which element of a set was which before: none of them may hold computed attributes.
        (Nesting::Set, Value::Set(elements)) => Value::set(
            elements
                .iter()
                .map(|config| attributes(inner, config, None))
                .collect(),
        ),
        (Nesting::Map, Value::Map(elements)) => {
            let prior = |key: &String| match prior {
                Some(Value::Map(priors)) => priors.get(key).and_then(object),
                _ => None,
            };
            let planned: BTreeMap<_, _> = elements
                .iter()
                .map(|(key, config)| (key.clone(), attributes(inner, config, prior(key))))
                .collect();
            Value::Map(planned)
        }
        _ => config.clone(),
    }
}

fn object(value: &Value) -> Option<&Value> {
    matches!(value, Value::Object(_)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;
    use tollgate_store::Period;

    fn schema() -> Schema {
        Schema {
            description: "",
            attributes: vec![
                Attribute::required("name", Type::String).replaces(),
                Attribute::optional("note", Type::String),
                Attribute::optional("color", Type::String).default("red"),
                Attribute::optional("secret", Type::String).write_only(),
                Attribute::computed("id", Type::String),
                Attribute::optional(
                    "parts",
                    Shape::list([
                        Attribute::required("per", Type::String)
                            .check_meaning(Period::parse, Period::length),
                        Attribute::computed("serial", Type::Number),
                    ]),
                ),
            ],
        }
    }

    fn resource<const N: usize>(given: [(&str, Value); N]) -> Value {
        let mut attributes: BTreeMap<_, _> = ["name", "note", "color", "secret", "id", "parts"]
            .map(|name| (name.to_owned(), Value::Null))
            .into();
        attributes.extend(given.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(attributes)
    }

    fn part(per: &str, serial: Value) -> Value {
        Value::object([("per", per.into()), ("serial", serial)])
    }

    fn update(prior: &Value, config: &Value) -> Plan {
        plan(&schema(), prior, prior, config)
    }

    #[test]
    fn a_create_keeps_the_configuration_and_leaves_computed_values_to_apply() {
        let config = resource([("name", "a".into()), ("note", Value::Unknown)]);

        let plan = plan(&schema(), &Value::Null, &Value::Null, &config);

        let expected = resource([
            ("name", "a".into()),
            ("note", Value::Unknown),
            ("color", "red".into()),
            ("id", Value::Unknown),
        ]);
        assert_eq!(plan.state, expected);
        assert_eq!(plan.replaces, []);
    }

    #[test]
    fn a_second_plan_is_empty() {
        let config = resource([
            ("name", "a".into()),
            ("parts", Value::List(vec![part("1m", Value::Null)])),
        ]);
        let prior = resource([
            ("name", "a".into()),
            ("color", "red".into()),
            ("id", "7".into()),
            ("parts", Value::List(vec![part("1m", 4.into())])),
        ]);

        let plan = update(&prior, &config);

        assert_eq!(plan.state, prior);
        assert_eq!(plan.replaces, []);
    }

    #[test]
    fn a_computed_value_that_is_null_stays_null() {
        let prior = resource([("name", "a".into()), ("color", "red".into())]);

        let plan = update(
            &prior,
            &resource([("name", "a".into()), ("note", "b".into())]),
        );

        assert_eq!(plan.state.attribute("id"), &Value::Null);
    }

    #[test]
    fn what_is_taken_out_of_the_configuration_falls_back_to_null_or_its_default() {
        let prior = resource([
            ("name", "a".into()),
            ("note", "old".into()),
            ("color", "blue".into()),
            ("id", "7".into()),
        ]);

        let plan = update(&prior, &resource([("name", "a".into())]));

        assert_eq!(plan.state.attribute("note"), &Value::Null);
        assert_eq!(plan.state.attribute("color"), &Value::from("red"));
        assert_eq!(plan.state.attribute("id"), &Value::from("7"));
    }

    #[test]
    fn only_a_changed_attribute_replaces() {
        let prior = resource([("name", "a".into()), ("color", "red".into())]);

        let other_name = update(&prior, &resource([("name", "b".into())]));
        let unknown_name = update(&prior, &resource([("name", Value::Unknown)]));
        let other_note = update(
            &prior,
            &resource([("name", "a".into()), ("note", "b".into())]),
        );

        assert_eq!(other_name.replaces, [Path::attribute("name")]);
        assert_eq!(unknown_name.replaces, [Path::attribute("name")]);
        assert_eq!(other_note.replaces, []);
    }

    #[test]
    fn what_is_only_written_is_in_no_plan() {
        let config = resource([("name", "a".into()), ("secret", "hush".into())]);

        let plan = plan(&schema(), &Value::Null, &Value::Null, &config);

        assert_eq!(plan.state.attribute("secret"), &Value::Null);
    }

    #[test]
    fn elements_of_a_list_keep_their_own_computed_values() {
        let prior = resource([
            ("name", "a".into()),
            ("color", "red".into()),
            ("parts", Value::List(vec![part("1m", 4.into())])),
        ]);
        let parts = vec![part("2m", Value::Null), part("3m", Value::Null)];

        let plan = update(
            &prior,
            &resource([("name", "a".into()), ("parts", Value::List(parts))]),
        );

        let expected = vec![part("2m", 4.into()), part("3m", Value::Unknown)];
        assert_eq!(plan.state.attribute("parts"), &Value::List(expected));
    }

    #[test]
    fn an_unknown_list_or_element_stays_unknown() {
        for parts in [Value::Unknown, Value::List(vec![Value::Unknown])] {
            let config = resource([("name", "a".into()), ("parts", parts.clone())]);

            let plan = plan(&schema(), &Value::Null, &Value::Null, &config);

            assert_eq!(plan.state.attribute("parts"), &parts);
        }
    }

    #[test]
    fn a_prior_state_that_cannot_be_relied_on_gives_no_computed_values() {
        let prior = resource([
            ("name", "a".into()),
            ("color", "red".into()),
            ("id", "7".into()),
        ]);

        let plan = plan(
            &schema(),
            &prior,
            &Value::Null,
            &resource([("name", "a".into())]),
        );

        assert_eq!(plan.state.attribute("id"), &Value::Unknown);
        assert_eq!(plan.replaces, []);
    }

    #[test]
    fn a_read_keeps_the_words_that_mean_the_same() {
        let prior = resource([(
            "parts",
            Value::List(vec![part("1m", 1.into()), part("5m", 2.into())]),
        )]);
        let fresh = resource([(
            "parts",
            Value::List(vec![
                part("60s", 3.into()),
                part("6m", 4.into()),
                part("7m", 5.into()),
            ]),
        )]);

        let kept = keep_words(&schema().attributes, &prior, fresh);

        let expected = vec![
            part("1m", 3.into()),
            part("6m", 4.into()),
            part("7m", 5.into()),
        ];
        assert_eq!(kept.attribute("parts"), &Value::List(expected));
    }
}
