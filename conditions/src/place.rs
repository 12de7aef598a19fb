//! Where a condition is wrong.

use miette::Diagnostic;

/// The most characters that a message has beside its place.
const MESSAGE_CHARS_MAX: usize = 500;

/// Where Cedar says that something is wrong, in bytes of what it read.
pub(crate) fn offset(error: &(impl Diagnostic + ?Sized)) -> usize {
    let label = error.labels().and_then(|mut labels| labels.next());
    label.map_or(0, |label| label.offset())
}

/// What Cedar says is wrong, at its line and column in `text`, which begins `before` bytes into what Cedar read.
pub(crate) fn told(text: &str, error: &(impl Diagnostic + ?Sized), before: usize) -> String {
    let label = error.labels().and_then(|mut labels| labels.next());
    let mut message = nameless(&error.to_string()).to_owned();
    let help = error.help().map(|help| help.to_string());
    let expected = label.as_ref().and_then(|label| label.label());
    for more in [expected.map(str::to_owned), help].into_iter().flatten() {
        message.extend([": ", nameless(&more)]);
    }
    match label {
        Some(label) => at(text, label.offset().saturating_sub(before), &message),
        None => at(text, 0, &message),
    }
}

/// A message without the name of the policy, which Cedar made up.
fn nameless(message: &str) -> &str {
    let named = message.strip_prefix("for policy ");
    let rest = named.and_then(|named| named.split_once(", "));
    rest.map_or(message, |(_, rest)| rest)
}

/// A message with the line and the column, both counted from 1 and the latter in characters.
pub(crate) fn at(text: &str, offset: usize, message: &str) -> String {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    format!("line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        assert_eq!(at("ä == b", 3, "x"), "line 1, column 3: x");
        assert_eq!(at("a\n&& b", 5, "x"), "line 2, column 4: x");
        assert_eq!(at("a", 9, "x"), "line 1, column 2: x");
    }
}
