//! Patterns of paths: `/v1/orders/*/lines`, `/v1/orders/**`.

use crate::text;

/// The most characters of a pattern.
pub(crate) const PATTERN_CHARS_MAX: usize = 1_024;
/// The most segments of a pattern.
pub(crate) const PATTERN_SEGMENTS_MAX: usize = 32;

/// One segment of a [`PathPattern`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Exactly this text, in its canonical spelling; empty only as the last one, for a path that ends in a slash.
    Literal(String),
    /// `*`: any one segment that is not empty.
    One,
    /// `**`, only as the last one: whatever follows, also nothing at all.
    Rest,
}

/// A pattern of paths: literal segments, `*` for one segment, and `**` at the end for the rest.
///
/// `/v1/orders/**` stands for `/v1/orders`, `/v1/orders/` and everything beneath. Literals are written as a canonical
/// path has them (RFC 3986, section 6.2.2): unreserved characters plain, others as `%` and two capital digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}
text!(PathPattern);

impl PathPattern {
    /// Reads a pattern; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!(
                "{text:?} is not a path: it must start with '/', like \"/v1/orders/**\""
            ));
        };
        if text.len() > PATTERN_CHARS_MAX {
            return Err(format!(
                "a path has at most {PATTERN_CHARS_MAX} characters, this one {}",
                text.len()
            ));
        }
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.len() > PATTERN_SEGMENTS_MAX {
            return Err(format!(
                "a path has at most {PATTERN_SEGMENTS_MAX} segments, this one {}",
                parts.len()
            ));
        }
        let last = parts.len() - 1;
        let segments = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                segment(part, index == last).map_err(|problem| format!("{text:?}: {problem}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    /// Its segments: at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

fn segment(part: &str, is_last: bool) -> Result<Segment, String> {
    match part {
        "**" if is_last => Ok(Segment::Rest),
        "**" => Err("\"**\" stands for the rest of a path, so it must come last".to_owned()),
        "*" => Ok(Segment::One),
        "" if is_last => Ok(Segment::Literal(String::new())),
        "" => Err("two slashes in a row never reach an upstream: remove one".to_owned()),
        "." | ".." => Err(format!(
            "{part:?} never reaches an upstream: write the path that it leads to"
        )),
        _ if part.contains('*') => Err(format!(
            "{part:?} mixes '*' with text: '*' stands for a whole segment"
        )),
        _ if part.starts_with(';') => Err(format!(
            "{part:?} starts with ';', which never reaches an upstream"
        )),
        _ => literal(part),
    }
}

/// A literal in the one spelling in which requests are compared with it.
fn literal(part: &str) -> Result<Segment, String> {
    let mut rest = part;
    while let Some(character) = rest.chars().next() {
        let Some(encoded) = rest.strip_prefix('%') else {
            if !is_plain(character) {
                return Err(unfit(character));
            }
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
            continue;
        };
        let digits = encoded.get(..2).unwrap_or_default();
        let code = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| {
                digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            })
            .ok_or_else(|| {
                format!("'%' in {part:?} must be followed by two digits in capitals, like \"%2B\"")
            })?;
        if code.is_ascii_control() || matches!(code, b'/' | b'\\' | b'%' | b';') {
            return Err(format!(
                "\"%{digits}\" in {part:?} never reaches an upstream"
            ));
        }
        if is_unreserved(char::from(code)) {
            return Err(format!(
                "\"%{digits}\" in {part:?} is written plain: {:?}",
                char::from(code)
            ));
        }
        rest = encoded.get(2..).unwrap_or_default();
    }
    Ok(Segment::Literal(part.to_owned()))
}

fn unfit(character: char) -> String {
    match character {
        '?' | '#' => format!("a path ends before {character:?}: leave the query out"),
        '{' | '}' => "a variable is written '*', which stands for one segment".to_owned(),
        _ => {
            let text = character.to_string();
            let encoded = percent_encoding::percent_encode(
                text.as_bytes(),
                percent_encoding::NON_ALPHANUMERIC,
            )
            .to_string();
            format!("{character:?} must be percent-encoded: {encoded:?}")
        }
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~".contains(character)
}

/// RFC 3986, section 3.3: what a segment may hold as it is.
fn is_plain(character: char) -> bool {
    is_unreserved(character) || "!$&'()+,;=:@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_literals_stars_and_a_rest() {
        let pattern = PathPattern::parse("/v1/*/lines/**").unwrap();

        let literal = |text: &str| Segment::Literal(text.to_owned());
        assert_eq!(
            pattern.segments(),
            [literal("v1"), Segment::One, literal("lines"), Segment::Rest]
        );
    }

    #[test]
    fn the_root_is_one_empty_segment() {
        assert_eq!(
            PathPattern::parse("/").unwrap().segments(),
            [Segment::Literal(String::new())]
        );
    }

    #[test]
    fn each_mistake_is_told_apart() {
        for (text, expected) in [
            ("", "must start with '/'"),
            ("v1", "must start with '/'"),
            ("/v1/**/x", "must come last"),
            ("/v1/a*", "stands for a whole segment"),
            ("/v1//x", "two slashes"),
            ("/v1/../x", "never reaches"),
            ("/v1/%2Fx", "never reaches"),
            ("/v1/%41", "is written plain"),
            ("/v1/%2b", "in capitals"),
            ("/v1/%", "in capitals"),
            ("/v1/a b", "\"%20\""),
            ("/v1/ä", "\"%C3%A4\""),
            ("/v1?x=1", "leave the query out"),
            ("/v1/{id}", "is written '*'"),
            ("/v1/;x", "starts with ';'"),
        ] {
            let problem = PathPattern::parse(text).unwrap_err();
            assert!(problem.contains(expected), "{text:?}: {problem}");
        }
    }
}
