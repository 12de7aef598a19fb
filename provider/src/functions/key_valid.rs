//! `key_valid(token)`.

use tollgate_store::token;

use super::{Function, Parameter};
use crate::value::{Type, Value};

pub(super) fn function() -> Function {
    Function {
        name: "key_valid",
        summary: "Whether a text is a token of Tollgate",
        description: "Returns true where the text has the shape of a token, \
                      `tg_<environment>_<id>_<secret><checksum>`, and its checksum fits: what was mistyped or cut off \
                      is false. Whether the store holds such a key, and whether it opens anything, is not asked; \
                      `tollgate_decision` tells that.",
        parameter: Parameter {
            name: "token",
            description: "Any text.",
        },
        result: Type::Bool,
        call: |text| Ok(Value::Bool(token::key_id(text).is_some())),
    }
}
