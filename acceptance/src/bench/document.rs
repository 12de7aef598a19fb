//! The document that the numbers stand in, between two markers.

use std::path::Path;

use tollgate_acceptance::Failure;

use crate::measure::print;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// Replaces what was measured before.
pub(crate) fn write(measured: &str) -> Result<(), Failure> {
    let path = Path::new(DOCUMENT);
    let before = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    let after = replace(&before, measured).ok_or_else(|| Failure::Unexpected {
        what: DOCUMENT.to_owned(),
        expected: format!("the markers {} and {}", BEGIN.trim_end(), END.trim_end()),
        got: "a text without them".to_owned(),
    })?;
    std::fs::write(path, after).map_err(Failure::file(path))?;
    print(&format!("\n{measured}\nWritten to docs/benchmarks.md."));
    Ok(())
}

fn replace(text: &str, measured: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{measured}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text = format!("Head.\n{BEGIN}old\n{END}Tail.\n");

        let once = replace(&text, "new\n").unwrap();

        assert_eq!(once, format!("Head.\n{BEGIN}\nnew\n\n{END}Tail.\n"));
        assert_eq!(replace(&once, "new\n").unwrap(), once);
        assert_eq!(replace("no markers", "new\n"), None);
    }

    #[test]
    fn the_document_has_the_markers() {
        let text = std::fs::read_to_string(DOCUMENT).unwrap();
        assert!(replace(&text, "").is_some());
    }
}
