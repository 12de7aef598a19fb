//! What Terraform demands of a provider's plans and states.

use tollgate_proto::tfplugin6::schema::Attribute;
use tollgate_provider::value::Value;

/// Each attribute is as it is configured, as it was, or computed.
pub(super) fn assert_planned(
    place: &str,
    attributes: &[Attribute],
    (prior, config, planned): (&Value, &Value, &Value),
) {
    for attribute in attributes {
        let name = &attribute.name;
        let place = format!("{place}.{name}");
        let parts = (
            prior.attribute(name),
            config.attribute(name),
            planned.attribute(name),
        );
        match (&attribute.nested_type, parts) {
            (Some(nested), (prior, Value::Map(config), Value::Map(planned))) => {
                assert_eq!(config.len(), planned.len(), "{place}");
                for (key, config) in config {
                    let prior = match prior {
                        Value::Map(prior) => prior.get(key).unwrap_or(&Value::Null),
                        _ => &Value::Null,
                    };
                    let parts = (prior, config, &planned[key]);
                    assert_planned(&format!("{place}[{key:?}]"), &nested.attributes, parts);
                }
            }
            (_, (prior, config, planned)) => {
                let is_kept = config == planned || planned == prior;
                assert!(
                    is_kept || (config.is_null() && attribute.computed),
                    "{place}: {config:?} was planned as {planned:?}"
                );
            }
        }
    }
}

/// What was known at the plan is so after the apply.
pub(super) fn assert_consistent(planned: &Value, state: &Value) {
    let Value::Object(attributes) = planned else {
        assert_eq!(planned, state);
        return;
    };
    for (name, planned) in attributes {
        if planned.is_wholly_known() {
            assert_eq!(
                planned,
                state.attribute(name),
                "{name} is as it was planned"
            );
        }
    }
}
