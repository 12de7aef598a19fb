//! Where a proxy answers by itself.

use crate::{PathPattern, Segment, text};

/// The path of a page that a proxy answers by itself, in the one spelling in which requests are compared with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PagePath {
    text: String,
}
text!(PagePath);

impl PagePath {
    /// Reads a path; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = PathPattern::parse(text)?;
        let is_one = |segment: &Segment| matches!(segment, Segment::Literal(_));
        if text == "/" || !pattern.segments().iter().all(is_one) {
            return Err(format!(
                "{text:?} is not the path of one page: write it like \"/.well-known/jwks.json\""
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_path() {
        assert!(PagePath::parse("/.well-known/jwks.json").is_ok());
        for text in [
            "", "/", "jwks", "/keys/*", "/keys/**", "/keys?x", "/a/../b", "/%6Beys",
        ] {
            assert!(PagePath::parse(text).is_err(), "{text:?}");
        }
    }
}
