//! What the fake refuses, in the words of AWS.

use serde_json::{Value, json};

/// A refusal: AWS's code, and what it says.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
}

pub(super) type Answer = Result<Value, Refusal>;

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({"__type": self.code, "message": self.message})
    }

    /// As one secret's part of an answer about several.
    pub(super) fn of_secret(&self, id: &str) -> Value {
        json!({"SecretId": id, "ErrorCode": self.code, "Message": self.message})
    }

    pub(super) fn not_found() -> Self {
        let message = "Secrets Manager can't find the specified secret.";
        Self::new("ResourceNotFoundException", message)
    }

    pub(super) fn marked_for_deletion() -> Self {
        let message =
            "You can't perform this operation on the secret because it was marked for deletion.";
        Self::new("InvalidRequestException", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn over_limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new("ResourceExistsException", message)
    }
}

/// A text that the request must hold.
pub(super) fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    let text = request.get(field).and_then(Value::as_str);
    text.ok_or_else(|| Refusal::invalid(format!("{field} is missing")))
}

/// A list of texts; none where the request has none.
pub(super) fn texts(request: &Value, field: &str) -> Vec<String> {
    let list = request.get(field).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
