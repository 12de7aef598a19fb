//! Conditions of roles, in Cedar: what may stand within `when { … }`, about a `context` that tells of one request.
//!
//! A condition is checked against a schema when it is read, so that one that was read can hardly fail: what may be absent
//! must be asked for by `has` before. The schema is made for each condition, as it holds the headers and claims that this
//! one names, all of them optional. What a condition doesn't name costs it nothing.
//!
//! | attribute | type | is |
//! |---|---|---|
//! | `context.address` | `ipaddr`, optional | the client's address |
//! | `context.time` | `datetime` | when the request is decided |
//! | `context.hour`, `context.minute` | `Long` | the time of day, in the role's time zone |
//! | `context.weekday` | `Long` | 1 for Monday to 7 for Sunday (ISO 8601), likewise |
//! | `context.method`, `context.host`, `context.path` | `String` | what is asked for, as it is matched and forwarded |
//! | `context.principal` | `String`, optional | the principal's name |
//! | `context.credential` | `String` | `key`, `token` or `certificate` |
//! | `context.headers["x-name"]` | `String`, optional | a header; several of one name with commas between them |
//! | `context.claims.name` | as it is used, optional | a claim of the token: a text, a number, a truth, or a set of texts |

mod condition;
mod context;
mod place;
mod schema;
mod uses;
mod value;

use std::sync::Arc;

use tollgate_gate::{Condition, ConditionLanguage};
use tollgate_store::TimeZone;

pub use condition::EXPRESSION_DEPTH_MAX;
pub use context::VALUE_BYTES_MAX;
pub use uses::is_credential;

/// Cedar, as conditions are written in it.
#[derive(Debug, Clone, Copy)]
pub struct Cedar;

impl ConditionLanguage for Cedar {
    fn read(
        &self,
        text: &tollgate_store::Condition,
        time_zone: Option<&TimeZone>,
    ) -> Result<Arc<dyn Condition>, String> {
        let condition = condition::CedarCondition::read(text.as_str(), time_zone)?;
        Ok(Arc::new(condition))
    }
}
