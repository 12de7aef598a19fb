//! `timeouts`: how long a create, update or delete of a resource may take.

use std::time::Duration;

use tollgate_store::duration_within;

use crate::call::Change;
use crate::schema::{Attribute, Shape};
use crate::value::Type;

const BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// The attribute, for resources whose calls can take long.
pub(crate) fn attribute() -> Attribute {
    let limit = |name| {
        Attribute::optional(name, Type::String).check_meaning(parse, |length: &Duration| *length)
    };
    let limits = [
        limit("create").describe("For a create."),
        limit("update").describe("For an update."),
        limit("delete").describe("For a removal."),
    ];
    Attribute::optional("timeouts", Shape::single(limits))
        .local()
        .describe(
            "How long a change may take before it is given up, like `30s` or `10m`, 1 s to 24 h each. No limit but \
             those of the store's calls where left out.",
        )
}

/// The limit that a change was given.
pub(crate) fn of(change: &Change) -> Option<Duration> {
    let (operation, state) = if change.planned.is_null() {
        ("delete", &change.prior)
    } else if change.prior.is_null() {
        ("create", &change.planned)
    } else {
        ("update", &change.planned)
    };
    let limit = state.attribute("timeouts").attribute(operation);
    parse(limit.as_str()?).ok()
}

fn parse(text: &str) -> Result<Duration, String> {
    duration_within(text, BOUNDS, "1s to 24h")
}
