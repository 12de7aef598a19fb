//! Checks that several kinds share.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Problem, Timestamp};

/// The most entries of a document's metadata.
pub const METADATA_ENTRIES_MAX: usize = 16;
/// The most characters of one metadata key or value.
pub const METADATA_CHARS_MAX: usize = 256;

/// Whether something is switched on where nothing is said.
pub(super) fn enabled() -> bool {
    true
}

/// Whether a switch needs no word, since it stands where it stands by itself.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_enabled(enabled: &bool) -> bool {
    *enabled
}

/// Whether a mark needs no word, since it is not set.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_unset(mark: &bool) -> bool {
    !*mark
}

/// Checks that a list or set has `1..=most` elements where it is given.
pub(super) fn check_count(field: &str, count: Option<usize>, most: usize) -> Result<(), Problem> {
    match count {
        Some(0) => Err(Problem::field(
            field,
            "must not be empty: give at least one, or leave it out",
        )),
        Some(count) if count > most => Err(Problem::field(
            field,
            format!("has {count} elements, at most {most} are allowed"),
        )),
        _ => Ok(()),
    }
}

/// [`check_count`] of a set.
pub(super) fn check_set<T>(
    field: &str,
    set: Option<&BTreeSet<T>>,
    most: usize,
) -> Result<(), Problem> {
    check_count(field, set.map(BTreeSet::len), most)
}

/// Checks that a number is in `1..=most`.
pub(super) fn check_number(field: &str, number: u32, most: u32) -> Result<(), Problem> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    Err(Problem::field(
        field,
        format!("{number} is out of bounds: it must be 1 to {most}"),
    ))
}

/// Checks that what starts and ends does so in this order.
pub(super) fn check_lifetime(
    not_before: Option<&Timestamp>,
    expires_at: Option<&Timestamp>,
) -> Result<(), Problem> {
    match (not_before, expires_at) {
        (Some(start), Some(end)) if start.at() >= end.at() => Err(Problem::field(
            "expires_at",
            format!("{end} must be later than not_before, {start}"),
        )),
        _ => Ok(()),
    }
}

/// Checks notes for people: how many there are, and how long.
pub(super) fn check_metadata(metadata: Option<&BTreeMap<String, String>>) -> Result<(), Problem> {
    check_count(
        "metadata",
        metadata.map(BTreeMap::len),
        METADATA_ENTRIES_MAX,
    )?;
    let long = |text: &&String| text.chars().count() > METADATA_CHARS_MAX;
    let mut texts = metadata
        .into_iter()
        .flatten()
        .flat_map(|(key, value)| [key, value]);
    let Some(text) = texts.find(long) else {
        return Ok(());
    };
    let start: String = text.chars().take(20).collect();
    let message = format!("\"{start}…\" is too long: at most {METADATA_CHARS_MAX} characters");
    Err(Problem::field("metadata", message))
}
