//! A path in its one canonical spelling.

use std::borrow::Cow;

use crate::Malformed;

/// The most bytes of a path, without its query.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// The path in its one spelling: unreserved characters plain, `!$&'()+,;=:@` as they came, all others as `%` and two
/// capital digits. It is the spelling that a pattern's literals have.
///
/// Nothing is allocated for a path that has that spelling already.
pub(super) fn canonical(path: &str) -> Result<Cow<'_, str>, Malformed> {
    if !path.starts_with('/') {
        return Err(Malformed::PathForm);
    }
    check_length(path)?;
    let path = if path.bytes().all(|byte| byte == b'/' || is_plain(byte)) {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(respelt(path)?)
    };
    check_length(&path)?;
    check_segments(&path)?;
    Ok(path)
}

fn check_length(path: &str) -> Result<(), Malformed> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Malformed::PathTooLong);
    }
    Ok(())
}

/// Checks what segments spell out. It reads the canonical path, so that an encoded dot is a dot.
fn check_segments(path: &str) -> Result<(), Malformed> {
    let bytes = path.as_bytes();
    let mut segments = bytes.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment.first() {
            None if !is_last => return Err(Malformed::PathEmptySegment),
            Some(b';') => return Err(Malformed::PathParameter),
            Some(b'.' | b'%') if is_dots(segment) => return Err(Malformed::PathDotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a segment is `.` or `..` for some server: a few cut parameters and spaces off first.
fn is_dots(segment: &[u8]) -> bool {
    let mut name = segment
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    while let Some(rest) = name.strip_prefix(b"%20") {
        name = rest;
    }
    while let Some(rest) = name.strip_suffix(b"%20") {
        name = rest;
    }
    matches!(name, b"." | b"..")
}

fn respelt(path: &str) -> Result<String, Malformed> {
    let mut spelling = String::with_capacity(path.len());
    let mut meaning = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let is_encoded = byte == b'%';
        let byte = if is_encoded {
            decoded(bytes.next(), bytes.next())?
        } else {
            raw(byte)?
        };
        meaning.push(byte);
        if is_unreserved(byte) || (!is_encoded && (byte == b'/' || is_plain(byte))) {
            spelling.push(char::from(byte));
        } else {
            push_encoded(&mut spelling, byte);
        }
    }
    // Overlong forms of a slash or a dot end here.
    std::str::from_utf8(&meaning).map_err(|_| Malformed::PathNotUtf8)?;
    Ok(spelling)
}

fn raw(byte: u8) -> Result<u8, Malformed> {
    if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'?') {
        return Ok(byte);
    }
    Err(Malformed::PathCharacter)
}

fn decoded(high: Option<u8>, low: Option<u8>) -> Result<u8, Malformed> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let (Some(high), Some(low)) = (digit(high), digit(low)) else {
        return Err(Malformed::PathEscape);
    };
    let byte = u8::try_from(high << 4 | low).map_err(|_| Malformed::PathEscape)?;
    if byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'%' | b';') {
        return Err(Malformed::PathAmbiguous);
    }
    Ok(byte)
}

fn push_encoded(text: &mut String, byte: u8) {
    let digit = |nibble: u8| {
        char::from_digit(u32::from(nibble), 16)
            .unwrap_or('0')
            .to_ascii_uppercase()
    };
    text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What a canonical segment holds as it is; `*` is left to patterns.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}
