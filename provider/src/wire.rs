//! Values and diagnostics as they stand in requests and responses.

use tollgate_proto::tfplugin6::{Diagnostic as Message, DynamicValue};

use crate::diagnostic::Diagnostic;
use crate::value::{DecodeError, Type, Value, decode, encode, from_json};

/// Reads a value; one that is left out is null.
pub(crate) fn read(value: Option<&DynamicValue>, kind: &Type) -> Result<Value, Diagnostic> {
    match value {
        Some(DynamicValue { msgpack, .. }) if !msgpack.is_empty() => {
            decode(msgpack, kind).map_err(|error| unreadable(&error))
        }
        Some(DynamicValue { json, .. }) if !json.is_empty() => read_json(json, kind),
        _ => Ok(Value::Null),
    }
}

/// Reads a value's JSON.
pub(crate) fn read_json(json: &[u8], kind: &Type) -> Result<Value, Diagnostic> {
    serde_json::from_slice(json)
        .map_err(|error| DecodeError::Json(error.to_string()))
        .and_then(|json| from_json(&json, kind))
        .map_err(|error| unreadable(&error))
}

fn unreadable(error: &DecodeError) -> Diagnostic {
    Diagnostic::error(
        "A value from Terraform can't be read",
        format!("It does not fit the provider's schema: {error}."),
    )
}

/// Writes a value.
pub(crate) fn write(value: &Value) -> DynamicValue {
    DynamicValue {
        msgpack: encode(value),
        json: Vec::new(),
    }
}

/// Writes diagnostics.
pub(crate) fn wired(diagnostics: Vec<Diagnostic>) -> Vec<Message> {
    diagnostics.into_iter().map(Into::into).collect()
}

/// Writes what a check found, or why it could not be made.
pub(crate) fn messages(problems: Result<Vec<Diagnostic>, Diagnostic>) -> Vec<Message> {
    wired(problems.unwrap_or_else(|problem| vec![problem]))
}

/// What a call came to, and its error as Terraform reads it.
pub(crate) fn split<T>(result: Result<T, Diagnostic>) -> (Option<T>, Vec<Message>) {
    match result {
        Ok(value) => (Some(value), Vec::new()),
        Err(problem) => (None, vec![problem.into()]),
    }
}
