//! Names: of documents, of namespaces, of a token's environment.

use smol_str::SmolStr;

use crate::text;

/// The most characters a document's name may have.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// The most characters a namespace's name may have.
pub(crate) const NAMESPACE_CHARS_MAX: usize = 32;
/// The most characters a description may have: all of a namespace's documents share some room.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 500;
/// The most characters an environment's name may have.
pub(crate) const ENVIRONMENT_CHARS_MAX: usize = 16;

/// A document's name: 1 to 64 letters, digits and `. _ : @ / -`, the first a letter or a digit.
///
/// Requests are written down with the names of what decided on them: most are short enough to be copied without memory
/// of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    text: SmolStr,
}
text!(Name);

impl Name {
    /// Reads a name; the error says what a name may hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let holds = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'/' | b'-')
        };
        if starts_well && text.len() <= NAME_CHARS_MAX && text.bytes().all(holds) {
            return Ok(Self { text: text.into() });
        }
        Err(format!(
            "{text:?} is not a name: it must have 1 to {NAME_CHARS_MAX} letters, digits or any of . _ : @ / - and start \
             with a letter or a digit"
        ))
    }
}

/// A namespace: 1 to 32 lower-case letters, digits, `_` and `-`, the first a letter. Everything one fleet serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    text: String,
}
text!(Namespace);

impl Namespace {
    /// Reads a namespace's name; the error says what it may hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if starts_well && text.len() <= NAMESPACE_CHARS_MAX && text.chars().all(holds) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "{text:?} is not a namespace: it must have 1 to {NAMESPACE_CHARS_MAX} lower-case letters, digits, '_' or '-' \
             and start with a letter, like \"prod\""
        ))
    }
}

/// The environment that a token shows in its text (`tg_live_…`): 1 to 16 lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Environment {
    text: String,
}
text!(Environment);

impl Environment {
    /// Reads an environment's name; the error says what it may hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !text.is_empty() && text.len() <= ENVIRONMENT_CHARS_MAX && text.chars().all(holds) {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "{text:?} is not an environment: it must have 1 to {ENVIRONMENT_CHARS_MAX} lower-case letters or digits, \
             like \"live\" or \"test\""
        ))
    }
}

/// What something is for, in its author's words: at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    text: String,
}
text!(Description);

impl Description {
    /// Takes a description; the error says how long one may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let characters = text.chars().count();
        if characters <= DESCRIPTION_CHARS_MAX {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(format!(
            "a description has at most {DESCRIPTION_CHARS_MAX} characters, this one {characters}"
        ))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            text: "live".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_names() {
        for text in [
            "orders:read",
            "acme-ci",
            "a",
            "team/orders",
            "bob@example.com",
            "v1.2_x",
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_a_file_or_a_secret_could_misread_is_no_name() {
        let long = "a".repeat(NAME_CHARS_MAX + 1);
        for text in [
            "", "-a", ".a", "../a", "a b", "a\n", "ä", "a%2f", "a\\b", &long,
        ] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_description_is_bounded() {
        assert!(Description::parse(&"ä".repeat(500)).is_ok());
        assert!(
            Description::parse(&"ä".repeat(501))
                .unwrap_err()
                .ends_with("this one 501")
        );
    }

    #[test]
    fn a_namespace_is_lower_case() {
        assert!(Namespace::parse("prod-eu_1").is_ok());
        for text in ["", "Prod", "1a", "a/b", "a.b"] {
            assert!(Namespace::parse(text).is_err(), "{text:?}");
        }
    }
}
