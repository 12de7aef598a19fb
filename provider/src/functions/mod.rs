//! The functions: one file and one line each. They are pure: Terraform calls them in a process that it never configures.

mod duration_seconds;
mod key_id;
mod key_valid;

use std::collections::{BTreeMap, HashMap};

use tollgate_proto::tfplugin6::{
    DynamicValue, Function as Message, FunctionError, StringKind, function,
};

use crate::value::{Type, Value};
use crate::wire::{read, write};

/// Every function by its name in HCL.
pub(crate) fn all() -> BTreeMap<&'static str, Function> {
    let functions = [
        duration_seconds::function(),
        key_id::function(),
        key_valid::function(),
    ];
    functions
        .into_iter()
        .map(|function| (function.name, function))
        .collect()
}

/// The functions as Terraform reads them.
pub(crate) fn declarations(
    functions: &BTreeMap<&'static str, Function>,
) -> HashMap<String, Message> {
    functions
        .iter()
        .map(|(name, function)| ((*name).to_owned(), function.into()))
        .collect()
}

/// A function of one text. Terraform itself answers where the text is unknown, and refuses null.
#[derive(Debug)]
pub(crate) struct Function {
    name: &'static str,
    /// What it returns, in a few words.
    summary: &'static str,
    /// The same at length, in Markdown.
    description: &'static str,
    parameter: Parameter,
    result: Type,
    /// What is wrong with the argument is its error. A token is never in it.
    call: fn(&str) -> Result<Value, String>,
}

/// What a function is called with.
#[derive(Debug)]
struct Parameter {
    name: &'static str,
    description: &'static str,
}

/// The only argument, counted from zero.
const ARGUMENT: i64 = 0;

impl Function {
    /// Calls it with what Terraform sent.
    pub(crate) fn call(&self, arguments: &[DynamicValue]) -> Result<DynamicValue, FunctionError> {
        let [argument] = arguments else {
            return Err(FunctionError {
                text: format!(
                    "{} takes one argument, and got {}",
                    self.name,
                    arguments.len()
                ),
                function_argument: None,
            });
        };
        let wrong = |message: &str| FunctionError {
            text: message.to_owned(),
            function_argument: Some(ARGUMENT),
        };
        let argument = read(Some(argument), &Type::String).map_err(|_| wrong(NOT_A_STRING))?;
        let text = argument.as_str().ok_or_else(|| wrong(NOT_A_STRING))?;
        (self.call)(text)
            .map(|result| write(&result))
            .map_err(|message| wrong(&message))
    }
}

const NOT_A_STRING: &str = "it must be a known string, and not null";

impl From<&Function> for Message {
    fn from(function: &Function) -> Self {
        let kind = |kind: &Type| kind.to_json().to_string().into_bytes();
        let parameter = function::Parameter {
            name: function.parameter.name.to_owned(),
            r#type: kind(&Type::String),
            description: function.parameter.description.to_owned(),
            description_kind: StringKind::Markdown.into(),
            ..function::Parameter::default()
        };
        Self {
            parameters: vec![parameter],
            r#return: Some(function::Return {
                r#type: kind(&function.result),
            }),
            summary: function.summary.to_owned(),
            description: function.description.to_owned(),
            description_kind: StringKind::Markdown.into(),
            ..Self::default()
        }
    }
}
