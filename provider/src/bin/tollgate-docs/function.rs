//! A function: how it is called, what it takes and what it gives.

use tollgate_proto::tfplugin6::Function;
use tollgate_proto::tfplugin6::function::Parameter;
use tollgate_provider::value::Type;

use crate::failure::Failure;
use crate::markdown::{code, join, prose};
use crate::pages::unsupported;
use crate::schema::type_words;

/// Renders the signature and the arguments of the function `name`.
pub(crate) fn render(name: &str, function: &Function) -> Result<String, Failure> {
    let read =
        |json: &[u8]| Type::parse(json).map_err(|error| unsupported(name, &error.to_string()));
    let mut signature = Vec::new();
    let mut arguments = Vec::new();
    let fixed = function.parameters.iter().map(|parameter| (parameter, ""));
    let variadic = function
        .variadic_parameter
        .iter()
        .map(|parameter| (parameter, "..."));
    for (parameter, dots) in fixed.chain(variadic) {
        let kind = read(&parameter.r#type)?;
        signature.push(format!("{}{dots} {}", parameter.name, expression(&kind)));
        arguments.push(argument(parameter, &type_words(&kind), dots));
    }
    let result = read(
        function
            .r#return
            .as_ref()
            .map_or(b"", |result| &result.r#type),
    )?;
    let signature = signature.join(", ");
    let call = format!(
        "provider::tollgate::{name}({signature}) {}",
        expression(&result)
    );
    let deprecation = &function.deprecation_message;
    let mut parts = vec![
        prose(deprecation),
        "## Signature".to_owned(),
        code("text", &call),
    ];
    if !arguments.is_empty() {
        parts.extend(["## Arguments".to_owned(), arguments.join("\n")]);
    }
    parts.extend(["## Return Type".to_owned(), type_words(&result)]);
    Ok(join(parts))
}

fn argument(parameter: &Parameter, kind: &str, dots: &str) -> String {
    let Parameter {
        name,
        description,
        allow_null_value,
        ..
    } = parameter;
    let mut notes = vec![kind];
    notes.extend((!dots.is_empty()).then_some("Any number"));
    notes.extend(allow_null_value.then_some("Nullable"));
    let line = format!("1. `{name}` ({}) {}", notes.join(", "), prose(description));
    line.trim_end().to_owned()
}

/// A type as a configuration spells it.
fn expression(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Number => "number".to_owned(),
        Type::String => "string".to_owned(),
        Type::Dynamic => "any".to_owned(),
        Type::List(element) => format!("list({})", expression(element)),
        Type::Set(element) => format!("set({})", expression(element)),
        Type::Map(element) => format!("map({})", expression(element)),
        Type::Object(attributes) => {
            let attributes = attributes.iter();
            let attributes =
                attributes.map(|(name, kind)| format!("{name} = {}", expression(kind)));
            format!(
                "object({{ {} }})",
                attributes.collect::<Vec<_>>().join(", ")
            )
        }
        Type::Tuple(elements) => {
            let elements = elements.iter().map(expression);
            format!("tuple([{}])", elements.collect::<Vec<_>>().join(", "))
        }
    }
}
