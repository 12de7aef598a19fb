//! `key_id(token)`.

use tollgate_store::token;

use super::{Function, Parameter};
use crate::value::{Type, Value};

pub(super) fn function() -> Function {
    Function {
        name: "key_id",
        summary: "The public id inside a token",
        description: "Returns the id of the key that a token belongs to: 12 letters and digits, which logs show and \
                      `tollgate_key` has as `id`. The token must have the shape of Tollgate's own, \
                      `tg_<environment>_<id>_<secret><checksum>`, with a checksum that fits. Whether the store holds \
                      such a key is not asked.",
        parameter: Parameter {
            name: "token",
            description: "A token, as a client sends it.",
        },
        result: Type::String,
        call: key_id,
    }
}

fn key_id(token: &str) -> Result<Value, String> {
    match token::key_id(token) {
        Some(id) => Ok(id.as_str().into()),
        None => Err(
            "it is not a token of Tollgate: it must be tg_<environment>_<id>_<secret><checksum>, whole and unchanged. \
             Ask key_valid first where it may be another"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use tollgate_store::{Environment, KeyId};

    use super::*;

    #[test]
    fn the_id_is_found_inside_the_token() {
        let id = KeyId::parse("abcdefghij12").unwrap();
        let token = token::generate(&Environment::default(), id).unwrap();

        assert_eq!(key_id(token.expose()), Ok("abcdefghij12".into()));
    }

    #[test]
    fn an_error_never_repeats_the_token() {
        let id = KeyId::parse("abcdefghij12").unwrap();
        let token = token::generate(&Environment::default(), id).unwrap();
        let damaged = format!("{}x", token.expose());

        let problem = key_id(&damaged).unwrap_err();

        let secret = token.expose().rsplit('_').next().unwrap();
        assert!(!problem.contains(secret) && !problem.contains(id.as_str()));
    }
}
