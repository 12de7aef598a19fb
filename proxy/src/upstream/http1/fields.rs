//! Fields of a head, cut out of what was read without a copy.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::Fault;

/// As many fields as most answers have.
const FIELDS_USUAL: usize = 24;

/// As many as the proxy adds to most: a map that has room for them does not grow.
const FIELDS_ADDED: usize = 4;

/// Where a field's name and its value stand.
pub(super) type Place = (Range<usize>, Range<usize>);

/// Where fields stand in the `head` that they were parsed of.
pub(super) fn places(
    fields: &[httparse::Header<'_>],
    head: &[u8],
) -> SmallVec<[Place; FIELDS_USUAL]> {
    let start = head.as_ptr().addr();
    let place = |part: &[u8]| {
        let begin = part.as_ptr().addr().wrapping_sub(start);
        begin..begin.wrapping_add(part.len())
    };
    let fields = fields.iter();
    fields
        .map(|field| (place(field.name.as_bytes()), place(field.value)))
        .collect()
}

/// The fields at these places of a head.
pub(super) fn fields_at(head: &Bytes, places: &[Place]) -> Result<HeaderMap, Fault> {
    let mut fields = HeaderMap::with_capacity(places.len() + FIELDS_ADDED);
    for (name, value) in places {
        let name = head.get(name.clone()).unwrap_or_default();
        let name = HeaderName::from_bytes(name).map_err(|_| httparse::Error::HeaderName)?;
        // A value that is empty may stand nowhere.
        let value = if value.is_empty() {
            Bytes::new()
        } else {
            head.slice(value.clone())
        };
        let value = HeaderValue::from_maybe_shared(value);
        fields.append(name, value.map_err(|_| httparse::Error::HeaderValue)?);
    }
    Ok(fields)
}

/// The same error, or that there are too many fields.
pub(super) fn too_many(error: httparse::Error) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        other => Fault::Head(other),
    }
}
