//! Short texts.

/// What stands before and after the first `byte`, which is one of ASCII. The standard library's search is made for long
/// texts: of a path's segment it costs several times as much.
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|other| other == byte)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_as_the_standard_library_does() {
        for text in ["", "/", "a", "a/", "/b", "a/b/c", "ä/ö/ü", "//"] {
            assert_eq!(split_once(text, b'/'), text.split_once('/'), "{text}");
        }
    }
}
