//! Conditions of roles, as texts.

use crate::text;

/// The most bytes of a condition.
pub const CONDITION_BYTES_MAX: usize = 4_096;
/// How deep brackets may stand within each other in a condition.
pub const CONDITION_DEPTH_MAX: usize = 32;

/// An expression in Cedar, as it stands within `when { … }`: 1 to 4,096 bytes, with brackets at most 32 deep. What it means
/// is for the engine to find out, which reads it by a language that it is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    text: String,
}
text!(Condition);

impl Condition {
    /// Takes a text that is short and flat enough to be read as a condition; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(
                "a condition must not be empty: write one, like \"context.hour >= 9\", or leave it out"
                    .to_owned(),
            );
        }
        let bytes = text.len();
        if bytes > CONDITION_BYTES_MAX {
            return Err(format!(
                "a condition has at most {CONDITION_BYTES_MAX} bytes, this one {bytes}"
            ));
        }
        if text
            .chars()
            .any(|c| c.is_control() && !"\n\r\t".contains(c))
        {
            return Err(
                "a condition holds no control characters but line breaks and tabs".to_owned(),
            );
        }
        if depth(text) > CONDITION_DEPTH_MAX {
            return Err(format!(
                "the brackets of a condition stand at most {CONDITION_DEPTH_MAX} deep within each other"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// How deep brackets stand within each other, but for those in texts and comments.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '(' | '[' | '{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '"' => skip_text(&mut characters),
            '/' if characters.next_if_eq(&'/').is_some() => {
                while characters.next_if(|c| *c != '\n').is_some() {}
            }
            _ => {}
        }
    }
    deepest
}

/// Skips what is left of a text in quotes, with its end.
fn skip_text(characters: &mut impl Iterator<Item = char>) {
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_short_flat_and_not_empty() {
        let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
        let long = |bytes: usize| format!("true{}", " ".repeat(bytes - 4));
        for text in [
            "context.hour >= 9",
            "true &&\n\ttrue",
            &nested(32),
            &long(4_096),
        ] {
            assert!(Condition::parse(text).is_ok(), "{text}");
        }
        for text in ["", " \n", "true\u{0}", &nested(33), &long(4_097)] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_in_texts_and_comments_are_not_nested() {
        let quoted = format!("context.path == \"{}\\\"((\" || (true)", "(".repeat(50));
        let comment = format!("true // {}\n && (true)", "(".repeat(50));

        assert_eq!(depth(&quoted), 1);
        assert_eq!(depth(&comment), 1);
        assert_eq!(depth("\"a\" == (\"b\")"), 1);
        assert_eq!(depth("\"unfinished (("), 0);
    }
}
