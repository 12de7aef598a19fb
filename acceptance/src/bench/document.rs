//! The document that the numbers stand in, each benchmark's between two markers.

use std::path::Path;

use tollgate_acceptance::Failure;

use crate::measure::print;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

/// Where a benchmark's numbers begin and end.
#[derive(Clone, Copy)]
pub(crate) struct Markers(&'static str, &'static str);

/// What the provider costs.
pub(crate) const PROVIDER: Markers =
    Markers("<!-- measured: begin -->\n", "<!-- measured: end -->\n");
/// What the proxy costs.
pub(crate) const PROXY: Markers = Markers(
    "<!-- measured proxy: begin -->\n",
    "<!-- measured proxy: end -->\n",
);

/// What counting together costs.
pub(crate) const FLEET: Markers = Markers(
    "<!-- measured fleet: begin -->\n",
    "<!-- measured fleet: end -->\n",
);

/// Replaces what was measured before.
pub(crate) fn write(markers: Markers, measured: &str) -> Result<(), Failure> {
    let path = Path::new(DOCUMENT);
    let before = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    let after = replace(markers, &before, measured).ok_or_else(|| Failure::Unexpected {
        what: DOCUMENT.to_owned(),
        expected: format!(
            "the markers {} and {}",
            markers.0.trim_end(),
            markers.1.trim_end()
        ),
        got: "a text without them".to_owned(),
    })?;
    std::fs::write(path, after).map_err(Failure::file(path))?;
    print(&format!("\n{measured}\nWritten to docs/benchmarks.md."));
    Ok(())
}

fn replace(Markers(begin, end): Markers, text: &str, measured: &str) -> Option<String> {
    let (head, rest) = text.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{measured}\n{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let Markers(begin, end) = PROVIDER;
        let text = format!("Head.\n{begin}old\n{end}Tail.\n");

        let once = replace(PROVIDER, &text, "new\n").unwrap();

        assert_eq!(once, format!("Head.\n{begin}\nnew\n\n{end}Tail.\n"));
        assert_eq!(replace(PROVIDER, &once, "new\n").unwrap(), once);
        assert_eq!(replace(PROXY, &once, "new\n"), None);
    }

    #[test]
    fn the_document_has_the_markers() {
        let text = std::fs::read_to_string(DOCUMENT).unwrap();
        for markers in [PROVIDER, PROXY, FLEET] {
            assert!(replace(markers, &text, "").is_some());
        }
    }
}
