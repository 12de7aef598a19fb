//! The front page: the provider's own configuration, and a list of everything else.

use tollgate_proto::tfplugin6::Schema;

use crate::examples::Examples;
use crate::failure::Failure;
use crate::guides::Guide;
use crate::markdown::{code, first_sentence, front_matter, join, prose};
use crate::pages::Page;
use crate::schema;

/// Renders the front page; `listed` are the lists of what else there is.
pub(crate) fn render(
    provider: &Schema,
    listed: Vec<String>,
    examples: &Examples,
) -> Result<Page, Failure> {
    let block = provider.block.clone().unwrap_or_default();
    let example = examples.read("provider/provider.tf", "the provider")?;
    let head = [
        front_matter("Tollgate Provider", &block.description),
        "# Tollgate Provider".to_owned(),
        prose(&block.description),
        "## Example Usage".to_owned(),
        code("terraform", &example),
        schema::render("the provider", &block)?,
    ];
    Ok(Page {
        path: "index.md".to_owned(),
        text: join(head.into_iter().chain(listed)),
    })
}

/// A list of what has pages in one folder; nothing where nothing has.
///
/// Names without links: the registry and a repository's browser read relative links from the front page differently,
/// and both list the pages beside it.
pub(crate) fn list<'schema>(
    heading: &str,
    entries: impl Iterator<Item = (&'schema String, &'schema String)>,
) -> String {
    let lines = entries.map(|(name, description)| {
        format!("- `{name}`: {}.\n", prose(first_sentence(description)))
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        return lines;
    }
    format!("## {heading}\n\n{lines}")
}

/// A list of the guides.
pub(crate) fn guides(guides: &[Guide]) -> String {
    let lines = guides.iter().map(|guide| {
        let Guide { title, description } = guide;
        format!("- {title}: {}.\n", first_sentence(description))
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        return lines;
    }
    format!("## Guides\n\n{lines}")
}
